//! Random trails: what the report says is what simple arithmetic over the records says.

use std::collections::BTreeMap;

use airlock_model::{AuditEvent, AuditKind, Decision, Spending, Spent, Usage};

use super::{HOUR_MS, Random, open, principal, recount, state_dir};
use crate::{AuditFilter, Dimension, QUANTILE_ERROR, Reader, Step, Store, StoreError, UsageQuery, chain::Tx};

const TENANTS: [&str; 3] = ["acme", "globex", "initech"];

/// Any record, at a time that jumps.
pub(super) fn event(random: &mut Random, number: u64) -> AuditEvent {
    let kinds = [
        AuditKind::InvocationFinished,
        AuditKind::InvocationFinished,
        AuditKind::InvocationAbandoned,
        AuditKind::InvocationRefused,
        AuditKind::HostCallIntent,
        AuditKind::HostCallOutcome,
        AuditKind::HostCallOutcome,
        AuditKind::ControlRefused,
        AuditKind::ServerStarted,
    ];
    let mut pick = |end: u64| random.below(end);
    let kind = kinds[pick(kinds.len() as u64) as usize];
    // Hours that come back, and the last milliseconds of them.
    let time = pick(50) * HOUR_MS + [0, 1, HOUR_MS / 2, HOUR_MS - 1][pick(4) as usize];
    let mut event = AuditEvent::new(kind, time);
    event.call_number = Some(number);
    event.environment = Some(["dev", "prod"][pick(2) as usize].into());
    event.function = Some(format!("f-{}", pick(4)).into());
    event.revision = Some(format!("r-{}", pick(3)).into());
    if pick(8) > 0 {
        event.principal = Some(principal(TENANTS[pick(3) as usize], &format!("s-{}", pick(9))));
    }
    event.reason = Some(["ok", "ok", "fuel_exhausted", "not_granted"][pick(4) as usize].to_owned());
    match kind {
        AuditKind::InvocationFinished => {
            let shift = pick(60);
            event.usage = Some(Usage {
                fuel: random.next() >> shift >> 4,
                memory_bytes: random.below(1 << 30),
                wall_us: random.below(1 << 25),
                host_calls: random.below(3),
                log_bytes: random.below(2) * random.below(9_999),
                result_rows: random.below(1_000),
                ..Usage::default()
            });
        }
        AuditKind::HostCallIntent | AuditKind::HostCallOutcome => host_call(random, &mut event),
        _ => {}
    }
    event
}

fn host_call(random: &mut Random, event: &mut AuditEvent) {
    event.resource = Some(format!("db-{}", random.below(3)));
    event.decision = Some(if random.below(4) == 0 { Decision::Deny } else { Decision::Permit });
    event.duration_us = (random.below(5) > 0).then(|| random.below(1 << 33));
    event.rows = (random.below(2) > 0).then(|| random.below(500));
    event.sent_bytes = (random.below(2) > 0).then(|| random.below(1 << 20));
    if random.below(3) == 0 {
        let amount = |random: &mut Random| Spent { tokens: random.below(5_000), cost_micros: random.below(1 << 40) };
        let reserved = amount(random);
        let settled = (random.below(2) > 0).then(|| amount(random));
        event.spending = Some(Spending { reserved, settled });
    }
}

/// What the test itself counts of one group, with every value kept.
#[derive(Debug, Default, PartialEq)]
struct Simple {
    outcomes: BTreeMap<String, u64>,
    refusals: BTreeMap<String, u64>,
    fuel: Vec<u64>,
    wall_us: Vec<u64>,
    host: u64,
    denied: u64,
    rows: u64,
    tokens: i128,
    cost_micros: i128,
}

/// By tenant, function and hour, from the records as the trail lists them.
async fn simply(reader: &Reader) -> BTreeMap<(String, String, u64), Simple> {
    let (mut found, mut after) = (BTreeMap::<_, Simple>::new(), 0);
    loop {
        let filter = AuditFilter { after_seq: Some(after), limit: Some(1_000), ..AuditFilter::default() };
        let page = reader.query(filter).await.expect("read");
        let Some(last) = page.last() else { return found };
        after = last.seq;
        page.iter().for_each(|record| count(&mut found, &record.event));
    }
}

