//! What is old goes, what is left verifies, and what was never cut by a server is found out.

use airlock_model::{AuditEvent, AuditKind, TrailCut};
use rusqlite::Connection;

use super::{Random, finished, intent, open, state_dir};
use crate::{AuditFilter, Checkpoint, Fault, Store, StoreError, VerifyReport, database};

const HOUR_MS: u64 = 3_600_000;
const T0: u64 = 500_000 * HOUR_MS;

fn at(event: AuditEvent, time_unix_ms: u64) -> AuditEvent {
    AuditEvent { time_unix_ms, ..event }
}

/// A hundred records in each of some hours. Calls overlap, also over the ends of hours.
async fn fill(store: &Store, hours: u64) {
    for hour in 0..hours {
        for number in hour * 50..(hour + 1) * 50 {
            store.enqueue(at(intent(number + 3), T0 + hour * HOUR_MS)).expect("queued");
            store.append(at(finished(number + 1), T0 + hour * HOUR_MS + 1)).await.expect("appended");
        }
    }
}

async fn cut(store: &Store, before: u64) -> Option<TrailCut> {
    store.cut_trail(before, T0 + 99 * HOUR_MS, |at| Some(format!("signed {}", at.seq))).await.expect("no error")
}

async fn whole(store: &Store) -> VerifyReport {
    let report = store.verify(None).await.expect("verified");
    assert!(report.integrity, "{report:?}");
    report
}

