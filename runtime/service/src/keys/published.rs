//! A key set that somebody else publishes: fetched in the background, kept for as long as it may be, and looked at again when a
//! token names a key that nobody has seen yet.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use airlock_access::{KeyError, KeyName, KeySet, PublishedKeys};
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
    asking::Asking,
    kept::{Had, Kept},
    schedule::{Schedule, chance},
};
use crate::{clock, config::refuse_reserved_keys};

/// The longest that a call waits for keys that are looked for on its behalf: one fetch, and a little.
const LOOK_TIME_MAX: Duration = Duration::from_secs(6);
/// The longest that new keys wait until they are kept: a disk that hangs keeps nobody's keys from ending.
const KEEP_TIME_MAX: Duration = Duration::from_secs(1);
/// Calls that wait at once for the keys of one set; any more are judged by the keys at hand.
const LOOKING_MAX: usize = 1_024;

/// One published set. Fetches for as long as it is held.
pub(crate) struct Published {
    set: Arc<Set>,
    /// `None` when nothing is fetched.
    fetched: Option<(AbortHandle, Kept)>,
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
    /// What they were read from.
    had: Mutex<Option<Had>>,
    listeners: Mutex<Vec<Listener>>,
    fetching: watch::Sender<Fetching>,
    asking: Mutex<Asking>,
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
    /// Whether the last one brought keys.
    has_brought: bool,
}

/// Whether there is a fetch to wait for.
#[derive(PartialEq, Eq)]
enum Coming {
    /// One that begins after it was asked for.
    New,
    /// One that has begun already.
    UnderWay,
    None,
}

impl Drop for Published {
    fn drop(&mut self) {
        self.fetched.iter().for_each(|(task, _)| task.abort());
    }
}

impl Published {
    /// One that has no keys and never gets any.
    pub(super) fn idle(name: SetName) -> Self {
        Self { set: Arc::new(Set::new(name)), fetched: None }
    }

    /// One that begins with what was kept or had before, and fetches at once.
    pub(super) fn start(name: SetName, client: DocumentClient, begin: (Kept, Option<Had>), runtime: &Handle) -> Self {
        let client = Arc::new(client);
        let fetch: Fetch = Box::new(move || {
            let client = Arc::clone(&client);
            Box::pin(async move { client.fetch().await })
        });
        Self::fetched_with(name, fetch, begin, runtime)
    }

    pub(super) fn fetched_with(
        name: SetName,
        fetch: Fetch,
        (kept, had): (Kept, Option<Had>),
        runtime: &Handle,
    ) -> Self {
        let set = Arc::new(Set::new(name));
        let age = had.and_then(|had| set.begin_with(had));
        let schedule = Schedule::new(&set.name.source, Instant::now(), age);
        let task = runtime.spawn(Arc::clone(&set).refresh_forever(fetch, kept.clone(), schedule)).abort_handle();
        Self { set, fetched: Some((task, kept)) }
    }

    pub(super) fn name(&self) -> &SetName {
        &self.set.name
    }

    /// Where it is kept; `None` when nothing is fetched.
    pub(super) fn kept(&self) -> Option<&Kept> {
        self.fetched.as_ref().map(|(_, kept)| kept)
    }

    /// What the keys at hand were read from.
    pub(super) fn had(&self) -> Option<Had> {
        self.set.had().clone()
    }

    /// When that was.
    pub(super) fn fetched_at(&self) -> Option<Instant> {
        self.set.had().as_ref().map(|had| had.taken)
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
        if self.set.keys.load().is_none() {
            self.tried().await;
        }
    }

    /// Waits until it has been fetched, or could not be.
    pub(crate) async fn tried(&self) {
        if self.fetched.is_some() {
            let mut fetching = self.set.fetching.subscribe();
            let _ = timeout(LOOK_TIME_MAX, fetching.wait_for(|now| now.ended > 0)).await;
        }
    }

    /// Waits for a fetch that could bring this key, where there may be one: the one under way, or a new one as far as [`Asking`]
    /// allows. Returns when the key is there, or nothing more is to be hoped for.
    pub(crate) async fn look_for(&self, key: &KeyName) {
        if self.set.has(key) {
            return;
        }
        let Ok(_place) = self.set.looking.try_acquire() else { return };
        let _ = timeout(LOOK_TIME_MAX, self.set.look_for(key)).await;
    }
}

