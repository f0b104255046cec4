//! How long a start takes to count today's calls from the trail.
//!
//! `cargo run --release -p airlock-store --example spent_since -- [records of yesterday] [records of today] [dir]`
//!
//! Prints one JSON object.

use std::{env, path::PathBuf, sync::Arc, time::Instant};

use airlock_model::{AuditEvent, AuditKind, Principal, Usage};
use airlock_store::{Store, StoreError, StoreOptions, SyncMode};

const MIDNIGHT: u64 = 20_000 * 86_400_000;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[expect(clippy::print_stdout, reason = "the result of a measurement")]
fn main() -> Result<(), Failure> {
    let mut arguments = env::args().skip(1);
    let mut number = |default| arguments.next().map_or(Ok(default), |text| text.parse::<u64>());
    let (yesterday, today) = (number(1_000_000)?, number(1_000_000)?);
    let dir = arguments.next().map_or_else(|| PathBuf::from("/tmp/airlock-spent-since"), PathBuf::from);
    let options = StoreOptions { sync: SyncMode::OffForBenchmarksOnly, ..StoreOptions::default() };
    let store = Store::open_with(&dir, options)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let began = Instant::now();
    runtime.block_on(fill(&store, yesterday, today))?;
    let filled = began.elapsed();
    let began = Instant::now();
    let spent = runtime.block_on(store.spent_since(MIDNIGHT))?;
    let counted = began.elapsed();
    let calls: u64 = spent.values().map(|spent| spent.calls).sum();
    let report = serde_json::json!({
        "records": yesterday + today, "calls_today": calls, "tenants": spent.len(),
        "fill_s": filled.as_secs_f64(), "count_s": counted.as_secs_f64(),
    });
    println!("{report}");
    Ok(())
}

async fn fill(store: &Store, yesterday: u64, today: u64) -> Result<(), Failure> {
    let principals: Vec<_> = (0..100).map(principal).collect::<Result<_, Failure>>()?;
    for number in 0..yesterday.saturating_add(today) {
        let time = MIDNIGHT.saturating_sub(yesterday).saturating_add(number);
        let who = usize::try_from(number % 100).ok().and_then(|index| principals.get(index));
        let event = event(number, time, who.cloned());
        match store.enqueue(event.clone()) {
            Ok(()) => {}
            // The queue is full: wait for its end.
            Err(StoreError::Busy { .. }) => drop(store.append(event).await?),
            Err(error) => return Err(error.into()),
        }
    }
    store.append(event(0, 0, None)).await?;
    Ok(())
}

fn principal(number: u32) -> Result<Arc<Principal>, Failure> {
    let tenant = format!("tenant-{number}").parse()?;
    Ok(Arc::new(Principal { tenant, app: "portal".parse()?, subject: format!("user-{number}"), actor: None }))
}

fn event(number: u64, time: u64, principal: Option<Arc<Principal>>) -> AuditEvent {
    let mut event = AuditEvent::new(AuditKind::InvocationFinished, time);
    event.call_number = Some(number);
    event.invocation = Some(format!("01998877-aabb-7ccd-8eef-{number:012}").into());
    event.principal = principal;
    event.token_id = Some("3c9a0a3e-9d1b-4f4e-8f5e-2d6f2a9d7b10".into());
    event.function = Some("order-summary".into());
    event.revision = Some("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into());
    event.environment = Some("prod".into());
    event.reason = Some("ok".to_owned());
    event.duration_us = Some(431);
    event.usage = Some(Usage { fuel: 123_456, memory_bytes: 1 << 20, wall_us: 431, ..Usage::default() });
    event
}
