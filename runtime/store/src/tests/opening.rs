//! One owner, private files, and no database of another version.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use airlock_model::AuditKind;
use rusqlite::{Connection, types::Value};

use super::{child, deployed, finished, open, releaser, state_dir};
use crate::{
    AuditFilter, Store, StoreError, StoreOptions,
    chain::{Tx, kind_name},
    database,
};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("exists").permissions().mode() & 0o777
}

#[tokio::test]
async fn everything_is_private_to_the_owner() {
    let parent = state_dir();
    let dir = parent.path().join("a/state");
    let store = open(&dir);
    store.append(finished(1)).await.expect("appended");
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&dir.join("artifacts")), 0o700);
    for file in ["airlock.db", "airlock.db-wal", "airlock.db-shm", "airlock.lock", "artifact.key"] {
        assert_eq!(mode(&dir.join(file)), 0o600, "{file}");
    }
}

#[test]
fn a_second_process_is_told_who_holds_the_directory() {
    let dir = state_dir();
    let store = open(dir.path());
    let told = child::run("open", dir.path());
    assert!(told.contains("is in use by process") && told.contains(&format!("`{}`", std::process::id())), "{told}");
    drop(store);
    let told = child::run("open", dir.path());
    assert!(told.contains("opened"), "{told}");
}

#[tokio::test]
async fn reading_needs_no_lock_and_no_server() {
    let dir = state_dir();
    let store = open(dir.path());
    store.append(finished(1)).await.expect("appended");
    let beside = Store::open_read_only(dir.path()).expect("opened beside a server");
    assert_eq!(beside.query(AuditFilter::default()).await.expect("found").len(), 1);
    store.append(finished(2)).await.expect("appended");
    assert_eq!(beside.verify(None).await.expect("verified").records, 2);
    drop(store);
    drop(beside);
    let alone = Store::open_read_only(dir.path()).expect("opened without a server");
    assert_eq!(alone.verify(None).await.expect("verified").records, 2);
}

#[test]
fn reading_where_nothing_is_does_not_create_anything() {
    let dir = state_dir();
    assert!(matches!(Store::open_read_only(dir.path()), Err(StoreError::Io { .. })));
    assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 0);
}

#[tokio::test]
async fn a_server_waits_for_the_disk_and_a_benchmark_need_not() {
    let dir = state_dir();
    let setting = |name: &'static str| {
        move |tx: &mut Tx<'_>| {
            let read = |row: &rusqlite::Row<'_>| row.get::<_, Value>(0);
            tx.connection.pragma_query_value(None, name, read).map_err(StoreError::sqlite("read"))
        }
    };
    let server = Store::open(dir.path()).expect("opened");
    assert_eq!(server.write(setting("synchronous")).await.expect("read"), Value::Integer(2), "FULL");
    assert_eq!(server.write(setting("journal_mode")).await.expect("read"), Value::Text("wal".to_owned()));
    assert_eq!(server.write(setting("foreign_keys")).await.expect("read"), Value::Integer(1));
    drop(server);
    assert_eq!(open(dir.path()).write(setting("synchronous")).await.expect("read"), Value::Integer(0), "OFF");
}

#[test]
fn a_database_of_another_version_is_refused_with_advice() {
    let dir = state_dir();
    drop(open(dir.path()));
    let set = |version: i64| {
        let connection = Connection::open(database::path(dir.path())).expect("opened");
        connection.pragma_update(None, "user_version", version).expect("set");
    };
    set(99);
    for refused in [Store::open(dir.path()).err(), Store::open_read_only(dir.path()).err()] {
        let text = refused.expect("refused").to_string();
        assert!(text.contains("schema `99`") && text.contains("run the newer airlock"), "{text}");
    }
    set(0);
    let text = Store::open_read_only(dir.path()).err().expect("refused").to_string();
    assert!(text.contains("start the server of this version once"), "{text}");
    set(database::known());
    drop(open(dir.path()));
}

#[tokio::test]
async fn what_was_live_before_an_upgrade_is_live_after_it() {
    let dir = state_dir();
    let old = Connection::open(database::path(dir.path())).expect("opened");
    old.execute_batch(include_str!("../../migrations/0001_initial.sql")).expect("schema 1");
    old.execute_batch(
        "INSERT INTO functions VALUES ('order', 1);
         INSERT INTO revisions VALUES (7, 'order', 'dev', 1, zeroblob(32), zeroblob(32), zeroblob(32), 'name = \"order\"', '{}',
             '[]', 'ada', NULL, 5);
         INSERT INTO live VALUES ('dev', 'order', 7);
         PRAGMA user_version = 1;",
    )
    .expect("as the old version left it");
    drop(old);
    let store = open(dir.path());
    let live = store.all_live().await.expect("read");
    let found: Vec<_> = live.iter().map(|live| (live.revision.number, live.revision.author.as_str())).collect();
    assert_eq!(found, [(1, "ada")]);
    let subject = ("order".parse().expect("a name"), "dev".parse().expect("a name"));
    let back = store.roll_back(subject, live[0].revision.digest, releaser(), deployed());
    assert!(matches!(back.await, Err(StoreError::NotFound { .. })), "nothing is known of the time before");
}

#[test]
fn new_calls_are_refused_while_space_is_kept_for_open_ones() {
    let dir = state_dir();
    let options = StoreOptions { free_bytes_min: u64::MAX, ..StoreOptions::default() };
    let low = Store::open_with(dir.path(), options).expect("opened");
    assert!(matches!(low.ready(), Err(StoreError::DiskLow { .. })), "{:?}", low.ready());
    assert!(low.enqueue(finished(1)).is_ok(), "an open call still closes");
    drop(low);
    assert!(
        Store::open_with(dir.path(), StoreOptions { free_bytes_min: 0, ..options }).expect("opened").ready().is_ok()
    );
}

#[test]
fn kinds_have_the_same_name_in_the_column_and_in_the_body() {
    for kind in [
        AuditKind::ServerStarted,
        AuditKind::InvocationRefused,
        AuditKind::InvocationFinished,
        AuditKind::InvocationAbandoned,
        AuditKind::HostCallIntent,
        AuditKind::HostCallOutcome,
        AuditKind::FunctionDeployed,
        AuditKind::DeployRefused,
        AuditKind::ControlRefused,
    ] {
        assert_eq!(serde_json::to_value(kind).expect("a word"), kind_name(kind));
    }
}
