//! Calls of every kind, dropped wherever they happen to be.
//!
//! `AIRLOCK_CANCEL_RUNS=100000 cargo nextest run --workspace -E 'test(cancel_fuzz)'` is the whole of it; a run that fails is
//! repeated with the seed it prints in `AIRLOCK_CANCEL_SEED`.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::Poll,
    time::{Duration, Instant},
};

use airlock_model::InvokeRequest;
use airlock_service::{CallName, Holding, InvokeCall, Presented, Sender};
use airlock_store::Store;
use airlock_tests::{Harness, Options, guests::WatGuest, output, reason, times, tokens::TokenSpec, with_token};
use tokio::{sync::mpsc, time::sleep};

use super::{ENDLESS, ENDLESS_SQL, SLOW_HTTP, until};

const LANES: usize = 24;
/// Tokens live for a minute.
const TOKEN_AGE_MAX: Duration = Duration::from_secs(25);
const RSS_GROWTH_MAX_MIB: u64 = 64;

/// Function and payload, and how often.
const KINDS: [(&str, &str, u64); 8] = [
    ("hello", "null", 30),
    ("spin", "null", 20),
    ("sql-probe", ENDLESS_SQL, 12),
    ("sql-probe", r#"{"op":"query","statement":"select * from orders"}"#, 12),
    ("sql-probe", r#"{"op":"execute","statement":"update orders set total = total + 1"}"#, 6),
    ("sql-probe", SLOW_HTTP, 10),
    ("sql-probe", r#"{"op":"http","method":"GET","path":"/customers/ada"}"#, 8),
    ("chatty", r#"{"name":"Ada"}"#, 2),
];

/// How a call is left.
#[derive(Debug, Clone, Copy)]
enum Ending {
    AfterPolls(u64),
    After(Duration),
    Deadline(Duration),
    Cancelled(Duration),
    OverGrpc(Duration),
}

/// SplitMix64: small, good enough, the same everywhere.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    /// Mostly soon, sometimes late: the interesting moments are at the beginning and around the host calls.
    fn moment(&mut self) -> Duration {
        let micros = if self.below(10) < 9 { self.below(3_000) } else { self.below(30_000) };
        Duration::from_micros(micros)
    }

    fn kind(&mut self) -> (&'static str, &'static str) {
        let mut left = self.below(KINDS.iter().map(|kind| kind.2).sum());
        for (function, payload, weight) in KINDS {
            if left < weight {
                return (function, payload);
            }
            left -= weight;
        }
        unreachable!("weights add up")
    }

    fn ending(&mut self) -> Ending {
        match self.below(20) {
            0..=7 => Ending::AfterPolls(self.below(12)),
            8..=14 => Ending::After(self.moment()),
            15..=16 => Ending::Deadline(self.moment()),
            17..=18 => Ending::Cancelled(self.moment()),
            _ => Ending::OverGrpc(self.moment()),
        }
    }

    /// A tenant with room, or one whose calls often wait or are refused.
    fn tenant(&mut self) -> &'static str {
        if self.below(5) == 0 { "crowded" } else { "acme" }
    }
}

struct Fuzz {
    harness: Harness,
    runs: usize,
    begun: AtomicUsize,
    seed: u64,
    ends: Mutex<BTreeMap<String, u64>>,
}

impl Fuzz {
    fn count(&self, end: impl Into<String>) {
        *self.ends.lock().expect("no panic").entry(end.into()).or_default() += 1;
    }

    async fn lane(self: Arc<Self>) {
        let mut tokens = BTreeMap::new();
        let mut minted: Option<Instant> = None;
        loop {
            let number = self.begun.fetch_add(1, Relaxed);
            if number >= self.runs {
                return;
            }
            if minted.is_none_or(|at| at.elapsed() > TOKEN_AGE_MAX) {
                minted = Some(Instant::now());
                tokens =
                    ["acme", "crowded"].map(|t| (t, self.harness.token(&TokenSpec::everything().tenant(t)))).into();
            }
            let mut chance = Chance(self.seed ^ (number as u64).wrapping_mul(0xd134_2543_de82_ef95));
            let token = &tokens[chance.tenant()];
            self.one(&mut chance, token, number).await;
        }
    }

    async fn one(&self, chance: &mut Chance, token: &str, number: usize) {
        let (function, payload) = chance.kind();
        match chance.ending() {
            Ending::OverGrpc(after) => self.over_grpc(token, function, payload, after).await,
            ending => {
                let mut call = call(token, (function, payload), ending, number);
                // Nobody reads: a call that writes more than a line waits for its end, or is told that nobody listens.
                let (logs, unread) = mpsc::channel(1);
                let _unread = (function == "chatty" && number.is_multiple_of(2)).then_some(unread);
                call.logs = (function == "chatty").then_some(logs);
                self.in_process(call, ending, token).await;
            }
        }
    }

    async fn in_process(&self, call: InvokeCall, ending: Ending, token: &str) {
        let name = CallName::Request(call.request_id.as_deref().expect("an id").to_owned());
        let app = self.harness.app();
        let mut run = pin!(app.invoke(call));
        let ended = match ending {
            Ending::AfterPolls(most) => {
                let mut polls = 0;
                poll_fn(|context| {
                    polls += 1;
                    match run.as_mut().poll(context) {
                        Poll::Ready(ended) => Poll::Ready(Some(ended)),
                        Poll::Pending if polls > most => Poll::Ready(None),
                        Poll::Pending => Poll::Pending,
                    }
                })
                .await
            }
            Ending::After(after) => tokio::time::timeout(after, run).await.ok(),
            Ending::Cancelled(after) => {
                let cancel = async {
                    sleep(after).await;
                    // It may have ended, or not have begun: then its deadline ends it, or it ends by itself.
                    let _ = app.cancel(Presented::bearer(Some(token)), &name);
                };
                let (ended, ()) = tokio::join!(tokio::time::timeout(Duration::from_secs(1), run), cancel);
                ended.ok()
            }
            Ending::Deadline(_) | Ending::OverGrpc(_) => Some(run.await),
        };
        match ended {
            None => self.count("dropped"),
            Some(Ok(_)) => self.count("ok"),
            Some(Err(error)) => self.count(error.failure.reason.as_str()),
        }
    }

    async fn over_grpc(&self, token: &str, function: &str, payload: &str, after: Duration) {
        let request = airlock_proto::v1::InvokeRequest {
            function: function.to_owned(),
            environment: "dev".to_owned(),
            payload: payload.as_bytes().to_vec(),
            request_id: String::new(),
            alias: String::new(),
        };
        let mut client = self.harness.invocations();
        match tokio::time::timeout(after, client.invoke(with_token(request, token))).await {
            Err(_) => self.count("dropped"),
            Ok(Ok(_)) => self.count("ok"),
            Ok(Err(status)) => self.count(reason(&status)),
        }
    }
}

fn rss_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") / 1024
}

async fn drop_at_random(fuzz: Arc<Fuzz>) -> Arc<Fuzz> {
    let lanes: Vec<_> = (0..LANES).map(|_| tokio::spawn(Arc::clone(&fuzz).lane())).collect();
    for lane in lanes {
        lane.await.expect("no panic reaches a caller");
    }
    until("nothing runs", async || fuzz.harness.app().running_calls() == 0).await;
    until("no place is taken", async || fuzz.harness.server().counters().in_flight == 0).await;
    fuzz
}

fn fuzz(harness: Harness, runs: usize, seed: u64) -> Arc<Fuzz> {
    Arc::new(Fuzz { harness, runs, begun: AtomicUsize::new(0), seed, ends: Mutex::default() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancel_fuzz() {
    let runs = times("AIRLOCK_CANCEL_RUNS", 2_000);
    let seed = times("AIRLOCK_CANCEL_SEED", 1) as u64;
    let more_config = "[limits.tenant.acme]\nin_flight = 40\n[limits.tenant.crowded]\nin_flight = 2\n".to_owned();
    let harness = Harness::start_with(Options { more_config }).await;
    harness.deploy_wat("hello", &WatGuest::returning("1"), "").await;
    harness.deploy_wat("spin", &WatGuest::new(ENDLESS), "").await;
    harness.deploy_built("sql-probe").await;
    harness.deploy_built("chatty").await;
    // A first part fills pools and caches, so that what grows afterwards is a leak.
    let warm = drop_at_random(fuzz(harness, runs.div_ceil(5), !seed)).await;
    let Fuzz { harness, .. } = Arc::into_inner(warm).expect("all lanes have ended");
    let before = rss_mib();
    let done = drop_at_random(fuzz(harness, runs, seed)).await;
    let (harness, ends, after) = (&done.harness, done.ends.lock().expect("no panic").clone(), rss_mib());
    println!("seed {seed}: {ends:?}; RSS {before} MiB -> {after} MiB");
    assert_eq!((harness.server().counters().panics, ends.get("internal")), (0, None), "seed {seed}: {ends:?}");
    assert_eq!(ends.get("token_invalid"), None, "every call gets as far as it may: {ends:?}");
    assert!(after <= before + RSS_GROWTH_MAX_MIB, "seed {seed}: {before} MiB -> {after} MiB");
    assert_everything_is_back(harness).await;
    assert_the_trail_is_complete(harness, runs).await;
}

/// As many calls at once as the tenants may have: a lost permit, instance or connection refuses or delays one of them for
/// good. Guests that compute give theirs back when they next yield.
async fn assert_everything_is_back(harness: &Harness) {
    until("the permits of a tenant with room are back", async || all_fit(harness, "acme", 40).await).await;
    until("the permits of a crowded tenant are back", async || all_fit(harness, "crowded", 2).await).await;
    let query = r#"{"op":"query","statement":"select 1"}"#;
    let everything = TokenSpec::everything();
    let queries: Vec<_> = (0..16).map(|_| Box::pin(harness.probe(&everything, query))).collect();
    for answer in together(queries).await {
        assert_eq!(answer["rows"][0][0], 1, "{answer}");
    }
    assert_eq!(output(&harness.invoke("hello", "null").await.expect("it serves")), 1);
}

/// Whether so many calls of a tenant run at once.
async fn all_fit(harness: &Harness, tenant: &str, count: usize) -> bool {
    let spec = TokenSpec::everything().tenant(tenant).limits("wall_time_ms = 300");
    let calls: Vec<_> = (0..count).map(|_| Box::pin(harness.invoke_as(&spec, "spin", "null"))).collect();
    together(calls).await.into_iter().all(|ended| reason(&ended.expect_err("stopped or refused")) == "time_exhausted")
}

/// All at the same time.
async fn together<F: Future + Unpin>(mut all: Vec<F>) -> Vec<F::Output> {
    let mut outputs = Vec::new();
    poll_fn(|context| {
        all.retain_mut(|future| match std::pin::Pin::new(future).poll(context) {
            Poll::Ready(output) => {
                outputs.push(output);
                false
            }
            Poll::Pending => true,
        });
        if all.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outputs
}

async fn assert_the_trail_is_complete(harness: &Harness, runs: usize) {
    let report =
        Store::open_read_only(&harness.dir().join("state")).expect("readable").verify(None).await.expect("read");
    assert!(report.integrity && report.calls.complete, "{report:?}");
    assert!(report.records as usize > runs / 4, "{report:?}");
}

fn call(token: &str, (function, payload): (&str, &str), ending: Ending, number: usize) -> InvokeCall {
    let remaining = if let Ending::Deadline(after) = ending { after } else { Duration::from_secs(5) };
    InvokeCall {
        bearer: Some(token.to_owned()),
        sender: Sender::default(),
        request: InvokeRequest {
            function: function.parse().expect("a name"),
            environment: "dev".parse().expect("a name"),
            alias: None,
            payload: payload.to_owned(),
        },
        remaining: Some(remaining),
        logs: None,
        request_id: Some(format!("run-{number}").into()),
        begun: None,
        holding: Holding::default(),
        trace: None,
    }
}
