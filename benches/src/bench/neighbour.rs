//! `neighbour`: a polite caller at a steady rate, alone and beside functions that never end, on one core; and how long after
//! its deadline such a function is really over.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    args::{Guest, Window},
    cores,
    goals::{LATE_EIGHT, LATE_ONE, NEIGHBOUR_EIGHT, NEIGHBOUR_ONE, rounded},
    guests::{Places, WORK},
    issuer::{Issuer, Setup},
    load::{
        Call, Target, connect, exchange,
        open::{Offer, Seen, offer},
    },
    processor::median,
    report::Findings,
    serve::runtime,
    server::Server,
};

/// Calls a second of the polite caller: a few percent of what the server can do.
const RATE: f64 = 500.0;
const CONNECTIONS: usize = 2;
/// What the endless are given.
const DEADLINE: Duration = Duration::from_millis(300);
const DEADLINE_HEADER: &str = "300m";
/// How an endless function must end.
const EXPECTED: &str = "time_exhausted";
const POLITE: &str = "acme";
const ENDLESS: &str = "globex";

/// Endless functions at once, in the order of measuring.
const BESIDE: [usize; 3] = [0, 1, 8];

/// One window.
struct Measured {
    p99_ms: f64,
    polite: Seen,
    ends: Ends,
}

/// How the endless ended.
#[derive(Default)]
struct Ends {
    /// After their deadline, in milliseconds; below zero for before.
    late_ms: Vec<f64>,
    /// In other ways than they must, by reason.
    odd: BTreeMap<String, u64>,
}

impl Ends {
    fn latest_ms(&self) -> f64 {
        self.late_ms.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }
}

/// Measures alone, beside one and beside eight, in turns.
pub(crate) fn run(window: &Window, places: &Places) -> anyhow::Result<Findings> {
    let cores = cores::choose()?;
    let (hello, work) = (places.build(Guest::RustArena)?, places.build_project(WORK)?);
    cores::pin(&[cores.load])?;
    let dir = places.fresh("state-")?;
    let issuer = Issuer::new()?;
    let config = issuer.configure(dir.path(), &Setup::default())?;
    let server = Server::airlock(&[cores.server], &config, &places.cache())?;
    let stage = Stage { server, issuer, hello: hello.name().to_owned(), work: work.name().to_owned() };
    let rounds = runtime()?.block_on(async {
        for component in [&hello, &work] {
            stage.server.deploy(&stage.issuer.builder_token()?, component).await?;
        }
        let mut rounds = Vec::new();
        for _ in 0..window.rounds.get() {
            let mut round = Vec::new();
            for endless in BESIDE {
                round.push(stage.measure(endless, window.length()).await?);
            }
            rounds.push(round);
        }
        anyhow::Ok(rounds)
    })?;
    Ok(findings(&rounds))
}

struct Stage {
    server: Server,
    issuer: Issuer,
    hello: String,
    work: String,
}

impl Stage {
    async fn measure(&self, endless: usize, length: Duration) -> anyhow::Result<Measured> {
        let address = self.server.addresses.data;
        let token = self.issuer.caller_token(POLITE)?;
        let polite = Target::new(address, &Call { token: Some(&token), ..Call::greeting(&self.hello) })?;
        let token = self.issuer.caller_token(ENDLESS)?;
        let forever = Call {
            function: &self.work,
            payload: br#"{"op":"forever"}"#,
            token: Some(&token),
            timeout: DEADLINE_HEADER,
        };
        let forever = Arc::new(Target::new(address, &forever)?);
        let is_over = Arc::new(AtomicBool::new(false));
        let mut callers = JoinSet::new();
        for _ in 0..endless {
            callers.spawn(call_again(forever.clone(), is_over.clone()));
        }
        let load = Offer {
            targets: vec![polite],
            connections: CONNECTIONS,
            rate: RATE,
            patience: Duration::from_secs(5),
            warm_up: length / 3,
            length,
        };
        let polite = offer(&load, |_| ()).await?;
        is_over.store(true, Relaxed);
        let mut ends = Ends::default();
        while let Some(caller) = callers.join_next().await {
            let one = caller??;
            ends.late_ms.extend(one.late_ms);
            one.odd.into_iter().for_each(|(reason, count)| *ends.odd.entry(reason).or_default() += count);
        }
        let p99_ms = polite.accepted.value_at_quantile(0.99) as f64 / 1e6;
        let late =
            ends.late_ms.iter().copied().reduce(f64::max).map(|late| format!(", ends {late:.1} ms late at most"));
        eprintln!("beside {endless}: p99 {p99_ms:.2} ms{}", late.unwrap_or_default());
        Ok(Measured { p99_ms, polite, ends })
    }
}

