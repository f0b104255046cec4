//! An open loop: calls are offered at a fixed rate, whether or not the ones before were answered.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use h2::client::SendRequest;
use hdrhistogram::Histogram;
use tokio::task::{JoinSet, LocalSet};

use super::{LATENCY_NS_MAX, Target, connect, exchange};

/// Between two looks at the clock: as fine as the timer is.
const TICK: Duration = Duration::from_millis(1);
/// For the calls that are in flight when the offer ends.
const PATIENCE: Duration = Duration::from_secs(8);
/// Calls in flight at once; the rest is not sent and counted.
const IN_FLIGHT_MAX: usize = 20_000;

/// What to offer.
pub(crate) struct Offer {
    /// Requests, taken in turns.
    pub(crate) targets: Vec<Target>,
    /// Connections to each target's server.
    pub(crate) connections: usize,
    /// Calls a second.
    pub(crate) rate: f64,
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
    /// Refused or stopped, by reason.
    pub(crate) refused: BTreeMap<String, Histogram<u64>>,
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
        let (accepted, refused, lag) = (histogram()?, BTreeMap::new(), histogram()?);
        Ok(Self { offered, accepted, refused, unsent, unanswered, lag })
    }

    /// All refusals together.
    pub(crate) fn refusals(&self) -> anyhow::Result<Histogram<u64>> {
        let mut all = histogram()?;
        self.refused.values().try_for_each(|one| all.add(one))?;
        Ok(all)
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
    let senders = connect_all(offer).await?;
    let seen = Rc::new(RefCell::new(Seen::new()?));
    let tasks = LocalSet::new();
    let calls = tasks.run_until(make_calls(offer, &senders, &seen, &mut while_counting)).await;
    let unanswered = tasks.run_until(wait_for(calls)).await;
    drop(tasks);
    let mut seen = Rc::into_inner(seen).map_or_else(Seen::new, |seen| Ok(seen.into_inner()))?;
    seen.unanswered = unanswered;
    Ok(seen)
}

/// A target with every connection to its server.
type Lane = (Rc<Target>, Vec<SendRequest<Bytes>>);

async fn connect_all(offer: &Offer) -> anyhow::Result<Vec<Lane>> {
    let mut lanes = Vec::new();
    for target in &offer.targets {
        let mut senders = Vec::new();
        for _ in 0..offer.connections {
            senders.push(connect(target.address).await?);
        }
        lanes.push((Rc::new(target.clone()), senders));
    }
    Ok(lanes)
}

async fn make_calls(
    offer: &Offer,
    lanes: &[Lane],
    seen: &Rc<RefCell<Seen>>,
    while_counting: &mut impl FnMut(bool),
) -> JoinSet<()> {
    let mut calls = JoinSet::new();
    let began = Instant::now();
    let due_at = |number: u64| Duration::from_secs_f64(number as f64 / offer.rate);
    let mut number = 0;
    let mut is_counting = false;
    loop {
        let elapsed = began.elapsed();
        if elapsed >= offer.warm_up && !is_counting {
            is_counting = true;
            while_counting(true);
        }
        if elapsed >= offer.warm_up + offer.length {
            break;
        }
        while due_at(number) <= elapsed {
            let turn = usize::try_from(number).unwrap_or_default();
            let counts = (due_at(number) >= offer.warm_up).then(|| seen.clone());
            if let Some(seen) = &counts {
                let mut seen = seen.borrow_mut();
                seen.offered += 1;
                seen.lag.saturating_record(nanoseconds(elapsed.saturating_sub(due_at(number))));
                seen.unsent += u64::from(calls.len() >= IN_FLIGHT_MAX);
            }
            if calls.len() < IN_FLIGHT_MAX
                && let Some((target, senders)) = lanes.get(turn % lanes.len())
                && let Some(sender) = senders.get(turn / lanes.len() % senders.len())
            {
                calls.spawn_local(call(sender.clone(), target.clone(), counts));
            }
            number += 1;
        }
        while calls.try_join_next().is_some() {}
        tokio::time::sleep(TICK).await;
    }
    while_counting(false);
    calls
}

async fn call(sender: SendRequest<Bytes>, target: Rc<Target>, seen: Option<Rc<RefCell<Seen>>>) {
    let began = Instant::now();
    let ended = exchange(sender, &target).await;
    let latency = nanoseconds(began.elapsed());
    let Some(seen) = seen else { return };
    let mut seen = seen.borrow_mut();
    let reason = match ended {
        Ok((answer, _)) if answer.is_ok() => return seen.accepted.saturating_record(latency),
        Ok((answer, _)) => answer.reason(),
        Err(error) => format!("no answer: {error}"),
    };
    if !seen.refused.contains_key(&reason)
        && let Ok(empty) = histogram()
    {
        seen.refused.insert(reason.clone(), empty);
    }
    if let Some(refused) = seen.refused.get_mut(&reason) {
        refused.saturating_record(latency);
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