impl Set {
    fn new(name: SetName) -> Self {
        Self {
            name,
            keys: ArcSwapOption::empty(),
            had: Mutex::default(),
            listeners: Mutex::default(),
            fetching: watch::Sender::new(Fetching::default()),
            asking: Mutex::new(Asking::new(Instant::now())),
            looking: Semaphore::new(LOOKING_MAX),
        }
    }

    fn has(&self, key: &KeyName) -> bool {
        self.keys.load().as_deref().is_some_and(|keys| key.is_in(keys))
    }

    async fn look_for(&self, key: &KeyName) {
        let mut fetching = self.fetching.subscribe();
        // Twice, because a fetch that was under way already may have begun before the key was published.
        for _ in 0..2 {
            let ended = fetching.borrow_and_update().ended;
            let coming = if self.has(key) { Coming::None } else { self.ask(key) };
            if coming == Coming::None {
                return;
            }
            let Ok(has_brought) = fetching.wait_for(|now| now.ended > ended).await.map(|now| now.has_brought) else {
                return;
            };
            if coming == Coming::New {
                if has_brought && !self.has(key) {
                    self.asking().in_vain(key, Instant::now());
                }
                return;
            }
        }
    }

    /// Asks for a fetch, where there is none to come already.
    fn ask(&self, key: &KeyName) -> Coming {
        let mut coming = Coming::None;
        self.fetching.send_if_modified(|fetching| {
            coming = if fetching.is_asked {
                Coming::New
            } else if fetching.is_running {
                Coming::UnderWay
            } else if self.asking().may_ask(key, Instant::now()) {
                fetching.is_asked = true;
                Coming::New
            } else {
                Coming::None
            };
            fetching.is_asked
        });
        coming
    }

    fn asking(&self) -> MutexGuard<'_, Asking> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn had(&self) -> MutexGuard<'_, Option<Had>> {
        self.had.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what was there before, and says how old it is.
    fn begin_with(&self, had: Had) -> Option<Duration> {
        let age = had.age(Instant::now());
        if age >= Duration::from_secs(self.name.source.max_age_s) {
            return None;
        }
        let published = self.read(&had.text).ok()?;
        self.replace(Some(published.keys));
        *self.had() = Some(had);
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
                *self.had() = None;
            }
            if schedule.due <= Instant::now() {
                self.refresh(&fetch, &kept, &mut schedule).await;
            }
        }
    }

    async fn refresh(&self, fetch: &Fetch, kept: &Kept, schedule: &mut Schedule) {
        self.fetching.send_modify(|now| (now.is_asked, now.is_running) = (false, true));
        let began = Instant::now();
        let fetched = fetch().await.map_err(|why| why.to_string());
        let read = fetched.and_then(|text| Ok((self.read(&text).map_err(|why| why.to_string())?, text)));
        let has_brought = read.is_ok();
        match read {
            Ok((published, text)) => {
                self.note(&published, schedule.succeeded(Instant::now(), chance()));
                // Before anybody sees that a key is gone: from then on no restart brings it back.
                let had = Had::now(text);
                self.keep(kept.clone(), had.clone(), began).await;
                *self.had() = Some(had);
                self.replace(Some(published.keys));
            }
            Err(why) => self.note_failure(&why, schedule.failed(Instant::now(), chance())),
        }
        // Whoever waits goes on, and finds everybody told.
        self.fetching.send_modify(|now| {
            (now.is_running, now.has_brought) = (false, has_brought);
            now.ended = now.ended.wrapping_add(1);
        });
    }

    async fn keep(&self, kept: Kept, had: Had, began: Instant) {
        let save = move || kept.save(&had.text, clock::now_unix_s(), began);
        let saved = match timeout(KEEP_TIME_MAX, tokio::task::spawn_blocking(save)).await {
            Ok(saved) => saved.unwrap_or_else(|why| Err(why.into())),
            // It goes on, and whatever comes later waits for it.
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
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
