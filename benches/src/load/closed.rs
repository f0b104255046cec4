//! A closed loop: a caller sends its next call when the answer to its last is complete.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use h2::client::SendRequest;
use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use super::{Answer, LATENCY_NS_MAX, Target, connect, exchange};
use crate::server::{Server, own_cpu_time};

const CONNECTIONS_MAX: usize = 4;
const CALLERS_PER_CONNECTION: usize = 16;

/// What was seen in one window.
#[derive(Debug)]
pub(crate) struct Window {
    /// Calls answered.
    pub(crate) calls: u64,
    /// How long it was.
    pub(crate) elapsed: Duration,
    /// Processor time of the server.
    pub(crate) server_cpu: Duration,
    /// Processor time of the load generator.
    pub(crate) load_cpu: Duration,
    /// From sending a request to the end of its answer, in nanoseconds.
    pub(crate) latency: Histogram<u64>,
}

const WARMING: u8 = 0;
const MEASURING: u8 = 1;
const OVER: u8 = 2;

/// What callers and the clock share.
struct Tally {
    phase: AtomicU8,
    latency: Mutex<Histogram<u64>>,
}

impl Tally {
    fn new() -> anyhow::Result<Arc<Self>> {
        let latency = Mutex::new(Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3)?);
        Ok(Arc::new(Self { phase: AtomicU8::new(WARMING), latency }))
    }

    fn record(&self, latency: Duration) {
        if self.phase.load(Relaxed) == MEASURING {
            let latency = u64::try_from(latency.as_nanos()).unwrap_or(LATENCY_NS_MAX);
            self.latency.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(latency);
        }
    }

    fn is_over(&self) -> bool {
        self.phase.load(Relaxed) == OVER
    }
}

/// Keeps `concurrency` calls in flight and watches one window of them, after a third of its length as warm-up.
///
/// # Errors
/// The first call that is not answered as it must be, with the server's words.
pub(crate) async fn drive(
    server: &Server,
    target: Target,
    concurrency: usize,
    length: Duration,
) -> anyhow::Result<Window> {
    drive_checked(server, target, concurrency, length, Answer::check_greeting).await
}

/// As [`drive`], with another opinion on what the first answer of every caller must be.
pub(crate) async fn drive_checked(
    server: &Server,
    target: Target,
    concurrency: usize,
    length: Duration,
    check: fn(&Answer) -> anyhow::Result<()>,
) -> anyhow::Result<Window> {
    let target = Arc::new(target);
    let tally = Tally::new()?;
    let mut callers = JoinSet::new();
    let connections = concurrency.div_ceil(CALLERS_PER_CONNECTION).clamp(1, CONNECTIONS_MAX);
    for connection in 0..connections {
        let sender = connect(target.address).await?;
        // The first connections take what does not divide evenly.
        let share = concurrency / connections + usize::from(connection < concurrency % connections);
        for _ in 0..share {
            callers.spawn(caller(sender.clone(), Arc::clone(&target), Arc::clone(&tally), check));
        }
    }
    let window = tokio::select! {
        window = watch(server, &tally, length) => window?,
        Some(ended) = callers.join_next() => {
            ended??;
            anyhow::bail!("a caller ended before the window did");
        }
    };
    while let Some(ended) = callers.join_next().await {
        ended??;
    }
    Ok(window)
}

async fn watch(server: &Server, tally: &Tally, length: Duration) -> anyhow::Result<Window> {
    tokio::time::sleep(length / 3).await;
    let (server_cpu, load_cpu, began) = (server.cpu_time()?, own_cpu_time()?, Instant::now());
    tally.phase.store(MEASURING, Relaxed);
    tokio::time::sleep(length).await;
    tally.phase.store(OVER, Relaxed);
    let elapsed = began.elapsed();
    let (server_cpu, load_cpu) =
        (server.cpu_time()?.saturating_sub(server_cpu), own_cpu_time()?.saturating_sub(load_cpu));
    let latency = tally.latency.lock().unwrap_or_else(PoisonError::into_inner).clone();
    anyhow::ensure!(!latency.is_empty(), "no call was answered within {length:?}");
    Ok(Window { calls: latency.len(), elapsed, server_cpu, load_cpu, latency })
}

/// One caller: sends, waits for the whole answer, and sends again.
async fn caller(
    sender: SendRequest<Bytes>,
    target: Arc<Target>,
    tally: Arc<Tally>,
    check: fn(&Answer) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (first, mut sender) = exchange(sender, &target).await?;
    check(&first)?;
    while !tally.is_over() {
        let began = Instant::now();
        let (answer, ready) = exchange(sender, &target).await?;
        if !answer.is_ok() {
            answer.output()?;
        }
        tally.record(began.elapsed());
        sender = ready;
    }
    Ok(())
}
