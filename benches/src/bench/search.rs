//! `search`: what an auditor waits for in a long trail.

use std::{path::Path, sync::Arc, time::Instant};

use airlock_model::{AuditEvent, AuditKind, Decision, Principal};
use airlock_store::{AuditFilter, AuditOrder, Reader, Store, StoreError, StoreOptions, SyncMode};
use hdrhistogram::Histogram;
use serde_json::json;

use crate::{
    args::SearchOptions,
    goals::{Row, SEARCH, rounded},
    guests::Places,
    load::open::{histogram, nanoseconds},
    report::Findings,
    serve::runtime,
};

const DAY_MS: u64 = 86_400_000;
/// Midnight, UTC.
const BEGAN_UNIX_MS: u64 = 20_700 * DAY_MS;
const DAYS: u64 = 10;
const PRINCIPALS: u64 = 1_000;
const TENANTS: u64 = 10;
/// Searches of each kind.
const SEARCHES: u64 = 200;

/// Fills a trail and searches it.
pub(crate) fn run(options: &SearchOptions, places: &Places) -> anyhow::Result<Findings> {
    let dir = places.fresh("search-")?;
    let began = Instant::now();
    runtime()?.block_on(fill(dir.path(), options.records.get()))?;
    let filled_s = began.elapsed().as_secs_f64();
    eprintln!("{} records in {filled_s:.0} s", options.records);
    let reader = Store::open_read_only(dir.path())?;
    let day = runtime()?.block_on(measure(&reader, principal_and_day))?;
    let mut details = serde_json::Map::new();
    details.insert("principal and day".to_owned(), told(&day));
    for (name, filter) in OTHERS {
        let took = runtime()?.block_on(measure(&reader, *filter))?;
        details.insert((*name).to_owned(), told(&took));
    }
    details.insert("records".to_owned(), json!(options.records));
    details.insert("fill_s".to_owned(), json!(rounded(filled_s)));
    Ok(Findings {
        rows: vec![
            SEARCH.measured(ms(&day, 1.0)),
            Row::figure("search of the trail by principal and day, p50 of 100 records", "ms", ms(&day, 0.5)),
        ],
        details: details.into(),
        notes: vec![format!(
            "search: {} records of {PRINCIPALS} principals in {TENANTS} tenants over {DAYS} days; the first 100 that match; \
             {SEARCHES} searches each, the first with a new connection",
            options.records
        )],
    })
}

/// A sort of search, by its number.
type Search = fn(u64) -> AuditFilter;

const OTHERS: &[(&str, Search)] = &[
    ("table and app of a tenant, newest first", |number| AuditFilter {
        tenant: Some(tenant(number)),
        environment: Some("prod".to_owned()),
        table: Some(table(number)),
        app: Some(app(number + 1)),
        order: AuditOrder::NewestFirst,
        ..AuditFilter::default()
    }),
    ("denied to a principal", |number| AuditFilter {
        principal: Some(principal(number)),
        decision: Some(Decision::Deny),
        ..AuditFilter::default()
    }),
    ("everything of an hour", |number| {
        let since = BEGAN_UNIX_MS + number % (24 * DAYS) * 3_600_000;
        AuditFilter { since_unix_ms: Some(since), until_unix_ms: Some(since + 3_600_000), ..AuditFilter::default() }
    }),
    ("a principal that never was", |number| AuditFilter {
        principal: Some(format!("nobody-{number}")),
        ..AuditFilter::default()
    }),
];

fn principal_and_day(number: u64) -> AuditFilter {
    let since = BEGAN_UNIX_MS + number % DAYS * DAY_MS;
    AuditFilter {
        tenant: Some(tenant(number)),
        environment: Some("prod".to_owned()),
        principal: Some(principal(number)),
        since_unix_ms: Some(since),
        until_unix_ms: Some(since + DAY_MS),
        ..AuditFilter::default()
    }
}

fn principal(number: u64) -> String {
    format!("user-{}", number % PRINCIPALS)
}

fn tenant(number: u64) -> String {
    format!("tenant-{}", number % TENANTS)
}

fn app(number: u64) -> String {
    format!("app-{}", number % 20)
}

fn table(number: u64) -> String {
    format!("main.table_{}", number % 30)
}

async fn measure(reader: &Reader, search: Search) -> anyhow::Result<Histogram<u64>> {
    let mut took = histogram()?;
    for number in 0..SEARCHES {
        // Far from one another, so that each reads other pages.
        let filter = search(number * 7_919);
        let began = Instant::now();
        reader.query(filter).await?;
        took.saturating_record(nanoseconds(began.elapsed()));
    }
    Ok(took)
}

fn ms(took: &Histogram<u64>, quantile: f64) -> f64 {
    took.value_at_quantile(quantile) as f64 / 1e6
}

fn told(took: &Histogram<u64>) -> serde_json::Value {
    json!({ "p50_ms": rounded(ms(took, 0.5)), "p99_ms": rounded(ms(took, 0.99)), "max_ms": rounded(ms(took, 1.0)) })
}

/// Calls of three records each: an intent, its outcome, the end of the call.
async fn fill(dir: &Path, records: u64) -> anyhow::Result<()> {
    let options = StoreOptions { sync: SyncMode::OffForBenchmarksOnly, ..StoreOptions::default() };
    let store = Store::open_with(dir, options)?;
    for number in 0..records {
        let event = event(number, records)?;
        // Somebody has to wait now and then, or the queue is full.
        if number.is_multiple_of(4_096) || number + 1 == records {
            store.append(event).await?;
        } else if let Err(StoreError::Busy { .. }) = store.enqueue(event.clone()) {
            store.append(event).await?;
        }
    }
    Ok(())
}

fn event(number: u64, records: u64) -> anyhow::Result<AuditEvent> {
    // Whose turn it is looks like chance and is the same in every run.
    let call = (number / 3).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let kind = match number % 3 {
        0 => AuditKind::HostCallIntent,
        1 => AuditKind::HostCallOutcome,
        _ => AuditKind::InvocationFinished,
    };
    let time = u64::try_from(u128::from(number) * u128::from(DAYS * DAY_MS) / u128::from(records))?;
    let mut event = AuditEvent::new(kind, BEGAN_UNIX_MS + time);
    let (tenant, app) = (tenant(call).parse()?, app(call / 7).parse()?);
    event.principal = Some(Arc::new(Principal { tenant, app, subject: principal(call), actor: None }));
    event.call_number = Some(number / 3 + 1);
    event.invocation = Some(format!("0199f0a1-7c00-7000-8000-{:012x}", number / 3).into());
    event.token_id = Some(format!("2f0a9d0e-5e0c-4f7b-9a44-{:012x}", call % 4_096).into());
    event.function = Some(format!("function-{}", call % 50).into());
    event.revision = Some("7c".repeat(32).into());
    event.environment = Some("prod".into());
    if kind == AuditKind::InvocationFinished {
        event.reason = Some("ok".to_owned());
        return Ok(event);
    }
    event.resource = Some("db".to_owned());
    event.operation = Some("read".to_owned());
    event.tables = vec![table(call / 3)];
    event.target = Some("SELECT id, total FROM main.table WHERE customer = ?1 ORDER BY id LIMIT 20".to_owned());
    let is_denied = call.is_multiple_of(50) && kind == AuditKind::HostCallOutcome;
    event.decision = Some(if is_denied { Decision::Deny } else { Decision::Permit });
    Ok(event)
}