/// Calls a function that never ends, again and again, on a connection of its own.
async fn call_again(target: Arc<Target>, is_over: Arc<AtomicBool>) -> anyhow::Result<Ends> {
    let mut sender = connect(target.address).await?;
    let mut ends = Ends::default();
    while !is_over.load(Relaxed) {
        let began = Instant::now();
        let (answer, ready) = exchange(sender, &target).await?;
        let took = began.elapsed();
        sender = ready;
        anyhow::ensure!(!answer.is_ok(), "a function without an end has answered");
        let reason = answer.reason();
        if reason == EXPECTED {
            ends.late_ms.push((took.as_secs_f64() - DEADLINE.as_secs_f64()) * 1e3);
        } else {
            *ends.odd.entry(reason).or_default() += 1;
            // Turned away: a polite pause, so that the queue of refusals is not what is measured.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(ends)
}

fn findings(rounds: &[Vec<Measured>]) -> Findings {
    let ratio = |place: usize| {
        median(rounds.iter().filter_map(|round| {
            let (alone, beside) = (round.first()?, round.get(place)?);
            Some(beside.p99_ms / alone.p99_ms)
        }))
    };
    let latest = |place: usize| {
        let ended = rounds.iter().filter_map(|round| round.get(place)).filter(|one| !one.ends.late_ms.is_empty());
        median(ended.map(|one| one.ends.latest_ms()))
    };
    let mut details = serde_json::Map::new();
    for (place, endless) in BESIDE.into_iter().enumerate() {
        let windows: Vec<_> = rounds.iter().filter_map(|round| round.get(place)).map(described).collect();
        details.insert(format!("beside_{endless}"), windows.into());
    }
    let late = |goal: crate::goals::Goal, place: usize| match latest(place) {
        latest if latest.is_finite() => goal.measured(latest),
        _ => goal.unmeasured(format!("none ended with `{EXPECTED}`: see the details")),
    };
    Findings {
        rows: vec![
            late(LATE_ONE, 1),
            late(LATE_EIGHT, 2),
            NEIGHBOUR_ONE.measured(ratio(1)),
            NEIGHBOUR_EIGHT.measured(ratio(2)),
        ],
        details: details.into(),
        notes: vec![format!(
            "neighbour: {RATE} calls/s of `rust-arena` from one tenant on the core where another tenant's functions loop \
             with a deadline of {} ms each; lateness is what the caller sees, the way there and back included",
            DEADLINE.as_millis()
        )],
    }
}

fn described(measured: &Measured) -> Value {
    let unkind = measured.polite.refused.iter().chain(&measured.polite.lost);
    let refused: BTreeMap<_, _> = unkind.map(|(reason, latency)| (reason.clone(), latency.len())).collect();
    let p50_ms = measured.polite.accepted.value_at_quantile(0.5) as f64 / 1e6;
    json!({
        "p50_ms": rounded(p50_ms), "p99_ms": rounded(measured.p99_ms), "answered": measured.polite.accepted.len(),
        "refused": refused, "unanswered": measured.polite.unanswered,
        "generator_lag_p99_ms": rounded(measured.polite.lag.value_at_quantile(0.99) as f64 / 1e6),
        "endless_ended": measured.ends.late_ms.len(), "endless_ended_otherwise": measured.ends.odd,
        "latest_end_ms": measured.ends.late_ms.iter().copied().reduce(f64::max).map(rounded),
    })
}
