//! Every change to a stored trail is found.

use airlock_model::Digest;
use rusqlite::Connection;

use super::{Random, deployed, finished, intent, open, state_dir};
use crate::{
    Checkpoint, VerifyReport,
    chain::link,
    database,
    retention::Start,
    verify::{CHUNK, Verifier},
};

const RECORDS: u64 = 64;
const TAMPERS: u64 = 10_000;

pub(super) fn judge(connection: &Connection, checkpoint: Checkpoint) -> VerifyReport {
    let mut verifier = Verifier::new(Start::of(connection).expect("a start"), [checkpoint]);
    loop {
        let (next, more) = verifier.read_chunk(connection).expect("read");
        if !more {
            return next.report();
        }
        verifier = next;
    }
}

async fn trail() -> (tempfile::TempDir, Connection, Checkpoint) {
    let dir = state_dir();
    let store = open(dir.path());
    for number in 1..=RECORDS / 2 {
        store.enqueue(intent(number)).expect("queued");
        store.append(finished(number)).await.expect("appended");
    }
    let head = store.head().await.expect("head");
    drop(store);
    let connection = Connection::open(database::path(dir.path())).expect("opened");
    (dir, connection, head)
}

#[tokio::test]
async fn an_untouched_trail_verifies() {
    let (_dir, connection, head) = trail().await;
    let report = judge(&connection, head);
    assert!(report.integrity && report.calls.complete, "{report:?}");
    assert_eq!((report.records, report.head, report.calls.finished), (RECORDS, head, RECORDS / 2));
    assert_eq!(report.whole_to, RECORDS);
}

#[tokio::test]
async fn every_one_of_10_000_random_tampers_is_found() {
    let (_dir, mut connection, head) = trail().await;
    let mut random = Random(7);
    for case in 0..TAMPERS {
        let transaction = connection.transaction().expect("begun");
        let what = tamper(&transaction, &mut random);
        let report = judge(&transaction, head);
        assert!(!report.integrity, "case {case}: {what} went unnoticed: {report:?}");
        assert!(report.first_bad.is_some() && report.bad_records > 0, "case {case}: {what}");
    }
    assert!(judge(&connection, head).integrity, "every tamper was undone");
}

/// Changes the trail at random and says how.
fn tamper(connection: &Connection, random: &mut Random) -> String {
    let seq = 1 + random.below(RECORDS) as i64;
    let other = 1 + (seq + random.below(RECORDS - 1) as i64) % RECORDS as i64;
    let run = |sql: &str| {
        let changed = connection.execute(sql, []).unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert!(changed > 0, "{sql} changed nothing");
        sql.to_owned()
    };
    match random.below(16) {
        0 => {
            let mut body: Vec<u8> = read(connection, "body", seq).into_bytes();
            let at = random.below(body.len() as u64) as usize;
            body[at] ^= 1 << random.below(7);
            let sql = "UPDATE audit SET body = CAST(?1 AS TEXT) WHERE seq = ?2";
            assert_eq!(connection.execute(sql, (&body, seq)).expect("changed"), 1);
            format!("byte {at} of the body of {seq}")
        }
        1 => {
            let (a, b) = (read(connection, "body", seq), read(connection, "body", other));
            let sql = "UPDATE audit SET body = ?1 WHERE seq = ?2";
            connection.execute(sql, (&b, seq)).and_then(|_| connection.execute(sql, (&a, other))).expect("swapped");
            format!("bodies of {seq} and {other} swapped")
        }
        2 => {
            let sql = "UPDATE audit SET seq = ?1 WHERE seq = ?2";
            for (to, from) in [(-1, seq), (seq, other), (other, -1)] {
                assert_eq!(connection.execute(sql, (to, from)).expect("renumbered"), 1);
            }
            format!("rows {seq} and {other} swapped")
        }
        3 => run(&format!("DELETE FROM audit WHERE seq = {seq}")),
        4 => {
            let forged = Digest::of(&random.next().to_le_bytes());
            let sql = "UPDATE audit SET hash = ?1 WHERE seq = ?2";
            assert_eq!(connection.execute(sql, (forged.as_bytes(), seq)).expect("changed"), 1);
            format!("hash of {seq}")
        }
        5 => run(&format!("DELETE FROM audit WHERE seq >= {seq}")),
        6 => run(&format!("UPDATE audit SET time_unix_ms = time_unix_ms + 1 WHERE seq = {seq}")),
        7 => run(&format!("UPDATE audit SET kind = 'server_started' WHERE seq = {seq}")),
        8 => run(&format!("UPDATE audit SET invocation = 'other' WHERE seq = {seq}")),
        9 => run(&format!("UPDATE audit SET function = NULL WHERE seq = {seq}")),
        10 => run(&format!(
            "INSERT INTO audit SELECT -seq, time_unix_ms, kind, invocation, function, hash, body FROM audit WHERE seq = {seq}"
        )),
        11..15 => put_in(connection, seq, random),
        _ => {
            let body = read(connection, "body", seq).replace("odd", "eve").replace("even", "odd");
            forge_from(connection, seq, &body);
            format!("{seq} changed and every hash from there on computed anew")
        }
    }
}

