//! An honest caller of another tenant, at a steady rate for the whole run: what the hostile do to it.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::Duration,
};

use airlock_tests::guests;
use anyhow::Context as _;
use serde::Serialize;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};

use crate::{client::Client, server::Address};

/// Between two calls: far below what the server can do.
const EVERY: Duration = Duration::from_millis(10);
/// Calls that wait for their answers at most; beyond that the neighbour counts a failure without calling.
const WAITING_MAX: usize = 500;
const TENANT: &str = "neighbour";
const FUNCTION: &str = "hello-arena";
const PAYLOAD: &str = r#"{"name":"Ada"}"#;
const WALL_TIME: Duration = Duration::from_secs(10);
/// Well below the lifetime of a token.
const TOKEN_AGE_MAX: Duration = Duration::from_secs(20);

/// What runs beside the neighbour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing that is measured.
    Pause,
    /// Nothing, before the specimens.
    CalmBefore,
    /// One specimen at a time.
    Alone,
    /// Many at once.
    Crowd,
    /// Nothing, after the specimens.
    CalmAfter,
}

/// One call: what ran beside it, and how long after the moment it was due the answer came. `None` is a failure.
type Sample = (Phase, Option<Duration>);

/// The caller, on a thread of its own, so that nothing the run does delays it.
pub(crate) struct Neighbour {
    phase: watch::Sender<Phase>,
    server: watch::Sender<Option<Address>>,
    samples: Arc<Mutex<Vec<Sample>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What one phase was like.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Latency {
    pub(crate) calls: usize,
    pub(crate) failed: usize,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

impl Neighbour {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let (phase, phases) = watch::channel(Phase::Pause);
        let (server, servers) = watch::channel(None);
        let (samples, over) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let caller = Caller { phases, servers, samples: Arc::clone(&samples), over: Arc::clone(&over) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("neighbour".to_owned());
        let thread = thread.spawn(move || runtime.block_on(caller.call_steadily())).context("no thread")?;
        Ok(Self { phase, server, samples, over, thread: Some(thread) })
    }

    /// Deploys what the neighbour calls, and lets it call this server from now on.
    pub(crate) async fn move_in(&self, address: &Address) -> anyhow::Result<()> {
        let (manifest, component) = guests::built(FUNCTION);
        let deployed = address.connect().await?.deploy(&manifest, component).await;
        deployed.map_err(|ended| anyhow::anyhow!("the neighbour cannot deploy: {} ({})", ended.name, ended.detail))?;
        self.server.send_replace(Some(address.clone()));
        Ok(())
    }

    /// Calls nobody until it moves in again.
    pub(crate) fn move_out(&self) {
        self.server.send_replace(None);
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }

    /// What the phases were like, taken together.
    pub(crate) fn latency(&self, phases: &[Phase]) -> Latency {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let of_phases: Vec<_> = samples.iter().filter(|(phase, _)| phases.contains(phase)).collect();
        let mut times: Vec<Duration> = of_phases.iter().filter_map(|(_, time)| *time).collect();
        times.sort_unstable();
        let at = |rank: usize| times.get(rank.min(times.len().saturating_sub(1))).map_or(0.0, |time| ms(*time));
        Latency {
            calls: of_phases.len(),
            failed: of_phases.len() - times.len(),
            p50_ms: at(times.len() / 2),
            p99_ms: at(times.len() * 99 / 100),
            max_ms: at(usize::MAX),
        }
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.over.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            // It catches nothing and panics never; its end is all that counts.
            let _ended = thread.join();
        }
    }
}

/// A time in milliseconds with two decimals.
pub(crate) fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 100_000.0).round() / 100.0
}

struct Caller {
    phases: watch::Receiver<Phase>,
    servers: watch::Receiver<Option<Address>>,
    samples: Arc<Mutex<Vec<Sample>>>,
    over: Arc<AtomicBool>,
}

/// A connection, with a token for a while.
#[derive(Clone)]
struct Session {
    client: Client,
    token: Arc<str>,
    renew: Instant,
}

impl Session {
    async fn open(address: &Address) -> Option<Self> {
        // A server that has just died takes no connection; the run sees that by itself.
        let client = address.connect().await.ok()?;
        Some(Self { token: client.token(TENANT).into(), client, renew: Instant::now() + TOKEN_AGE_MAX })
    }

    async fn call(self, due: Instant) -> Option<Duration> {
        let ended = self.client.invoke(&self.token, FUNCTION, PAYLOAD, WALL_TIME).await;
        (ended.name == "returned").then(|| due.elapsed())
    }
}

impl Caller {
    /// Calls when a call is due, not when the one before has answered: a slow answer is not counted once for the many
    /// calls that it would have held up.
    async fn call_steadily(mut self) {
        let waiting = Arc::new(AtomicUsize::new(0));
        let mut session = None;
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        while !self.over.load(Relaxed) {
            let due = ticks.tick().await;
            self.renew(&mut session).await;
            let (Some(session), phase) = (session.clone(), *self.phases.borrow()) else { continue };
            let samples = Arc::clone(&self.samples);
            if waiting.load(Relaxed) >= WAITING_MAX {
                keep(&samples, (phase, None));
                continue;
            }
            let waiting = Arc::clone(&waiting);
            waiting.fetch_add(1, Relaxed);
            tokio::spawn(async move {
                keep(&samples, (phase, session.call(due).await));
                waiting.fetch_sub(1, Relaxed);
            });
        }
    }

    /// Follows the server to where it is now, and takes a new token in time.
    async fn renew(&mut self, session: &mut Option<Session>) {
        let is_old = session.as_ref().is_some_and(|session| session.renew < Instant::now());
        if is_old || self.servers.has_changed().unwrap_or(false) {
            let address = self.servers.borrow_and_update().clone();
            *session = match address {
                Some(address) => Session::open(&address).await,
                None => None,
            };
        }
    }
}

fn keep(samples: &Mutex<Vec<Sample>>, sample: Sample) {
    if sample.0 != Phase::Pause {
        samples.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
    }
}
