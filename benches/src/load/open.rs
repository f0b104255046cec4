//! An open loop: calls are offered at a fixed rate, whether or not the ones before were answered.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use h2::client::SendRequest;
use hdrhistogram::Histogram;
use tokio::{
    task::{JoinSet, LocalSet},
    time::timeout,
};

use super::{LATENCY_NS_MAX, Target, connect, exchange};

/// Between two looks at the clock: as fine as the timer is.
const TICK: Duration = Duration::from_millis(1);
/// For the calls that are in flight when the offer ends.
const PATIENCE: Duration = Duration::from_secs(8);
/// Calls in flight at once; the rest is not sent and counted.
const IN_FLIGHT_MAX: usize = 20_000;

/// What a call is counted as when its caller has waited long enough.
const GIVEN_UP: &str = "given up by the caller";

/// What to offer.
pub(crate) struct Offer {
    /// Requests, taken in turns.
    pub(crate) targets: Vec<Target>,
    /// Connections to each target's server.
    pub(crate) connections: usize,
    /// Calls a second.
    pub(crate) rate: f64,
    /// How long a caller waits before it cancels its call, as gRPC clients do at their deadline.
    pub(crate) patience: Duration,
    /// How long to offer before anything counts.
    pub(crate) warm_up: Duration,
    /// How long what is offered counts.
    pub(crate) length: Duration,
}

/// What became of the calls that counted.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Calls that were due.
    pub(crate) offered: u64,
    /// Answered by the function: from when the call was made to the end of its answer, in nanoseconds.
    pub(crate) accepted: Histogram<u64>,
    /// Refused or stopped by the server, by reason.
    pub(crate) refused: BTreeMap<String, Histogram<u64>>,
    /// Without any answer, by what happened instead: given up, or the connection broke.
    pub(crate) lost: BTreeMap<String, Histogram<u64>>,
    /// Not sent, because too many were in flight.
    pub(crate) unsent: u64,
    /// Without an answer long after the end.
    pub(crate) unanswered: u64,
    /// How much later than it was due a call was made: what the generator itself did not manage.
    pub(crate) lag: Histogram<u64>,
}

impl Seen {
    fn new() -> anyhow::Result<Self> {
        let (offered, unsent, unanswered) = (0, 0, 0);
        let (accepted, lag) = (histogram()?, histogram()?);
        Ok(Self { offered, accepted, refused: BTreeMap::new(), lost: BTreeMap::new(), unsent, unanswered, lag })
    }

    /// All refusals together.
    pub(crate) fn refusals(&self) -> anyhow::Result<Histogram<u64>> {
        let mut all = histogram()?;
        self.refused.values().try_for_each(|one| all.add(one))?;
        Ok(all)
    }

    /// How many callers were told nothing at all.
    pub(crate) fn told_nothing(&self) -> u64 {
        self.lost.values().map(Histogram::len).sum::<u64>() + self.unanswered
    }
}

fn count(by_reason: &mut BTreeMap<String, Histogram<u64>>, reason: &str, latency: u64) {
    if !by_reason.contains_key(reason)
        && let Ok(empty) = histogram()
    {
        by_reason.insert(reason.to_owned(), empty);
    }
    if let Some(latencies) = by_reason.get_mut(reason) {
        latencies.saturating_record(latency);
    }
}

/// An empty histogram of latencies in nanoseconds.
pub(crate) fn histogram() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3)?)
}

/// A time as histograms take it.
pub(crate) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(LATENCY_NS_MAX)
}

/// Offers calls and collects what became of them. `while_counting` is told when the calls begin and cease to count.
///
/// # Errors
/// When there is no connection. Calls that fail are part of what is seen.
pub(crate) async fn offer(offer: &Offer, mut while_counting: impl FnMut(bool)) -> anyhow::Result<Seen> {
    let lanes = connect_all(offer).await?;
    let seen = Rc::new(RefCell::new(Seen::new()?));
    let tasks = LocalSet::new();
    let calls = tasks.run_until(make_calls(offer, &lanes, &seen, &mut while_counting)).await;
    let unanswered = tasks.run_until(wait_for(calls)).await;
    drop(tasks);
    let mut seen = Rc::into_inner(seen).map_or_else(Seen::new, |seen| Ok(seen.into_inner()))?;
    seen.unanswered = unanswered;
    Ok(seen)
}

