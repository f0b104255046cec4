//! Searches find every record that matches, and nothing else, however they are asked.

use std::sync::Arc;

use airlock_model::{AuditEvent, AuditKind, Decision, Principal};
use rusqlite::Connection;

use super::{Random, open, state_dir};
use crate::{AuditFilter, AuditOrder, AuditRecord, Store, database};

const HOUR_MS: u64 = 3_600_000;
const DAY: u64 = 1_800_000_000_000;
const KINDS: [AuditKind; 4] = [
    AuditKind::InvocationFinished,
    AuditKind::HostCallOutcome,
    AuditKind::InvocationRefused,
    AuditKind::FunctionDeployed,
];

fn pick<'a>(random: &mut Random, of: &[&'a str]) -> &'a str {
    of[random.below(of.len() as u64) as usize]
}

fn some(random: &mut Random, of: &[&str]) -> Option<String> {
    (random.below(3) > 0).then(|| pick(random, of).to_owned())
}

/// An event of few words, so that many share each, at a time within three days that also jumps back.
fn event(random: &mut Random, number: u64) -> AuditEvent {
    let kind = KINDS[random.below(4) as usize];
    let mut event = AuditEvent::new(kind, DAY + number * 60_000 + random.below(3) * HOUR_MS);
    if random.below(8) > 0 {
        event.principal = Some(Arc::new(Principal {
            tenant: pick(random, &["acme", "globex"]).parse().unwrap(),
            app: pick(random, &["shop", "desk"]).parse().unwrap(),
            subject: pick(random, &["ada", "bob", "app"]).to_owned(),
            actor: some(random, &["ada", "agent"]),
        }));
    }
    event.environment = some(random, &["dev", "prod"]).map(Into::into);
    event.function = some(random, &["f", "g"]).map(Into::into);
    event.invocation = some(random, &["i1", "i2", "i3"]).map(Into::into);
    event.resource = some(random, &["db", "api"]);
    event.tables = some(random, &["orders", "main.users"]).into_iter().chain(some(random, &["orders"])).collect();
    event.token_id = some(random, &["t1", "t2"]).map(Into::into);
    event.approval = (random.below(10) == 0).then(|| "a1".to_owned());
    event.decision = [None, Some(Decision::Permit), Some(Decision::Deny)][random.below(3) as usize];
    event
}

/// A filter of zero to three conditions.
fn filter(random: &mut Random, records: u64) -> AuditFilter {
    let mut filter = AuditFilter { limit: Some(1 + random.below(40) as u32), ..AuditFilter::default() };
    if random.below(2) == 0 {
        filter.order = AuditOrder::NewestFirst;
    }
    for _ in 0..random.below(4) {
        let word = |random: &mut Random, of: &[&str]| Some(pick(random, of).to_owned());
        match random.below(15) {
            0 => filter.tenant = word(random, &["acme", "globex", "nobody"]),
            1 => filter.environment = word(random, &["dev", "prod", "qa"]),
            2 => filter.principal = word(random, &["ada", "bob", "agent", "eve"]),
            3 => filter.app = word(random, &["shop", "desk"]),
            4 => filter.function = word(random, &["f", "g"]),
            5 => filter.resource = word(random, &["db", "api"]),
            6 => filter.table = word(random, &["orders", "main.users", "other"]),
            7 => filter.decision = Some(if random.below(2) == 0 { Decision::Deny } else { Decision::Permit }),
            8 => filter.kind = Some(KINDS[random.below(4) as usize]),
            9 => filter.invocation = word(random, &["i1", "i2", "i9"]),
            10 => filter.token_id = word(random, &["t1", "t2"]),
            11 => filter.approval = word(random, &["a1", "a2"]),
            12 => filter.since_unix_ms = Some(DAY + random.below(records) * 60_000),
            13 => filter.until_unix_ms = Some(DAY + random.below(records) * 60_000),
            _ => {
                filter.after_seq = Some(random.below(records));
                filter.before_seq = Some(random.below(records));
            }
        }
    }
    filter
}

/// The same question, answered by looking at everything.
fn expected(all: &[AuditRecord], filter: &AuditFilter) -> Vec<AuditRecord> {
    let is =
        |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|wanted| Some(wanted) == found);
    let mut found: Vec<_> = all
        .iter()
        .filter(|AuditRecord { seq, event, .. }| {
            let who = event.principal.as_deref();
            let names = who.map(|who| [Some(who.subject.clone()), who.actor.clone()]).unwrap_or_default();
            is(&filter.tenant, who.map(|who| who.tenant.as_str()))
                && is(&filter.app, who.map(|who| who.app.as_str()))
                && (filter.principal.is_none() || names.contains(&filter.principal))
                && is(&filter.environment, event.environment.as_deref())
                && is(&filter.function, event.function.as_deref())
                && is(&filter.resource, event.resource.as_deref())
                && is(&filter.invocation, event.invocation.as_deref())
                && is(&filter.token_id, event.token_id.as_deref())
                && is(&filter.approval, event.approval.as_deref())
                && filter.table.as_ref().is_none_or(|table| event.tables.contains(table))
                && (filter.decision.is_none() || filter.decision == event.decision)
                && filter.kind.is_none_or(|kind| kind == event.kind)
                && filter.since_unix_ms.is_none_or(|since| since <= event.time_unix_ms)
                && filter.until_unix_ms.is_none_or(|until| until > event.time_unix_ms)
                && filter.after_seq.is_none_or(|after| *seq > after)
                && filter.before_seq.is_none_or(|before| *seq < before)
        })
        .cloned()
        .collect();
    if filter.order == AuditOrder::NewestFirst {
        found.reverse();
    }
    found
}

