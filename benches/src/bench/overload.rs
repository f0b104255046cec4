//! `overload`: ten times more calls than the server can run, offered whether or not it answers.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use airlock_sandbox::Program;
use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::{
    args::Window,
    cores,
    goals::{GOODPUT, REFUSAL_P99, Row, rounded},
    guests::{Component, Places, WORK},
    issuer::{Issuer, Setup},
    load::{
        Answer, Call, Target,
        closed::drive_checked,
        open::{Offer, Seen, offer},
    },
    processor::median,
    report::Findings,
    sandboxed::{Caller, Closed, compile, default_engine},
    serve::runtime,
    server::{Server, own_cpu_time},
};

/// What one call costs, about.
const CALL_US: f64 = 1_000.0;
const TIMES_OFFERED: f64 = 10.0;
/// Enough to keep one worker at work, and far from what admission turns away.
const PEAK_CONCURRENCY: usize = 16;
/// What each caller allows. A call that waits longer is not goodput.
const TIMEOUT: Duration = Duration::from_millis(250);
const TIMEOUT_HEADER: &str = "250m";
/// Who calls: enough that no tenant's own limit alone decides.
const TENANTS: [&str; 4] = ["acme", "globex", "initech", "umbrella"];
const CONNECTIONS_PER_TENANT: usize = 4;

/// One round.
struct Round {
    peak_per_s: f64,
    cpu_us_per_call: f64,
    goodput_per_s: f64,
    server_busy: f64,
    load_busy: f64,
    seen: Seen,
    refusals: Histogram<u64>,
}

impl Round {
    /// Share of the calls that had neither answer nor refusal before their deadline, in percent.
    fn told_nothing(&self) -> f64 {
        self.seen.told_nothing() as f64 * 100.0 / self.seen.offered as f64
    }
}

/// Finds the peak and offers ten times as much, in turns.
pub(crate) fn run(window: &Window, places: &Places) -> anyhow::Result<Findings> {
    let cores = cores::choose()?;
    let component = places.build_project(WORK)?;
    cores::pin(&[cores.load])?;
    let runtime = runtime()?;
    let times = runtime.block_on(calibrate(places, &component))?;
    let payload = json!({ "op": "sha256", "times": times }).to_string();
    let dir = places.fresh("state-")?;
    let issuer = Issuer::new()?;
    let config = issuer.configure(dir.path(), &Setup::default())?;
    let server = Server::airlock(&[cores.server], &config, &places.cache())?;
    let stage = Stage { server, issuer, function: component.name().to_owned(), payload };
    let rounds = runtime.block_on(async {
        stage.server.deploy(&stage.issuer.builder_token()?, &component).await?;
        let mut rounds = Vec::new();
        for _ in 0..window.rounds.get() {
            rounds.push(stage.round(window.length()).await?);
        }
        anyhow::Ok(rounds)
    })?;
    Ok(findings(&rounds))
}

/// How many digests take about as long as a call should.
async fn calibrate(places: &Places, component: &Component) -> anyhow::Result<u32> {
    const PROBE: u32 = 64;
    let dir = places.fresh("overload-")?;
    let artifact = dir.path().join("artifact");
    compile(places, component, &artifact).await?;
    let caller = Caller::new(Program::load(&default_engine()?, &artifact)?, Arc::new(Closed))?;
    let payload = json!({ "op": "sha256", "times": PROBE }).to_string();
    let mut times = Vec::new();
    for _ in 0..5 {
        let began = Instant::now();
        caller.call(&payload).await?;
        times.push(began.elapsed().as_secs_f64() * 1e6 / f64::from(PROBE));
    }
    Ok((CALL_US / median(times)).round().max(1.0) as u32)
}

struct Stage {
    server: Server,
    issuer: Issuer,
    function: String,
    payload: String,
}

impl Stage {
    fn target(&self, tenant: &str, timeout: &str) -> anyhow::Result<Target> {
        let token = self.issuer.caller_token(tenant)?;
        let (function, payload) = (self.function.as_str(), self.payload.as_bytes());
        Target::new(self.server.addresses.data, &Call { function, payload, token: Some(&token), timeout })
    }

