//! How many audit records a second become durable, and what an append costs its caller.
//!
//! `cargo run --release -p airlock-store --example audit_throughput -- [full|off] [callers] [runtimes] [seconds] [dir]`
//!
//! Each runtime is a `current_thread` one on a thread of its own, as in the server. `full` waits for the disk as a server
//! does; `off` shows the cost of everything else. Prints one JSON object.

use std::{
    env,
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use airlock_model::{AuditEvent, AuditKind, Principal, Usage};
use airlock_store::{Store, StoreError, StoreOptions, SyncMode};

struct Plan {
    sync: SyncMode,
    callers: usize,
    runtimes: usize,
    length: Duration,
    dir: PathBuf,
}

/// What one caller measured, in nanoseconds.
#[derive(Default)]
struct Times {
    handing_over: Vec<u64>,
    durable: Vec<u64>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let plan = plan()?;
    let store = Arc::new(Store::open_with(&plan.dir, StoreOptions { sync: plan.sync, ..StoreOptions::default() })?);
    let started = Instant::now();
    let threads: Vec<_> = (0..plan.runtimes)
        .map(|_| {
            let store = Arc::clone(&store);
            let (callers, until) = (plan.callers / plan.runtimes, started + plan.length);
            thread::spawn(move || drive(&store, callers, until))
        })
        .collect();
    let mut times = Times::default();
    for thread in threads {
        let measured = thread.join().map_err(|_| "a caller panicked")??;
        times.handing_over.extend(measured.handing_over);
        times.durable.extend(measured.durable);
    }
    let elapsed = started.elapsed();
    report(&plan, elapsed, times);
    println!("{}", serde_json::json!({ "enqueue_ns_mean": enqueue_cost(&store)? }));
    Ok(())
}

fn plan() -> Result<Plan, Failure> {
    let mut arguments = env::args().skip(1);
    let sync = match arguments.next().as_deref() {
        None | Some("full") => SyncMode::Full,
        Some("off") => SyncMode::OffForBenchmarksOnly,
        Some(other) => return Err(format!("`{other}` is not a mode: write `full` or `off`").into()),
    };
    let mut number = |default: usize| arguments.next().map_or(Ok(default), |text| text.parse());
    let (callers, runtimes, seconds) = (number(64)?, number(2)?.max(1), number(5)?);
    let fresh = env::temp_dir().join(format!("airlock-audit-throughput-{}", std::process::id()));
    let dir = arguments.next().map_or(fresh, PathBuf::from);
    Ok(Plan { sync, callers: callers.max(runtimes), runtimes, length: Duration::from_secs(seconds as u64), dir })
}

fn drive(store: &Arc<Store>, callers: usize, until: Instant) -> Result<Times, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let tasks: Vec<_> = (0..callers).map(|_| tokio::spawn(call(Arc::clone(store), until))).collect();
        let mut times = Times::default();
        for task in tasks {
            let measured = task.await??;
            times.handing_over.extend(measured.handing_over);
            times.durable.extend(measured.durable);
        }
        Ok(times)
    })
}

async fn call(store: Arc<Store>, until: Instant) -> Result<Times, StoreError> {
    let mut times = Times::default();
    while Instant::now() < until {
        let number = store.next_call_number()?;
        let event = finished(number);
        let start = Instant::now();
        let durable = store.append(event);
        times.handing_over.push(nanos(start));
        durable.await?;
        times.durable.push(nanos(start));
    }
    Ok(times)
}

/// A typical closing record, about 600 bytes of JSON.
fn finished(number: u64) -> AuditEvent {
    let principal = match ("acme".parse(), "shop".parse()) {
        (Ok(tenant), Ok(app)) => Some(Principal { tenant, app, subject: "user-1234".to_owned(), actor: None }.into()),
        (Err(_), _) | (_, Err(_)) => None,
    };
    let mut event = AuditEvent::new(AuditKind::InvocationFinished, 1_790_000_000_000);
    event.call_number = Some(number);
    event.invocation = Some(format!("0199f0a1-7c00-7000-8000-{number:012x}").into());
    event.principal = principal;
    event.token_id = Some("2f0a9d0e-5e0c-4f7b-9a44-1f6f2b8f4f10".into());
    event.function = Some("order-summary".into());
    event.revision = Some("7c".repeat(32).into());
    event.environment = Some("prod".into());
    event.reason = Some("ok".to_owned());
    event.usage = Some(Usage { fuel: 123_456, memory_bytes: 1 << 20, wall_us: 250, ..Usage::default() });
    event
}

/// Mean cost of `enqueue` while the writer is at work, in rounds that fit the queue.
fn enqueue_cost(store: &Store) -> Result<u64, Failure> {
    const ROUND: u64 = 4_096;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut total = 0;
    for _ in 0..8 {
        let events: Vec<_> = (0..ROUND).map(|_| AuditEvent { call_number: None, ..finished(0) }).collect();
        let start = Instant::now();
        for event in events {
            store.enqueue(event)?;
        }
        total += nanos(start);
        runtime.block_on(store.append(AuditEvent::new(AuditKind::ControlRefused, 0)))?;
    }
    Ok(total / (8 * ROUND))
}

fn report(plan: &Plan, elapsed: Duration, mut times: Times) {
    times.handing_over.sort_unstable();
    times.durable.sort_unstable();
    let report = serde_json::json!({
        "sync": format!("{:?}", plan.sync), "callers": plan.callers, "runtimes": plan.runtimes,
        "records": times.durable.len(), "records_per_s": (times.durable.len() as f64 / elapsed.as_secs_f64()).round(),
        "durable_us": { "p50": at(&times.durable, 50) / 1_000, "p99": at(&times.durable, 99) / 1_000 },
        "append_call_ns": { "p50": at(&times.handing_over, 50), "p90": at(&times.handing_over, 90), "p99": at(&times.handing_over, 99) },
    });
    println!("{report}");
}

fn at(sorted: &[u64], percent: usize) -> u64 {
    sorted.get(sorted.len().saturating_sub(1) * percent / 100).copied().unwrap_or(0)
}

fn nanos(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
