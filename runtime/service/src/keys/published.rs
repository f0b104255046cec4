//! A key set that somebody else publishes: fetched in the background, kept for as long as it may be, and looked at again when a
//! token names a key that nobody has seen yet.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use airlock_access::{KeyError, KeySet, PublishedKeys};
use airlock_resources::{DocumentClient, DocumentError};
use arc_swap::ArcSwapOption;
use tokio::{
    runtime::Handle,
    sync::{Semaphore, watch},
    task::AbortHandle,
    time::{Instant, sleep_until, timeout},
};

use super::{
    SetName,
    kept::Kept,
    schedule::{ASKED_EVERY, Schedule, chance},
};
use crate::{clock, config::refuse_reserved_keys};

/// The longest that a call waits for keys that are looked for on its behalf: one fetch, and a little.
const LOOK_TIME_MAX: Duration = Duration::from_secs(6);
/// Calls that wait at once for the keys of one set; any more are judged by the keys at hand.
const LOOKING_MAX: usize = 1_024;

/// One published set. Fetches for as long as it is held.
pub(crate) struct Published {
    set: Arc<Set>,
    /// `None` when nothing is fetched.
    task: Option<AbortHandle>,
}

/// Gives the text of the set.
pub(super) type Fetch =
    Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<String, DocumentError>> + Send>> + Send + Sync>;

/// Is told of every change, the first time at once. Says whether it still wants to be.
type Listener = Box<dyn Fn(Option<&KeySet>) -> bool + Send + Sync>;

struct Set {
    name: SetName,
    /// Those that may be used now. Changed after everybody has been told.
    keys: ArcSwapOption<KeySet>,
    listeners: Mutex<Vec<Listener>>,
    fetching: watch::Sender<Fetching>,
    looking: Semaphore,
}

/// Where the fetching stands.
#[derive(Debug, Clone, Copy, Default)]
struct Fetching {
    /// Somebody waits for a fetch that has not begun.
    is_asked: bool,
    is_running: bool,
    /// How many have ended.
    ended: u64,
    /// When somebody last asked for one.
    asked_at: Option<Instant>,
}

impl Drop for Published {
    fn drop(&mut self) {
        self.task.iter().for_each(AbortHandle::abort);
    }
}

impl Published {
    /// One that has no keys and never gets any.
    pub(super) fn idle(name: SetName) -> Self {
        Self { set: Arc::new(Set::new(name)), task: None }
    }

    /// One that begins with what was kept, and fetches at once.
    pub(super) fn start(name: SetName, client: DocumentClient, kept: Kept, runtime: &Handle) -> Self {
        let client = Arc::new(client);
        let fetch: Fetch = Box::new(move || {
            let client = Arc::clone(&client);
            Box::pin(async move { client.fetch().await })
        });
        Self::fetched_with(name, fetch, kept, runtime)
    }

    pub(super) fn fetched_with(name: SetName, fetch: Fetch, kept: Kept, runtime: &Handle) -> Self {
        let set = Arc::new(Set::new(name));
        let age = set.recall(&kept);
        let schedule = Schedule::new(&set.name.source, Instant::now(), age);
        let task = runtime.spawn(Arc::clone(&set).refresh_forever(fetch, kept, schedule)).abort_handle();
        Self { set, task: Some(task) }
    }

    /// The keys that may be used now; `None` when there are none, or none that are young enough.
    pub(crate) fn keys(&self) -> Option<KeySet> {
        self.set.keys.load().as_deref().cloned()
    }

    /// Tells of the keys at hand now, and of every change until `listener` says that it is enough. It must not wait.
    pub(crate) fn subscribe(&self, listener: impl Fn(Option<&KeySet>) -> bool + Send + Sync + 'static) {
        let mut listeners = self.set.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        if listener(self.set.keys.load().as_deref()) {
            listeners.push(Box::new(listener));
        }
    }

    /// Waits until there are keys, or the first attempt to fetch them has failed.
    pub(crate) async fn settled(&self) {
        if self.task.is_some() && self.set.keys.load().is_none() {
            // The sender lives in the set.
            let _ = self.set.fetching.subscribe().wait_for(|now| now.ended > 0).await;
        }
    }

    /// Waits for a fetch that could bring this key, where there may be one: the one under way, or a new one unless another was
    /// asked for within the last 10 s. Returns when the key is there, or nothing more is to be hoped for.
    pub(crate) async fn look_for(&self, key_id: &str) {
        let Ok(_place) = self.set.looking.try_acquire() else { return };
        let _ = timeout(LOOK_TIME_MAX, self.set.look_for(key_id)).await;
    }
}

impl Set {
    fn new(name: SetName) -> Self {
        Self {
            name,
            keys: ArcSwapOption::empty(),
            listeners: Mutex::default(),
            fetching: watch::Sender::new(Fetching::default()),
            looking: Semaphore::new(LOOKING_MAX),
        }
    }

