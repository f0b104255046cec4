//! What usage costs: counting it beside the records, at the first start after an upgrade, in a report and in a recount.
//!
//! `cargo run --release -p airlock-store --example usage -- [records] [callers] [dir]`
//!
//! Prints one JSON object. The directory has to be new. What is counted beside the records is the difference between `fill_s` of
//! this and of a build before.

use std::{env, path::PathBuf, sync::Arc, time::Instant};

use airlock_model::{AuditEvent, AuditKind, Principal, Usage};
use airlock_store::{Dimension, Step, Store, StoreError, StoreOptions, SyncMode, UsageQuery};
use rusqlite::Connection;

/// A day with as many records in each hour.
const BEGIN: u64 = 20_000 * 86_400_000;
const DAY_MS: u64 = 86_400_000;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[expect(clippy::print_stdout, reason = "the result of a measurement")]
fn main() -> Result<(), Failure> {
    let mut arguments = env::args().skip(1);
    let mut number = |default| arguments.next().map_or(Ok(default), |text| text.parse::<u64>());
    let (records, callers) = (number(1_000_000)?, number(100)?.max(1));
    let dir = arguments.next().map_or_else(|| PathBuf::from("/tmp/airlock-usage"), PathBuf::from);
    let options = StoreOptions { sync: SyncMode::OffForBenchmarksOnly, ..StoreOptions::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;

    let store = Store::open_with(&dir, options)?;
    let began = Instant::now();
    runtime.block_on(fill(&store, records, callers))?;
    let filled = began.elapsed();
    drop(store);

    forget_usage(&dir)?;
    let began = Instant::now();
    let store = Store::open_with(&dir, options)?;
    let caught_up = began.elapsed();

    let by = vec![Dimension::App, Dimension::Function];
    let query = UsageQuery { by, step: Step::Hour, top: Some(20), ..UsageQuery::default() };
    let began = Instant::now();
    let report = runtime.block_on(store.usage(query))?;
    let reported = began.elapsed();

    let began = Instant::now();
    let recount = runtime.block_on(store.recount_usage(0))?;
    let recounted = began.elapsed();
    let report = serde_json::json!({
        "records": records, "callers": callers, "rows": recount.rows, "calls": report.total.calls,
        "differences": recount.differences, "fill_s": filled.as_secs_f64(), "first_start_s": caught_up.as_secs_f64(),
        "report_s": reported.as_secs_f64(), "recount_s": recounted.as_secs_f64(),
    });
    println!("{report}");
    Ok(())
}

/// As a version that did not count usage left it.
fn forget_usage(dir: &std::path::Path) -> Result<(), Failure> {
    let connection = Connection::open(dir.join("airlock.db"))?;
    connection.execute_batch(
        "DELETE FROM usage; DELETE FROM usage_keys; DELETE FROM counters WHERE name = 'usage_through'",
    )?;
    Ok(())
}

async fn fill(store: &Store, records: u64, callers: u64) -> Result<(), Failure> {
    let principals: Vec<_> = (0..callers).map(principal).collect::<Result<_, Failure>>()?;
    for number in 0..records {
        let time = BEGIN.saturating_add(number.saturating_mul(DAY_MS) / records.max(1));
        let who = usize::try_from(number % callers).ok().and_then(|index| principals.get(index));
        let event = event(number, time, who.cloned());
        match store.enqueue(event.clone()) {
            Ok(()) => {}
            // The queue is full: wait for its end.
            Err(StoreError::Busy { .. }) => drop(store.append(event).await?),
            Err(error) => return Err(error.into()),
        }
    }
    store.append(AuditEvent::new(AuditKind::ServerStarted, BEGIN)).await?;
    Ok(())
}

fn principal(number: u64) -> Result<Arc<Principal>, Failure> {
    let (tenant, app) = (format!("tenant-{}", number % 10).parse()?, format!("app-{}", number % 20).parse()?);
    Ok(Arc::new(Principal { tenant, app, subject: format!("user-{number}"), actor: None }))
}

fn event(number: u64, time_unix_ms: u64, principal: Option<Arc<Principal>>) -> AuditEvent {
    let mut event = AuditEvent::new(AuditKind::InvocationFinished, time_unix_ms);
    event.call_number = Some(number);
    event.invocation = Some(format!("0199{number:08x}").into());
    event.principal = principal;
    event.function = Some("order-summary".into());
    event.revision = Some("sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef".into());
    event.environment = Some("prod".into());
    event.reason = Some("ok".to_owned());
    let spread = number.wrapping_mul(0x9e37_79b9) % 1_000_000;
    event.usage = Some(Usage {
        fuel: spread * 17,
        memory_bytes: 1 << 21,
        wall_us: 300 + spread % 5_000,
        host_calls: 2,
        host_bytes: spread % 4_096,
        result_rows: spread % 50,
        ..Usage::default()
    });
    event
}
