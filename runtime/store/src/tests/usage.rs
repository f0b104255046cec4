//! Usage equals what the trail says, whatever happens to the process and to the clock.

mod killed;
mod random;
mod reports;

pub(super) use killed::use_until_killed;

use std::sync::Arc;

use airlock_model::{AuditEvent, AuditKind, Decision, Principal, Usage};
use rusqlite::Connection;

use super::{Random, finished, open, state_dir};
use crate::{
    Checkpoint, Figures, Reader, Store, StoreError, UsageQuery, UsageRecount, chain::Tx, database, usage::Ledger,
};

const HOUR_MS: u64 = 3_600_000;

fn principal(tenant: &str, subject: &str) -> Arc<Principal> {
    let (tenant, app) = (tenant.parse().expect("a tenant"), "portal".parse().expect("an app"));
    Arc::new(Principal { tenant, app, subject: subject.to_owned(), actor: None })
}

fn call(number: u64, by: &Arc<Principal>, time_unix_ms: u64) -> AuditEvent {
    AuditEvent {
        principal: Some(Arc::clone(by)),
        environment: Some("dev".into()),
        time_unix_ms,
        reason: Some("ok".to_owned()),
        usage: Some(Usage { fuel: number, wall_us: 1_000 * number, ..Usage::default() }),
        ..finished(number)
    }
}

fn by_hour() -> UsageQuery {
    UsageQuery { step: crate::Step::Hour, ..UsageQuery::default() }
}

async fn total(reader: &Reader) -> Figures {
    reader.usage(UsageQuery::default()).await.expect("reported").total
}

async fn recount(reader: &Reader) -> UsageRecount {
    reader.recount_usage(0).await.expect("counted")
}

fn trail(dir: &std::path::Path) -> Connection {
    Connection::open(database::path(dir)).expect("opened")
}

#[tokio::test]
async fn what_is_not_in_the_rows_yet_is_in_the_report() {
    let dir = state_dir();
    let store = open(dir.path());
    let ada = principal("acme", "ada");
    store.append(call(1, &ada, 5)).await.expect("appended");
    let report = store.usage(UsageQuery::default()).await.expect("reported");
    assert_eq!((report.total.calls, report.through_seq), (1, 1));
    assert_eq!(recount(&store).await.through_seq, 0, "no row holds it");
    drop(store);
    let reader = Store::open_read_only(dir.path()).expect("opened");
    let counted = recount(&reader).await;
    assert_eq!(
        (counted.through_seq, counted.rows, counted.differences),
        (1, 1, 0),
        "a store that closes leaves none behind"
    );
    assert_eq!(total(&reader).await.calls, 1);
}

#[tokio::test]
async fn what_was_undone_is_not_counted() {
    let dir = state_dir();
    let store = open(dir.path());
    let ada = principal("acme", "ada");
    let by = Arc::clone(&ada);
    let undone = store.write(move |tx: &mut Tx<'_>| {
        tx.record(&call(1, &by, 5))?;
        Err::<(), _>(StoreError::NotFound { what: "it".to_owned() })
    });
    undone.await.expect_err("it fails");
    store.append(call(2, &ada, 5)).await.expect("appended");
    drop(store);
    let reader = Store::open_read_only(dir.path()).expect("opened");
    let used = total(&reader).await;
    assert_eq!((used.calls, used.fuel.sum), (1, 2));
    assert_eq!(recount(&reader).await.differences, 0);
}

#[tokio::test]
async fn a_state_from_before_usage_was_counted_is_counted_at_its_next_start() {
    let dir = state_dir();
    let store = open(dir.path());
    let ada = principal("acme", "ada");
    for number in 0..100 {
        store.append(call(number, &ada, number * HOUR_MS)).await.expect("appended");
    }
    let before = store.usage(UsageQuery { step: crate::Step::Hour, ..UsageQuery::default() }).await.expect("reported");
    drop(store);
    trail(dir.path())
        .execute_batch("DELETE FROM usage; DELETE FROM usage_keys; DELETE FROM counters WHERE name = 'usage_through'")
        .expect("as it was");
    let reader = Store::open_read_only(dir.path()).expect("opened");
    let all = UsageQuery { step: crate::Step::Hour, ..UsageQuery::default() };
    assert_eq!(reader.usage(all.clone()).await.expect("reported"), before, "even before that, from the trail alone");
    let store = open(dir.path());
    assert_eq!(store.usage(all).await.expect("reported"), before);
    let counted = recount(&store).await;
    assert_eq!((counted.rows, counted.differences, counted.records), (100, 0, 100));
}