    async fn look_for(&self, key_id: &str) {
        let mut fetching = self.fetching.subscribe();
        // Twice, because a fetch that was under way already may have begun before the key was published.
        for _ in 0..2 {
            let ended = fetching.borrow_and_update().ended;
            let is_known = self.keys.load().as_deref().is_some_and(|keys| keys.contains(key_id));
            if is_known || !self.ask(Instant::now()) {
                return;
            }
            if fetching.wait_for(|now| now.ended > ended).await.is_err() {
                return;
            }
        }
    }

    /// Asks for a fetch, and says whether there is one to wait for.
    fn ask(&self, now: Instant) -> bool {
        let mut is_coming = true;
        self.fetching.send_if_modified(|fetching| {
            if fetching.is_asked || fetching.is_running {
                return false;
            }
            if fetching.asked_at.is_some_and(|at| now.saturating_duration_since(at) < ASKED_EVERY) {
                is_coming = false;
                return false;
            }
            (fetching.is_asked, fetching.asked_at) = (true, Some(now));
            true
        });
        is_coming
    }

    /// Takes what was kept, and says how old it is.
    fn recall(&self, kept: &Kept) -> Option<Duration> {
        let (text, age) = kept.load(clock::now_unix_s())?;
        if age >= Duration::from_secs(self.name.source.max_age_s) {
            return None;
        }
        let published = self.read(&text).ok()?;
        self.replace(Some(published.keys));
        Some(age)
    }

    fn read(&self, text: &str) -> Result<PublishedKeys, KeyError> {
        let published = KeySet::parse_published(text, self.name.algorithms)?;
        refuse_reserved_keys(published.keys.key_ids())?;
        Ok(published)
    }

    async fn refresh_forever(self: Arc<Self>, fetch: Fetch, kept: Kept, mut schedule: Schedule) {
        let mut fetching = self.fetching.subscribe();
        loop {
            tokio::select! {
                () = sleep_until(schedule.next()) => {}
                () = asked(&mut fetching) => schedule.due = Instant::now(),
            }
            if schedule.expire(Instant::now()) {
                tracing::error!(issuer = %self.name.iss, "no keys: the last ones are older than `max_age_s` allows");
                self.replace(None);
            }
            if schedule.due <= Instant::now() {
                self.refresh(&fetch, &kept, &mut schedule).await;
            }
        }
    }

    async fn refresh(&self, fetch: &Fetch, kept: &Kept, schedule: &mut Schedule) {
        self.fetching.send_modify(|now| (now.is_asked, now.is_running) = (false, true));
        let fetched = fetch().await.map_err(|why| why.to_string());
        let read = fetched.and_then(|text| Ok((self.read(&text).map_err(|why| why.to_string())?, text)));
        let come = match read {
            Ok((published, text)) => {
                self.note(&published, schedule.succeeded(Instant::now(), chance()));
                self.replace(Some(published.keys));
                Some(text)
            }
            Err(why) => {
                self.note_failure(&why, schedule.failed(Instant::now(), chance()));
                None
            }
        };
        // Whoever waits goes on, and finds everybody told.
        self.fetching.send_modify(|now| {
            now.is_running = false;
            now.ended = now.ended.wrapping_add(1);
        });
        if let Some(text) = come {
            self.keep(kept.clone(), text).await;
        }
    }

    async fn keep(&self, kept: Kept, text: String) {
        let save = move || kept.save(text, clock::now_unix_s());
        let saved = tokio::task::spawn_blocking(save).await.unwrap_or_else(|why| Err(why.into()));
        if let Err(error) = saved {
            tracing::warn!(issuer = %self.name.iss, %error, "published keys could not be kept on disk");
        }
    }

    /// Tells everybody, then lets those go on who look for a key.
    fn replace(&self, keys: Option<KeySet>) {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        if self.keys.load().as_deref() == keys.as_ref() {
            return;
        }
        listeners.retain(|listener| listener(keys.as_ref()));
        self.keys.store(keys.map(Arc::new));
    }

    fn note(&self, published: &PublishedKeys, failed_before: u32) {
        let (issuer, keys, skipped) = (&self.name.iss, &published.keys, published.skipped);
        if failed_before > 0 {
            tracing::info!(%issuer, failed_before, "keys could be fetched again");
        }
        if self.keys.load().as_deref() != Some(keys) {
            tracing::info!(%issuer, ?keys, skipped, "the issuer's keys are others now");
        }
    }

    /// Once for a run of failures, however long it lasts.
    fn note_failure(&self, error: &str, failures: u32) {
        let (issuer, url) = (&self.name.iss, &self.name.source.document.url);
        let has_keys = self.keys.load().is_some();
        if failures > 1 {
            tracing::debug!(%issuer, url, error, failures, "keys could not be fetched again");
        } else if has_keys {
            tracing::warn!(%issuer, url, error, "keys could not be fetched: those at hand are used until `max_age_s`");
        } else {
            tracing::warn!(%issuer, url, error, "keys could not be fetched: the issuer's tokens are refused until they are");
        }
    }
}

/// Until somebody waits for a fetch.
async fn asked(fetching: &mut watch::Receiver<Fetching>) {
    // The sender lives in the set, which the caller holds.
    let _ = fetching.wait_for(|now| now.is_asked).await.map(drop);
}
