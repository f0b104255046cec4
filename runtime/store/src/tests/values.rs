//! Values beside the chain: what is kept opens its commitment, what is erased is gone, and the trail knows the difference.

use std::{fs, path::Path, sync::Arc};

use airlock_model::{
    AuditEvent, AuditKind, AuditValue, Digest, Erasure, Principal, ValueField,
    ValuePolicy::{self, Hash, Plain, Redacted},
};
use rusqlite::Connection;

use super::{Random, intent, open, state_dir};
use crate::{AuditFilter, Erased, Fault, Store, VerifyReport, database, draw_salt};

const RECORDS: u64 = 60;

/// Names of whoever acts, by turns.
const WHO: [&str; 3] = ["ada", "bob", "eve"];

fn secret(number: u64, field: ValueField) -> String {
    format!("canary-{}-{number:04}-{}", field.as_str(), "x".repeat(usize::try_from(number).unwrap() * 97))
}

fn event(number: u64, policy: ValuePolicy) -> AuditEvent {
    let mut event = intent(number);
    event.environment = Some("dev".into());
    event.principal = Some(Arc::new(Principal {
        tenant: "acme".parse().expect("a name"),
        app: "shop".parse().expect("a name"),
        subject: WHO[number as usize % WHO.len()].to_owned(),
        actor: None,
    }));
    for field in ValueField::ALL {
        event.commit(AuditValue::new(field, policy, draw_salt().expect("a salt"), &secret(number, field)));
    }
    event
}

async fn fill(store: &Store, policy: ValuePolicy) {
    for number in 1..=RECORDS {
        store.append(event(number, policy)).await.expect("appended");
    }
}

fn erasure(change: impl FnOnce(&mut Erasure)) -> Erasure {
    let mut erasure = Erasure {
        tenant: Some("acme".to_owned()),
        environment: Some("dev".to_owned()),
        principal: None,
        invocation: None,
        first_seq: 1,
        last_seq: u64::MAX,
        until_unix_ms: None,
        fields: ValueField::ALL.to_vec(),
        values: 0,
    };
    change(&mut erasure);
    erasure
}

async fn erase(store: &Store, erasure: Erasure) -> Erased {
    let mut event = AuditEvent::new(AuditKind::ValuesErased, 9_000);
    event.message = Some("a test asks for it".to_owned());
    store.erase(event, erasure).await.expect("erased")
}

async fn verified(store: &Store) -> VerifyReport {
    let report = store.verify(None).await.expect("verified");
    assert!(report.integrity, "{report:?}");
    report
}