/// Puts what was never written there into the trail, and says how.
fn put_in(connection: &Connection, seq: i64, random: &mut Random) -> String {
    match random.below(4) {
        0 => {
            // All behind it moves on by one, and it stands there twice.
            connection.execute("UPDATE audit SET seq = -seq WHERE seq >= ?1", [seq]).expect("moved away");
            connection.execute("UPDATE audit SET seq = 1 - seq WHERE seq < 0", []).expect("moved on");
            let sql = format!(
                "INSERT INTO audit SELECT {seq}, time_unix_ms, kind, invocation, function, hash, body FROM audit WHERE seq = {}",
                seq + 1
            );
            assert_eq!(connection.execute(&sql, []).expect("inserted"), 1);
            format!("{seq} stands there twice, and all behind it moved on")
        }
        1 => {
            let (body, hash, number) = stranger(seq as u64, random);
            let sql = "UPDATE audit SET body = ?1, hash = ?2, time_unix_ms = 1000 + ?3, kind = 'invocation_finished', \
                       invocation = 'invocation-' || ?3, function = iif(?3 % 2, 'odd', 'even') WHERE seq = ?4";
            connection.execute(sql, (body, hash.as_bytes(), number as i64, seq)).expect("spliced");
            format!("{seq} is one of another trail, with its hash there")
        }
        2 => {
            // The end of another trail, whose hashes follow from each other.
            let mut hash = Digest::of(&random.next().to_le_bytes());
            for seq in seq..=RECORDS as i64 {
                hash = link(seq as u64, &hash, read(connection, "body", seq).as_bytes());
                let sql = "UPDATE audit SET hash = ?1 WHERE seq = ?2";
                connection.execute(sql, (hash.as_bytes(), seq)).expect("changed");
            }
            format!("from {seq} on the end of another trail")
        }
        _ => {
            let forged = forge_all(connection, random);
            format!("another trail altogether: {forged}")
        }
    }
}

/// A record as another trail has it at that place: its body, its hash and its call number.
fn stranger(seq: u64, random: &mut Random) -> (String, Digest, u64) {
    let number = 1 + random.below(RECORDS);
    let body = serde_json::to_string(&finished(number)).expect("an event");
    let hash = link(seq, &Digest::of(&random.next().to_le_bytes()), body.as_bytes());
    (body, hash, number)
}

/// Another trail, whole from its beginning, that somebody puts in the place of this one.
fn forge_all(connection: &Connection, random: &mut Random) -> String {
    let body = read(connection, "body", 1).replace("1001", &format!("1{:03}", random.below(900) + 99));
    forge_from(connection, 1, &body);
    body
}

fn read(connection: &Connection, column: &str, seq: i64) -> String {
    let sql = format!("SELECT {column} FROM audit WHERE seq = ?1");
    connection.query_row(&sql, [seq], |row| row.get(0)).expect("read")
}

/// What an attacker does who knows how the chain is made; only a checkpoint kept elsewhere shows it.
fn forge_from(connection: &Connection, from: i64, body: &str) {
    connection.execute("UPDATE audit SET body = ?1 WHERE seq = ?2", (body, from)).expect("changed");
    let before = "SELECT hash FROM audit WHERE seq = ?1";
    let mut hash = match connection.query_row(before, [from - 1], |row| row.get::<_, [u8; 32]>(0)) {
        Ok(bytes) => Digest::from_bytes(bytes),
        Err(_) => Checkpoint::genesis().hash,
    };
    for seq in from..=RECORDS as i64 {
        hash = link(seq as u64, &hash, read(connection, "body", seq).as_bytes());
        connection.execute("UPDATE audit SET hash = ?1 WHERE seq = ?2", (hash.as_bytes(), seq)).expect("changed");
    }
}

#[tokio::test]
async fn a_long_trail_is_read_in_chunks_without_losing_a_record() {
    let dir = state_dir();
    let store = open(dir.path());
    let records = u64::from(CHUNK) * 2;
    for number in 1..records {
        store.enqueue(finished(number)).expect("queued");
    }
    store.append(deployed()).await.expect("appended");
    let report = store.verify(None).await.expect("verified");
    assert_eq!((report.integrity, report.records, report.calls.finished), (true, records, records - 1));
}