fn count(found: &mut BTreeMap<(String, String, u64), Simple>, event: &AuditEvent) {
    let is_counted = matches!(
        event.kind,
        AuditKind::InvocationFinished
            | AuditKind::InvocationAbandoned
            | AuditKind::InvocationRefused
            | AuditKind::HostCallOutcome
    ) || (event.kind == AuditKind::HostCallIntent && event.spending.is_some());
    if !is_counted {
        return;
    }
    let began = match event.spending {
        Some(_) => event.time_unix_ms.saturating_sub(event.duration_us.unwrap_or(0) / 1_000),
        None => event.time_unix_ms,
    };
    let tenant = event.principal.as_ref().map(|principal| principal.tenant.to_string()).unwrap_or_default();
    let is_nobody = tenant.is_empty() && event.kind == AuditKind::InvocationRefused;
    let function = if is_nobody { "" } else { event.function.as_deref().expect("a function") };
    let one = found.entry((tenant, function.to_owned(), began / HOUR_MS)).or_default();
    let reason = event.reason.clone().expect("a reason");
    match event.kind {
        AuditKind::InvocationFinished => {
            *one.outcomes.entry(reason).or_default() += 1;
            let usage = event.usage.expect("usage");
            one.fuel.push(usage.fuel);
            one.wall_us.push(usage.wall_us);
        }
        AuditKind::InvocationAbandoned => *one.outcomes.entry(reason).or_default() += 1,
        AuditKind::InvocationRefused => *one.refusals.entry(reason).or_default() += 1,
        AuditKind::HostCallOutcome => {
            (one.host, one.denied) = match event.decision {
                Some(Decision::Deny) => (one.host, one.denied + 1),
                _ => (one.host + 1, one.denied),
            };
            one.rows += event.rows.unwrap_or(0);
        }
        _ => {}
    }
    if let Some(Spending { reserved, settled }) = &event.spending {
        let taken = settled.unwrap_or(*reserved);
        let of = |reserved: u64, taken: u64| match event.kind {
            AuditKind::HostCallIntent => i128::from(reserved),
            _ => i128::from(taken) - i128::from(reserved),
        };
        one.tokens += of(reserved.tokens, taken.tokens);
        one.cost_micros += of(reserved.cost_micros, taken.cost_micros);
    }
}

/// The report and simple arithmetic agree, group by group; quantiles as far as they say.
pub(super) async fn assert_equal(reader: &Reader) {
    let mut simple = simply(reader).await;
    let by = vec![Dimension::Tenant, Dimension::Function];
    let report = reader.usage(UsageQuery { by, step: Step::Hour, ..UsageQuery::default() }).await.expect("reported");
    for line in &report.lines {
        let (group, used) = (&line.group, &line.used);
        let key = (group[0].clone(), group[1].clone(), line.begin_unix_ms.expect("a step") / HOUR_MS);
        let mut simple = simple.remove(&key).unwrap_or_else(|| panic!("{key:?} is in no record"));
        assert_eq!((&used.outcomes, &used.refusals), (&simple.outcomes, &simple.refusals), "{key:?}");
        assert_eq!((used.resources.calls, used.resources.denied), (simple.host, simple.denied), "{key:?}");
        assert_eq!(used.resources.rows, simple.rows, "{key:?}");
        let spent = (used.resources.tokens.into(), used.resources.cost_micros.into());
        assert_eq!(spent, (simple.tokens, simple.cost_micros), "{key:?}");
        for (told, exact) in [(used.fuel, &mut simple.fuel), (used.wall_us, &mut simple.wall_us)] {
            exact.sort_unstable();
            let last = exact.last().copied().unwrap_or(0);
            assert_eq!((told.count, told.sum, told.max), (exact.len() as u64, exact.iter().sum(), last), "{key:?}");
            if let Some(rank) = (exact.len() * 99).div_ceil(100).checked_sub(1) {
                let error = told.p99.abs_diff(exact[rank]) as f64;
                assert!(error <= exact[rank] as f64 * QUANTILE_ERROR, "{key:?}: {told:?} for {}", exact[rank]);
            }
        }
    }
    assert!(simple.is_empty(), "in no line: {simple:?}");
}

#[tokio::test]
async fn reports_equal_the_trail_after_restarts_and_clock_jumps_and_jobs_that_fail() {
    for seed in 0..4 {
        let (dir, mut random) = (state_dir(), Random(seed));
        let mut store = open(dir.path());
        for number in 0..2_000 {
            let next = event(&mut random, number);
            match random.below(300) {
                0 => {
                    drop(store);
                    store = open(dir.path());
                }
                1..20 => {
                    let fails = random.below(2) == 0;
                    let done = store.write(move |tx: &mut Tx<'_>| {
                        tx.record(&next)?;
                        if fails { Err(StoreError::NotFound { what: "it".to_owned() }) } else { Ok(()) }
                    });
                    assert_eq!(done.await.is_err(), fails);
                }
                20..100 => drop(store.append(next).await.expect("appended")),
                _ => store.enqueue(next).expect("queued"),
            }
        }
        store.append(event(&mut random, 0)).await.expect("appended");
        assert_equal(&store).await;
        assert_eq!(recount(&store).await.differences, 0, "seed {seed}");
        drop(store);
        let reader = Store::open_read_only(dir.path()).expect("opened");
        assert_equal(&reader).await;
        let counted = recount(&reader).await;
        assert_eq!((counted.differences, counted.first), (0, Vec::new()), "seed {seed}");
        assert!(counted.rows > 500 && counted.records > 1_000, "seed {seed} is about something");
    }
}