/// Every byte of the state directory, log and all.
fn holds(dir: &Path, text: &str) -> bool {
    let files = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    let held = |path: std::path::PathBuf| {
        let bytes = fs::read(&path).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    files.filter(|path| path.is_file()).any(held)
}

#[tokio::test]
async fn values_are_kept_beside_their_records_and_open_their_commitments() {
    let dir = state_dir();
    let store = open(dir.path());
    for (number, policy) in (1..).zip(ValuePolicy::ALL) {
        store.append(event(number, policy)).await.expect("appended");
    }
    let report = verified(&store).await;
    assert_eq!((report.values_kept, report.values_erased), (6, 0));
    let asked = AuditFilter { with_values: true, ..AuditFilter::default() };
    let records = store.query(asked).await.expect("found");
    let kept: Vec<_> = records.iter().map(|record| record.values[0].value.clone()).collect();
    let plain = secret(3, ValueField::Arguments);
    assert_eq!(kept, [None, Some(format!("\"<text of {}>\"", plain.len() - 97)), Some(plain.clone())]);
    let (_, values) = store.record_with_salts(3).await.expect("read").expect("there");
    assert!(values[0].opens_to(plain.as_bytes()) && !values[0].opens_to(b"canary"));
    let without = store.query(AuditFilter::default()).await.expect("found");
    assert!(without.iter().all(|record| record.values.is_empty()), "the twin: nobody asked");
}

#[tokio::test]
async fn any_subset_is_erased_and_the_trail_stays_whole_and_counts_it() {
    let dir = state_dir();
    let store = open(dir.path());
    fill(&store, Plain).await;
    let (mut random, mut left) = (Random(11), RECORDS * 2);
    for _ in 0..40 {
        let (a, b) = (1 + random.below(RECORDS), 1 + random.below(RECORDS));
        let asked = erasure(|erasure| {
            (erasure.first_seq, erasure.last_seq) = (a.min(b), a.max(b).min(a.min(b) + 7));
            erasure.principal = [None, Some("ada"), Some("bob")][random.below(3) as usize].map(str::to_owned);
            erasure.fields = ValueField::ALL[random.below(2) as usize..].to_vec();
        });
        let erased = erase(&store, asked).await;
        assert_eq!(erased.seq.is_some(), erased.values > 0);
        left -= erased.values;
        let report = verified(&store).await;
        assert_eq!((report.values_kept, report.values_erased), (left, RECORDS * 2 - left));
    }
    assert!(left > 0 && left < RECORDS * 2, "{left}");
    erase(&store, erasure(|_| ())).await;
    let report = verified(&store).await;
    assert_eq!((report.values_kept, report.values_erased), (0, RECORDS * 2));
}

#[tokio::test]
async fn what_was_erased_is_nowhere_in_the_state_directory_and_the_rest_is() {
    let dir = state_dir();
    let store = open(dir.path());
    fill(&store, Plain).await;
    let all = || (1..=RECORDS).flat_map(|number| ValueField::ALL.map(|field| (number, secret(number, field))));
    assert!(all().all(|(_, secret)| holds(dir.path(), &secret[..24])), "the twin: before");
    for who in WHO {
        let erased = erase(&store, erasure(|erasure| erasure.principal = Some(who.to_owned()))).await;
        assert_eq!((erased.values, erased.log_is_cut), (RECORDS * 2 / 3, true));
        let turn = WHO.iter().position(|name| *name == who).expect("a turn");
        for (number, secret) in all() {
            let erased = number as usize % WHO.len() <= turn;
            assert_eq!(holds(dir.path(), &secret[..24]), !erased, "{number} after {who}");
        }
    }
    drop(store);
    assert!(all().all(|(_, secret)| !holds(dir.path(), &secret[..24])));
}

#[tokio::test]
async fn a_guess_is_confirmed_by_the_salt_and_by_nothing_once_it_is_gone() {
    let dir = state_dir();
    let store = open(dir.path());
    let guess = "[\"ada\"]";
    let mut event = intent(1);
    event.commit(AuditValue::new(ValueField::Arguments, Hash, draw_salt().expect("a salt"), guess));
    store.append(event).await.expect("appended");
    let (record, values) = store.record_with_salts(1).await.expect("read").expect("there");
    assert!(values[0].opens_to(guess.as_bytes()));
    erase(&store, erasure(|erasure| (erasure.tenant, erasure.environment) = (None, None))).await;
    let (after, values) = store.record_with_salts(1).await.expect("read").expect("there");
    assert_eq!((after.event, values.len()), (record.event.clone(), 0), "the record is as it was");
    // All that somebody with the record can compute from a guess alone.
    let body = serde_json::to_string(&record.event).expect("a body");
    let computable = [
        Digest::of(guess.as_bytes()),
        Digest::of_parts(&[guess.as_bytes()]),
        AuditValue::new(ValueField::Arguments, Hash, [0; 32], guess).commitment(),
        AuditValue::new(ValueField::Arguments, Hash, [0; 32], guess).opening,
    ];
    assert!(computable.iter().all(|digest| !body.contains(&digest.to_string())), "{body}");
    // And the same value twice shows neither.
    let twice = [1, 2].map(|_| AuditValue::new(ValueField::Arguments, Hash, draw_salt().expect("a salt"), guess));
    assert_ne!(twice[0].commitment(), twice[1].commitment());
}

#[tokio::test]
async fn a_changed_planted_or_missing_value_is_found_and_named() {
    let dir = state_dir();
    let store = open(dir.path());
    for (number, policy) in (1..=9).zip([Hash, Redacted, Plain].into_iter().cycle()) {
        store.append(event(number, policy)).await.expect("appended");
    }
    store.append(intent(10)).await.expect("appended without values");
    drop(store);
    let connection = Connection::open(database::path(dir.path())).expect("opened");
    let (arguments, statement) = ("arguments", "statement");
    let cases = [
        ("UPDATE audit_values SET salt = zeroblob(32) WHERE id = 2", 1, Fault::Value(arguments)),
        ("UPDATE audit_values SET salt = zeroblob(31) WHERE id = 5", 2, Fault::Value(statement)),
        ("UPDATE audit_values SET value = value || ' ' WHERE id = 6", 3, Fault::Value(arguments)),
        ("UPDATE audit_values SET value = NULL WHERE id = 6", 3, Fault::Value(arguments)),
        ("UPDATE audit_values SET value = '[]' WHERE id = 8", 4, Fault::Value(arguments)),
        ("UPDATE audit_values SET bytes = bytes + 1 WHERE id = 10", 5, Fault::Value(arguments)),
        ("UPDATE audit_values SET opening = zeroblob(32) WHERE id = 12", 6, Fault::Value(arguments)),
        ("UPDATE audit_values SET policy = 'plain' WHERE id = 14", 7, Fault::Value(arguments)),
        ("UPDATE audit_values SET policy = 'none' WHERE id = 15", 7, Fault::Value(statement)),
        ("DELETE FROM audit_values WHERE id = 17", 8, Fault::Missing(statement)),
        (
            "INSERT INTO audit_values SELECT 20, policy, salt, bytes, opening, value FROM audit_values WHERE id = 18",
            10,
            Fault::Stray(arguments),
        ),
    ];
    for (sql, seq, why) in cases {
        connection.execute_batch(&format!("BEGIN; {sql}")).expect("changed");
        assert_eq!(connection.changes(), 1, "{sql}");
        let report = super::tamper::judge(&connection, crate::Checkpoint::genesis());
        let bad = report.first_bad.unwrap_or_else(|| panic!("{sql} went unnoticed"));
        assert_eq!((bad.seq, bad.why, report.bad_records), (seq, why, 1), "{sql}");
        connection.execute_batch("ROLLBACK").expect("undone");
    }
    assert!(super::tamper::judge(&connection, crate::Checkpoint::genesis()).integrity, "the twin: as it was");
}

#[tokio::test]
async fn an_erasure_covers_what_it_says_and_not_what_is_gone_without_a_word() {
    let dir = state_dir();
    let store = open(dir.path());
    fill(&store, Hash).await;
    let only_arguments = |erasure: &mut Erasure| {
        (erasure.principal, erasure.fields) = (Some("ada".to_owned()), vec![ValueField::Arguments]);
    };
    assert_eq!(erase(&store, erasure(only_arguments)).await.values, RECORDS / 3);
    let said = store.query(AuditFilter { kind: Some(AuditKind::ValuesErased), ..AuditFilter::default() }).await;
    let said = said.expect("found").remove(0).event;
    assert_eq!(said.erasure.map(|said| (said.values, said.last_seq)), Some((RECORDS / 3, RECORDS)));
    drop(store);
    let connection = Connection::open(database::path(dir.path())).expect("opened");
    // Record 3 is ada's: its arguments were erased, its statement was not.
    for (row, seq) in [(7, 3), (8, 4)] {
        connection.execute_batch("BEGIN").expect("begun");
        assert_eq!(connection.execute("DELETE FROM audit_values WHERE id = ?1", [row]).expect("deleted"), 1);
        let report = super::tamper::judge(&connection, crate::Checkpoint::genesis());
        let bad = report.first_bad.expect("found");
        assert!(bad.seq == seq && matches!(bad.why, Fault::Missing(_)), "{bad:?}");
        connection.execute_batch("ROLLBACK").expect("undone");
    }
}

#[tokio::test]
async fn an_erasure_of_nothing_says_nothing() {
    let dir = state_dir();
    let store = open(dir.path());
    store.append(event(1, Plain)).await.expect("appended");
    let other = erase(&store, erasure(|erasure| erasure.tenant = Some("globex".to_owned()))).await;
    assert_eq!((other.values, other.seq), (0, None), "of another tenant");
    assert_eq!(store.query(AuditFilter::default()).await.expect("found").len(), 1);
    assert_eq!(verified(&store).await.values_kept, 2);
}

#[tokio::test]
async fn a_reader_in_the_log_delays_its_cut_and_holds_nobody_up() {
    let dir = state_dir();
    let store = open(dir.path());
    fill(&store, Plain).await;
    let other = Connection::open(database::path(dir.path())).expect("opened");
    other.execute_batch("BEGIN; SELECT count(*) FROM audit").expect("reading");
    let erased = erase(&store, erasure(|_| ())).await;
    assert_eq!((erased.values, erased.log_is_cut), (RECORDS * 2, false));
    store.append(intent(RECORDS + 1)).await.expect("records go on");
    assert!(holds(dir.path(), &secret(1, ValueField::Arguments)[..24]), "the twin: that is what it says");
    drop((other, store));
    assert!(!holds(dir.path(), &secret(1, ValueField::Arguments)[..24]));
}

#[tokio::test]
async fn records_of_before_there_were_commitments_verify_and_have_nothing_to_erase() {
    let dir = state_dir();
    let store = open(dir.path());
    let mut old = intent(1);
    old.arguments_sha256 = Some(Digest::of(b"[1]").to_string());
    store.append(old.clone()).await.expect("appended");
    let report = verified(&store).await;
    assert_eq!((report.values_kept, report.values_erased), (0, 0));
    assert_eq!(store.query(AuditFilter::default()).await.expect("found").remove(0).event, old);
    let erased = erase(&store, erasure(|erasure| (erasure.tenant, erasure.environment) = (None, None))).await;
    assert_eq!(erased.values, 0);
}

#[tokio::test]
async fn an_erasure_that_is_too_large_stops_and_claims_no_more_than_it_did() {
    let dir = state_dir();
    let store = open(dir.path());
    fill(&store, Hash).await;
    let mut left = RECORDS * 2;
    for _ in 0..RECORDS {
        let event = AuditEvent::new(AuditKind::ValuesErased, 9_000);
        let erased = store.erase_some(event, erasure(|_| ()), 10).await.expect("erased");
        left -= erased.values;
        let report = verified(&store).await;
        assert_eq!((report.values_kept, report.values_erased), (left, RECORDS * 2 - left));
        if !erased.more {
            break;
        }
        assert!((10..=20).contains(&erased.values), "{erased:?}");
    }
    assert_eq!(left, 0);
}