#[tokio::test]
async fn a_recount_names_every_row_that_somebody_changed() {
    let dir = state_dir();
    let store = open(dir.path());
    for number in 0..10 {
        store.append(call(number, &principal("acme", "ada"), number * HOUR_MS)).await.expect("appended");
    }
    drop(store);
    let reader = Store::open_read_only(dir.path()).expect("opened");
    let change = |sql: &str| trail(dir.path()).execute_batch(sql).expect("changed");
    let found = || async {
        let counted = recount(&reader).await;
        let hours = counted.first.iter().map(|one| one.hour_unix_ms / HOUR_MS).collect::<Vec<_>>();
        (counted.differences, hours, counted.first.first().map(|one| one.why))
    };
    assert_eq!(found().await.0, 0);
    change("UPDATE usage SET measures = (SELECT measures FROM usage WHERE hour = 1) WHERE hour = 2");
    assert_eq!(found().await, (1, vec![2], Some("the records of the trail come to something else")));
    change("DELETE FROM usage WHERE hour = 2");
    assert_eq!(found().await, (1, vec![2], Some("the records of the trail are in no row")));
    change("UPDATE usage SET hour = 2 WHERE hour = 3; UPDATE usage SET measures = x'00' WHERE hour = 4");
    assert_eq!(found().await.1, [2, 4, 2, 3], "too many, unreadable, and two that are missing");
    change("DELETE FROM audit WHERE seq = 10");
    let counted = recount(&reader).await;
    assert_eq!((counted.differences, counted.first[2].why), (5, "no record of the trail is behind this row"));
}

#[tokio::test]
async fn a_repair_makes_rows_what_the_trail_says_and_leaves_those_that_it_cannot_count() {
    let dir = state_dir();
    let store = open(dir.path());
    for number in 0..200 {
        let ada = principal("acme", &format!("ada-{}", number % 7));
        store.append(call(number, &ada, number * HOUR_MS / 4)).await.expect("appended");
    }
    drop(store);
    let before = Store::open_read_only(dir.path()).expect("opened").usage(by_hour()).await.expect("reported");
    let forged = "UPDATE usage SET measures = (SELECT measures FROM usage WHERE hour = 1) WHERE hour >= 20; \
                  DELETE FROM usage WHERE hour = 30; DELETE FROM audit WHERE seq <= 40";
    trail(dir.path()).execute_batch(forged).expect("forged");
    let store = open(dir.path());
    let first = store.first_whole_hour().await.expect("read");
    assert!(store.recount_usage(first).await.expect("counted").differences > 20);
    store.append(call(1, &principal("acme", "ada-1"), 100 * HOUR_MS)).await.expect("appended");
    store.repair_usage(first).await.expect("repaired");
    assert_eq!(store.recount_usage(first).await.expect("counted").differences, 0);
    let after = store.usage(by_hour()).await.expect("reported");
    let (last, rest) = after.lines.split_last().expect("lines");
    assert_eq!((last.used.calls, rest), (1, before.lines.as_slice()), "what was there, and the new call once");
    store.append(call(2, &principal("acme", "ada-1"), 100 * HOUR_MS)).await.expect("appended");
    drop(store);
    let reader = Store::open_read_only(dir.path()).expect("opened");
    assert_eq!(reader.recount_usage(first).await.expect("counted").differences, 0, "counting goes on");
    assert_eq!(total(&reader).await.calls, 202);
}

#[tokio::test]
async fn hours_whose_records_were_removed_are_not_compared() {
    let dir = state_dir();
    let store = open(dir.path());
    for number in 1..=10 {
        store.append(call(number, &principal("acme", "ada"), number * HOUR_MS / 2)).await.expect("appended");
    }
    drop(store);
    let reader = Store::open_read_only(dir.path()).expect("opened");
    assert_eq!(reader.first_whole_hour().await.expect("read"), 0);
    trail(dir.path()).execute_batch("DELETE FROM audit WHERE seq <= 4").expect("removed");
    assert_eq!(recount(&reader).await.differences, 4, "one row for each record that is gone");
    let first = reader.first_whole_hour().await.expect("read");
    assert_eq!(first, 3, "hour 2 has lost its first half");
    let counted = reader.recount_usage(first).await.expect("counted");
    assert_eq!((counted.differences, counted.rows, counted.from_unix_ms), (0, 5, 3 * HOUR_MS));
    assert_eq!(total(&reader).await.calls, 10, "usage outlives the records");
}

#[test]
fn any_number_of_callers_takes_a_bounded_number_of_rows_in_memory() {
    let dir = state_dir();
    drop(open(dir.path()));
    let connection = trail(dir.path());
    let mut ledger = Ledger::open(&connection, Checkpoint::genesis()).expect("opened");
    for number in 1..=3_000 {
        let head = Checkpoint { seq: number, ..Checkpoint::genesis() };
        ledger.note(number, &call(number, &principal("acme", &format!("robot-{number}")), 5));
        ledger.close_group(&connection, head).expect("closed");
        assert!(ledger.rows_in_memory() < 16, "after {number}");
    }
}

#[test]
fn who_has_no_valid_token_cannot_make_rows_with_names() {
    let dir = state_dir();
    drop(open(dir.path()));
    let connection = trail(dir.path());
    let mut ledger = Ledger::open(&connection, Checkpoint::genesis()).expect("opened");
    for number in 1..=100 {
        let mut refused = AuditEvent::new(AuditKind::InvocationRefused, 5);
        (refused.decision, refused.reason) = (Some(Decision::Deny), Some("token_invalid".to_owned()));
        (refused.function, refused.environment) =
            (Some(format!("f-{number}").into()), Some(format!("e-{number}").into()));
        ledger.note(number, &refused);
    }
    ledger.close_group(&connection, Checkpoint { seq: 100, ..Checkpoint::genesis() }).expect("closed");
    assert_eq!(ledger.rows_in_memory(), 1);
}