fn numbers(records: &[AuditRecord]) -> Vec<u64> {
    records.iter().map(|record| record.seq).collect()
}

async fn everything(store: &Store) -> Vec<AuditRecord> {
    let (mut all, mut filter) = (Vec::new(), AuditFilter { limit: Some(1_000), ..AuditFilter::default() });
    loop {
        let page = store.search(filter.clone()).await.expect("found");
        filter.go_on(&page);
        all.extend(page.records);
        if page.is_last {
            return all;
        }
    }
}

async fn filled(store: &Store, records: u64) -> Vec<AuditRecord> {
    let mut random = Random(11);
    for number in 1..records {
        store.enqueue(event(&mut random, number)).expect("queued");
    }
    store.append(event(&mut random, records)).await.expect("appended");
    let all = everything(store).await;
    assert_eq!(all.len() as u64, records);
    all
}

#[tokio::test]
async fn every_filter_finds_what_looking_at_everything_finds() {
    const RECORDS: u64 = 1_500;
    let dir = state_dir();
    let store = open(dir.path());
    let all = filled(&store, RECORDS).await;
    let mut random = Random(5);
    let mut hits = 0;
    for case in 0..2_000 {
        let filter = filter(&mut random, RECORDS);
        let wanted = expected(&all, &filter);
        hits += wanted.len();
        let (mut asked, mut found) = (filter.clone(), Vec::new());
        loop {
            let page = store.search(asked.clone()).await.expect("found");
            assert!(page.records.len() <= filter.limit.unwrap() as usize, "case {case}");
            asked.go_on(&page);
            found.extend(page.records);
            if page.is_last {
                break;
            }
        }
        assert_eq!(numbers(&found), numbers(&wanted), "case {case}: {filter:?}");
        assert!(found == wanted, "case {case}");
        let first = store.query(filter.clone()).await.expect("found");
        let most = wanted.len().min(filter.limit.unwrap() as usize);
        assert_eq!(numbers(&first), numbers(&wanted[..most]), "case {case}: {filter:?}");
    }
    assert!(hits > 10_000, "the filters find something: {hits}");
    assert!(store.verify(None).await.expect("verified").integrity);
}

#[tokio::test]
async fn a_trail_of_before_the_index_is_indexed_at_the_next_start() {
    let dir = state_dir();
    let store = open(dir.path());
    let all = filled(&store, 500).await;
    drop(store);
    let connection = Connection::open(database::path(dir.path())).expect("opened");
    let before = "DELETE FROM audit_facets; DELETE FROM audit_hours; DELETE FROM audit_owners; \
                  INSERT INTO counters (name, value) VALUES ('trail_indexed_to', 0)";
    connection.execute_batch(before).expect("emptied");
    drop(connection);
    let store = open(dir.path());
    let filter = AuditFilter { principal: Some("ada".to_owned()), limit: Some(1_000), ..AuditFilter::default() };
    assert_eq!(store.query(filter.clone()).await.expect("found"), expected(&all, &filter));
    assert!(store.verify(None).await.expect("verified").integrity);
}

#[tokio::test]
async fn a_record_that_searches_would_miss_is_found_by_verification() {
    let dir = state_dir();
    let store = open(dir.path());
    filled(&store, 40).await;
    drop(store);
    for sql in [
        "DELETE FROM audit_facets WHERE seq = 7",
        "UPDATE audit_facets SET facet = facet + 1 WHERE seq = 7",
        "DELETE FROM audit_hours",
        "DELETE FROM audit_owners",
    ] {
        let copy = state_dir();
        let file = database::path(copy.path());
        std::fs::copy(database::path(dir.path()), &file).expect("copied");
        Connection::open(&file).expect("opened").execute_batch(sql).expect("changed");
        let report = Store::open_read_only(copy.path()).expect("opened").verify(None).await.expect("verified");
        let bad = report.first_bad.unwrap_or_else(|| panic!("{sql} went unnoticed"));
        assert_eq!(bad.why, crate::Fault::Index, "{sql}");
    }
}
