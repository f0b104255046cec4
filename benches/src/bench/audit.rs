//! `audit`: how many records a second become durable, and what an append costs whoever waits for it.

use std::{
    num::NonZeroUsize,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use airlock_model::{AuditEvent, AuditKind, Principal, Usage};
use airlock_store::{Store, StoreError, StoreOptions, SyncMode};
use hdrhistogram::Histogram;
use serde_json::json;

use crate::{
    args::Window,
    goals::{AUDIT_ADDED, AUDIT_RATE, Row, rounded},
    guests::Places,
    load::open::{histogram, nanoseconds},
    processor::median,
    report::Findings,
    serve::runtime,
};

/// Callers at once: one waits for the disk alone, eight share it, 64 fill it.
const CALLERS: [usize; 3] = [1, 8, 64];
/// Threads with a runtime each, as a server's workers.
const RUNTIMES: usize = 2;

/// One window.
struct Measured {
    records_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// One number of callers, with and without waiting for the disk.
#[derive(Default)]
struct Lane {
    durable: Vec<Measured>,
    lazy: Vec<Measured>,
}

/// Appends in a closed loop, with and without fsync in turns.
pub(crate) fn run(window: &Window, places: &Places) -> anyhow::Result<Findings> {
    let mut lanes = CALLERS.map(|callers| (callers, Lane::default()));
    for _ in 0..window.rounds.get() {
        for (callers, lane) in &mut lanes {
            let durable = one(places, SyncMode::Full, *callers, window.length())?;
            let lazy = one(places, SyncMode::OffForBenchmarksOnly, *callers, window.length() / 2)?;
            eprintln!(
                "{callers} callers: {:.0} durable records/s, p50 {:.2} ms",
                durable.records_per_s, durable.p50_ms
            );
            lane.durable.push(durable);
            lane.lazy.push(lazy);
        }
    }
    Ok(findings(&lanes))
}

fn one(places: &Places, sync: SyncMode, callers: usize, length: Duration) -> anyhow::Result<Measured> {
    let dir = places.fresh("audit-")?;
    let latency = append(dir.path(), sync, callers, length)?;
    let ms = |quantile| latency.value_at_quantile(quantile) as f64 / 1e6;
    Ok(Measured { records_per_s: latency.len() as f64 / length.as_secs_f64(), p50_ms: ms(0.5), p99_ms: ms(0.99) })
}

/// Keeps `callers` appends waiting, on threads with a runtime each.
fn append(dir: &Path, sync: SyncMode, callers: usize, length: Duration) -> anyhow::Result<Histogram<u64>> {
    let store = Arc::new(Store::open_with(dir, StoreOptions { sync, ..StoreOptions::default() })?);
    let runtimes = NonZeroUsize::new(callers.min(RUNTIMES)).unwrap_or(NonZeroUsize::MIN);
    let from = Instant::now() + length / 4;
    let threads: Vec<_> = (0..runtimes.get())
        .map(|_| {
            let store = Arc::clone(&store);
            thread::spawn(move || drive(&store, callers / runtimes, from, from + length))
        })
        .collect();
    let mut latency = histogram()?;
    for thread in threads {
        latency.add(thread.join().map_err(|_| anyhow::anyhow!("a caller panicked"))??)?;
    }
    Ok(latency)
}

fn drive(store: &Arc<Store>, callers: usize, from: Instant, until: Instant) -> anyhow::Result<Histogram<u64>> {
    runtime()?.block_on(async {
        let calls: Vec<_> = (0..callers).map(|_| tokio::spawn(call(Arc::clone(store), from, until))).collect();
        let mut latency = histogram()?;
        for call in calls {
            for nanoseconds in call.await?? {
                latency.saturating_record(nanoseconds);
            }
        }
        Ok(latency)
    })
}

async fn call(store: Arc<Store>, from: Instant, until: Instant) -> Result<Vec<u64>, StoreError> {
    let mut latencies = Vec::new();
    while Instant::now() < until {
        let event = finished(store.next_call_number()?);
        let began = Instant::now();
        store.append(event).await?;
        let ended = Instant::now();
        if (from..until).contains(&ended) {
            latencies.push(nanoseconds(ended - began));
        }
    }
    Ok(latencies)
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

fn findings(lanes: &[(usize, Lane)]) -> Findings {
    let of = |measured: &[Measured], figure: fn(&Measured) -> f64| median(measured.iter().map(figure));
    let mut details = serde_json::Map::new();
    let (mut added, mut rate) = (f64::NAN, f64::NAN);
    for (callers, lane) in lanes {
        let records_per_s = of(&lane.durable, |one| one.records_per_s);
        let [durable, lazy] = [&lane.durable, &lane.lazy].map(|lane| of(lane, |one| one.p50_ms));
        details.insert(
            format!("callers_{callers}"),
            json!({
                "records_per_s": rounded(records_per_s), "p50_ms": rounded(durable),
                "p99_ms": rounded(of(&lane.durable, |one| one.p99_ms)), "p50_ms_without_fsync": rounded(lazy),
                "records_per_s_without_fsync": rounded(of(&lane.lazy, |one| one.records_per_s)),
            }),
        );
        // Filling the disk to the last record is a throughput figure; what group commit adds is told by callers who do not.
        if *callers < 64 {
            added = added.max(durable - lazy);
        }
        rate = rate.max(records_per_s);
    }
    let alone = lanes.first().map_or(f64::NAN, |(_, lane)| of(&lane.durable, |one| one.p50_ms));
    Findings {
        rows: vec![
            AUDIT_ADDED.measured(added),
            AUDIT_RATE.measured(rate),
            Row::figure("durable audit, p50 of one caller alone: one fsync", "ms", alone),
        ],
        details: details.into(),
        notes: vec![
            "audit: added is the larger of one and eight callers, over the same without fsync; 64 callers keep the \
             writer full and give the rate"
                .to_owned(),
        ],
    }
}
