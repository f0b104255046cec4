//! SQLite's own opinion: `sqlite3_stmt_readonly` of every statement in the corpus.

use airlock_analysis::{Dialect, classify};
use airlock_model::StatementClass;
use rusqlite::Connection;

use crate::sqlite_corpus::{CHANGES, READS, SCHEMA};

fn sample() -> Connection {
    let database = Connection::open_in_memory().expect("in memory");
    database.execute_batch(SCHEMA).expect("the sample schema");
    database
}

/// Whether SQLite says that the statement changes the database; none when it does not prepare.
fn sqlite_changes(database: &Connection, text: &str) -> Option<bool> {
    database.prepare(text).ok().map(|statement| !statement.readonly())
}

fn is_read(text: &str) -> bool {
    classify(Dialect::Sqlite, text).map(|report| report.class) == Ok(StatementClass::Read)
}

#[test]
fn no_statement_that_sqlite_calls_a_change_is_a_read() {
    let database = sample();
    let (mut prepared, mut changing) = (0, 0);
    for text in READS.iter().chain(CHANGES) {
        let Some(changes) = sqlite_changes(&database, text) else { continue };
        prepared += 1;
        changing += usize::from(changes);
        assert!(!(changes && is_read(text)), "SQLite says this changes the database: {text}");
    }
    println!("{} statements, SQLite prepared {prepared}, {changing} of them change", READS.len() + CHANGES.len());
    assert!(READS.len() + CHANGES.len() >= 200 && changing >= 50, "{prepared} prepared, {changing} change");
}

#[test]
fn changes_and_escapes_are_never_reads() {
    let wrong: Vec<_> = CHANGES.iter().filter(|text| is_read(text)).collect();
    assert_eq!(wrong, Vec::<&&str>::new());
}

#[test]
fn every_plain_read_that_sqlite_accepts_is_a_read() {
    let database = sample();
    let mut refused = Vec::new();
    let mut accepted: u32 = 0;
    for text in READS.iter().filter(|text| sqlite_changes(&database, text) == Some(false)) {
        match classify(Dialect::Sqlite, text) {
            Ok(report) if report.class == StatementClass::Read => accepted += 1,
            other => refused.push(format!("{text}: {other:?}")),
        }
    }
    println!("{accepted} of {} reads accepted; refused: {refused:#?}", READS.len());
    assert!(accepted >= 95, "{refused:#?}");
}