    async fn round(&self, length: Duration) -> anyhow::Result<Round> {
        let answered = |answer: &Answer| answer.output().map(drop);
        let [first, ..] = TENANTS;
        let peak = drive_checked(&self.server, self.target(first, "5S")?, PEAK_CONCURRENCY, length, answered).await?;
        let peak_per_s = peak.calls as f64 / peak.elapsed.as_secs_f64();
        let targets =
            TENANTS.iter().map(|tenant| self.target(tenant, TIMEOUT_HEADER)).collect::<anyhow::Result<_>>()?;
        let load = Offer {
            targets,
            connections: CONNECTIONS_PER_TENANT,
            rate: peak_per_s * TIMES_OFFERED,
            patience: TIMEOUT,
            warm_up: length / 3,
            length,
        };
        let mut clocks = Vec::new();
        let seen = offer(&load, |_| clocks.push((self.server.cpu_time(), own_cpu_time()))).await?;
        let [server_busy, load_busy] = busy(clocks, length)?;
        let goodput_per_s = seen.accepted.len() as f64 / length.as_secs_f64();
        eprintln!("peak {peak_per_s:.0} calls/s; at ten times that, {goodput_per_s:.0} answered a second");
        let cpu_us_per_call = peak.server_cpu.as_secs_f64() * 1e6 / peak.calls as f64;
        let refusals = seen.refusals()?;
        Ok(Round { peak_per_s, cpu_us_per_call, goodput_per_s, server_busy, load_busy, seen, refusals })
    }
}

/// Processor time at the begin and the end of counting, of the server and of this process.
type Clocks = Vec<(anyhow::Result<Duration>, anyhow::Result<Duration>)>;

/// Shares of a core that server and load used while calls counted.
fn busy(clocks: Clocks, length: Duration) -> anyhow::Result<[f64; 2]> {
    let mut readings = Vec::new();
    for (server, load) in clocks {
        readings.push((server?, load?));
    }
    let (Some(begin), Some(end)) = (readings.first(), readings.last()) else { anyhow::bail!("no call counted") };
    let share = |begin: Duration, end: Duration| end.saturating_sub(begin).as_secs_f64() / length.as_secs_f64();
    Ok([share(begin.0, end.0), share(begin.1, end.1)])
}

fn findings(rounds: &[Round]) -> Findings {
    let of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure));
    let refused = rounds.iter().filter(|round| !round.refusals.is_empty());
    let refusal = match median(refused.map(|round| ms(&round.refusals, 0.99))) {
        p99_ms if p99_ms.is_finite() => REFUSAL_P99.measured(p99_ms),
        _ => REFUSAL_P99.unmeasured("nothing was refused: see the details"),
    };
    let mut notes = Vec::new();
    if rounds.iter().any(|round| round.load_busy > 0.9) {
        notes.push("overload: the load generator was near its own limit; its latencies are too high".to_owned());
    }
    Findings {
        rows: vec![
            GOODPUT.measured(of(|round| round.goodput_per_s * 100.0 / round.peak_per_s)),
            refusal,
            Row::figure("answer at ten times the load, p99", "ms", of(|round| ms(&round.seen.accepted, 0.99))),
            Row::figure("callers at ten times the load that were told nothing in time", "%", of(Round::told_nothing)),
        ],
        details: json!({
            "peak_per_s": rounded(of(|round| round.peak_per_s)),
            "cpu_us_per_call": rounded(of(|round| round.cpu_us_per_call)),
            "rounds": rounds.iter().map(described).collect::<Vec<_>>(),
        }),
        notes,
    }
}

fn described(round: &Round) -> Value {
    let seen = &round.seen;
    let by_reason = |seen: &BTreeMap<String, Histogram<u64>>| -> serde_json::Map<String, Value> {
        seen.iter().map(|(reason, latency)| (reason.clone(), latencies(latency))).collect()
    };
    json!({
        "offered": seen.offered, "goodput_per_s": rounded(round.goodput_per_s), "accepted": latencies(&seen.accepted),
        "refused": by_reason(&seen.refused), "lost": by_reason(&seen.lost), "unsent": seen.unsent, "unanswered": seen.unanswered,
        "generator_lag_p99_ms": rounded(ms(&seen.lag, 0.99)),
        "server_busy": rounded(round.server_busy), "load_busy": rounded(round.load_busy),
    })
}

fn latencies(latency: &Histogram<u64>) -> Value {
    json!({
        "count": latency.len(), "p50_ms": rounded(ms(latency, 0.5)), "p99_ms": rounded(ms(latency, 0.99)),
        "max_ms": rounded(latency.max() as f64 / 1e6),
    })
}

fn ms(latency: &Histogram<u64>, quantile: f64) -> f64 {
    latency.value_at_quantile(quantile) as f64 / 1e6
}