#[tokio::test]
async fn old_hours_go_and_the_rest_verifies_and_is_found() {
    let dir = state_dir();
    let store = open(dir.path());
    fill(&store, 5).await;
    let before = whole(&store).await;
    let hash =
        store.query(AuditFilter { after_seq: Some(199), limit: Some(1), ..AuditFilter::default() }).await.unwrap()[0]
            .hash;
    let cut_off = cut(&store, T0 + 2 * HOUR_MS + 9).await.expect("two hours are old");
    assert_eq!((cut_off.seq, cut_off.hash, cut_off.records), (200, hash, 200));
    assert_eq!((cut_off.first_unix_ms, cut_off.last_unix_ms), (T0, T0 + HOUR_MS + 1));
    assert_eq!((cut_off.calls, cut_off.highest_call, &cut_off.open_calls), (100, 102, &vec![(101, 101), (102, 102)]));
    assert!(cut(&store, T0 + 2 * HOUR_MS + 9).await.is_none(), "nothing is left to cut");

    let after = whole(&store).await;
    assert_eq!((after.records, after.cut.as_ref()), (301, Some(&cut_off)));
    assert_eq!(after.calls.finished, 150);
    assert_eq!(after.calls.unfinished_count, before.calls.unfinished_count, "calls across the cut are followed");
    let found = store.query(AuditFilter { function: Some("odd".into()), ..AuditFilter::default() }).await.unwrap();
    assert_eq!((found.len(), found[0].seq > 200), (100, true));
    let told = store.query(AuditFilter { kind: Some(AuditKind::TrailCut), ..AuditFilter::default() }).await.unwrap();
    assert_eq!(told[0].event.cut.as_deref(), Some(&cut_off));
    drop(store);
    let facets = "SELECT count(*) FROM audit_facets WHERE seq <= 200";
    let left: i64 =
        Connection::open(database::path(dir.path())).unwrap().query_row(facets, [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn cuts_go_on_where_the_last_one_ended_until_one_record_is_left() {
    let dir = state_dir();
    let store = open(dir.path());
    fill(&store, 50).await;
    let mut removed = 0;
    while let Some(cut) = cut(&store, T0 + 90 * HOUR_MS).await {
        removed += cut.records;
        whole(&store).await;
    }
    let left = whole(&store).await;
    assert!(removed >= 4_999 && left.records >= 1, "{removed} {left:?}");
    drop(store);
    let store = open(dir.path());
    store.append(at(finished(60_000), T0 + 91 * HOUR_MS)).await.expect("appended");
    whole(&store).await;
}

#[tokio::test]
async fn a_clock_that_jumped_keeps_what_is_young_and_all_that_follows() {
    let dir = state_dir();
    let store = open(dir.path());
    store.append(at(finished(1), T0)).await.unwrap();
    store.append(at(finished(2), T0 + 80 * HOUR_MS)).await.unwrap();
    store.append(at(finished(3), T0)).await.unwrap();
    let cut_off = cut(&store, T0 + 10 * HOUR_MS).await.expect("the first is old");
    assert_eq!(cut_off.seq, 1);
    assert!(cut(&store, T0 + 10 * HOUR_MS).await.is_none());
}

#[tokio::test]
async fn what_was_tampered_with_is_not_removed() {
    let dir = state_dir();
    let store = open(dir.path());
    fill(&store, 3).await;
    drop(store);
    let connection = Connection::open(database::path(dir.path())).unwrap();
    connection.execute("UPDATE audit SET body = body || ' ' WHERE seq = 7", []).unwrap();
    drop(connection);
    let store = open(dir.path());
    let refused = store.cut_trail(T0 + 2 * HOUR_MS, T0, |_| Some(String::new())).await.expect_err("evidence");
    assert!(matches!(&refused, StoreError::Corrupt { .. }) && refused.to_string().contains("`7`"), "{refused}");
    assert_eq!(store.verify(None).await.unwrap().records, 300);
}

#[tokio::test]
async fn nothing_is_removed_without_a_signature() {
    let dir = state_dir();
    let store = open(dir.path());
    fill(&store, 3).await;
    assert!(store.cut_trail(T0 + 2 * HOUR_MS, T0, |_| None).await.expect("no error").is_none());
    assert_eq!(whole(&store).await.records, 300);
}

#[tokio::test]
async fn every_tamper_with_a_trail_that_was_cut_is_found() {
    let dir = state_dir();
    let store = open(dir.path());
    fill(&store, 5).await;
    cut(&store, T0 + 2 * HOUR_MS).await.expect("cut");
    let head = store.head().await.unwrap();
    drop(store);
    let file = database::path(dir.path());
    let mut random = Random(3);
    for case in 0..200 {
        let copy = state_dir();
        let tampered = database::path(copy.path());
        std::fs::copy(&file, &tampered).unwrap();
        let sql = tamper(&mut random);
        assert!(Connection::open(&tampered).unwrap().execute(&sql, []).unwrap() > 0, "{sql}");
        let report = Store::open_read_only(copy.path()).unwrap().verify([head]).await.unwrap();
        assert!(!report.integrity, "case {case}: {sql} went unnoticed");
    }
    assert!(Store::open_read_only(dir.path()).unwrap().verify([head]).await.unwrap().integrity);
}

fn tamper(random: &mut Random) -> String {
    let seq = 201 + random.below(301);
    match random.below(6) {
        0 => format!("DELETE FROM audit WHERE seq = {seq}"),
        1 => format!("DELETE FROM audit WHERE seq <= {seq}"),
        2 => format!("UPDATE audit SET body = body || ' ' WHERE seq = {seq}"),
        3 => format!(
            "INSERT INTO audit SELECT {}, time_unix_ms, kind, invocation, function, hash, body FROM audit WHERE seq = {seq}",
            random.below(200)
        ),
        4 => format!("DELETE FROM audit WHERE seq >= {seq}"),
        _ => "UPDATE audit SET body = replace(body, ':200', ':201') WHERE kind = 'trail_cut'".to_owned(),
    }
}

#[tokio::test]
async fn checkpoints_of_before_a_cut_prove_nothing_and_one_of_the_cut_itself_has_to_agree() {
    let dir = state_dir();
    let store = open(dir.path());
    fill(&store, 3).await;
    let early = store.query(AuditFilter { limit: Some(1), ..AuditFilter::default() }).await.unwrap()[0].hash;
    let cut_off = cut(&store, T0 + HOUR_MS).await.expect("cut");
    let of_before = Checkpoint { seq: 1, hash: early };
    let of_cut = Checkpoint { seq: cut_off.seq, hash: cut_off.hash };
    assert!(store.verify([of_before, of_cut]).await.unwrap().integrity);
    let other = Checkpoint { hash: early, ..of_cut };
    let report = store.verify([other]).await.unwrap();
    assert_eq!(report.first_bad.map(|bad| (bad.seq, bad.why)), Some((100, Fault::Rewritten)));
}