/// A target with one connection to its server, which is made again when it breaks.
struct Lane {
    target: Target,
    sender: RefCell<SendRequest<Bytes>>,
    is_connecting: Cell<bool>,
}

impl Lane {
    async fn open(target: &Target) -> anyhow::Result<Rc<Self>> {
        let sender = RefCell::new(connect(target.address).await?);
        Ok(Rc::new(Self { target: target.clone(), sender, is_connecting: Cell::new(false) }))
    }

    /// Once for however many calls saw the connection break.
    async fn connect_again(&self) {
        if self.is_connecting.replace(true) {
            return;
        }
        // Without a connection the next calls fail too, and try again.
        if let Ok(sender) = connect(self.target.address).await {
            self.sender.replace(sender);
        }
        self.is_connecting.set(false);
    }
}

/// Targets in turns, as the offer takes them.
async fn connect_all(offer: &Offer) -> anyhow::Result<Vec<Rc<Lane>>> {
    let mut lanes = Vec::new();
    for _ in 0..offer.connections {
        for target in &offer.targets {
            lanes.push(Lane::open(target).await?);
        }
    }
    anyhow::ensure!(!lanes.is_empty(), "there is nothing to offer");
    Ok(lanes)
}

async fn make_calls(
    offer: &Offer,
    lanes: &[Rc<Lane>],
    seen: &Rc<RefCell<Seen>>,
    while_counting: &mut impl FnMut(bool),
) -> JoinSet<()> {
    let mut calls = JoinSet::new();
    let began = Instant::now();
    let due_at = |number: u64| Duration::from_secs_f64(number as f64 / offer.rate);
    let mut is_counting = false;
    for (number, lane) in (0_u64..).zip(lanes.iter().cycle()) {
        while began.elapsed() < due_at(number) {
            while calls.try_join_next().is_some() {}
            tokio::time::sleep(TICK).await;
        }
        let (elapsed, counts) = (began.elapsed(), due_at(number) >= offer.warm_up);
        if elapsed >= offer.warm_up + offer.length {
            break;
        }
        if counts {
            if !is_counting {
                is_counting = true;
                while_counting(true);
            }
            let mut seen = seen.borrow_mut();
            seen.offered += 1;
            seen.lag.saturating_record(nanoseconds(elapsed.saturating_sub(due_at(number))));
            seen.unsent += u64::from(calls.len() >= IN_FLIGHT_MAX);
        }
        if calls.len() < IN_FLIGHT_MAX {
            calls.spawn_local(call(lane.clone(), offer.patience, counts.then(|| seen.clone())));
        }
    }
    while_counting(false);
    calls
}

async fn call(lane: Rc<Lane>, patience: Duration, seen: Option<Rc<RefCell<Seen>>>) {
    let began = Instant::now();
    let sender = lane.sender.borrow().clone();
    let ended = timeout(patience, exchange(sender, &lane.target)).await;
    let latency = nanoseconds(began.elapsed());
    if let Some(seen) = seen {
        let mut seen = seen.borrow_mut();
        match &ended {
            Ok(Ok((answer, _))) if answer.is_ok() => seen.accepted.saturating_record(latency),
            Ok(Ok((answer, _))) => count(&mut seen.refused, &answer.reason(), latency),
            Ok(Err(error)) => count(&mut seen.lost, &error.to_string(), latency),
            Err(_) => count(&mut seen.lost, GIVEN_UP, latency),
        }
    }
    if let Ok(Err(_)) = ended {
        lane.connect_again().await;
    }
}

/// How many had no answer at the end of all patience. Calls that did not count are among them.
async fn wait_for(mut calls: JoinSet<()>) -> u64 {
    let all = async { while calls.join_next().await.is_some() {} };
    if tokio::time::timeout(PATIENCE, all).await.is_ok() {
        return 0;
    }
    let left = calls.len();
    calls.shutdown().await;
    left as u64
}
