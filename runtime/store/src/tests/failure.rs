//! After the first failed write nothing is written, and everybody is told.

use airlock_model::Digest;

use super::{deployed, finished, open, releaser, revision, state_dir};
use crate::{Landing, Store, StoreError};

async fn is_poisoned(store: &Store) {
    let unavailable = |result: Result<(), StoreError>| matches!(result, Err(StoreError::Unavailable { .. }));
    assert!(unavailable(store.append(finished(7)).await.map(drop)));
    assert!(unavailable(store.enqueue(finished(7))));
    assert!(unavailable(store.deploy(revision("late", "late"), Landing::Live, releaser(), deployed()).await.map(drop)));
    assert!(unavailable(store.ready()));
}

#[tokio::test]
async fn a_failed_commit_ends_all_writing() {
    let dir = state_dir();
    let store = open(dir.path());
    // A row that refers to nothing, checked only at the commit: the commit itself fails.
    let break_commit = |tx: &mut crate::chain::Tx<'_>| {
        let sql = "PRAGMA defer_foreign_keys = ON; INSERT INTO live VALUES ('dev', 'nothing', 999);";
        tx.connection.execute_batch(sql).map_err(StoreError::sqlite("break the commit"))?;
        tx.record(&finished(1)).map(|_| ())
    };
    let error = store.write(break_commit).await.expect_err("not committed");
    assert!(matches!(&error, StoreError::Unavailable { cause } if cause.contains("commit")), "{error:?}");
    is_poisoned(&store).await;
    assert_eq!(store.head().await.expect("reads go on").seq, 0);
    drop(store);
    assert_eq!(open(dir.path()).head().await.expect("head").seq, 0, "nothing of the failed group is there");
}

#[tokio::test]
async fn a_job_that_fails_by_itself_leaves_its_neighbours_alone() {
    let dir = state_dir();
    let store = open(dir.path());
    let constraint = |tx: &mut crate::chain::Tx<'_>| {
        tx.record(&finished(2))?;
        let sql = "INSERT INTO counters (name, value) VALUES ('call_numbers_reserved', 1)";
        tx.connection.execute(sql, []).map(drop).map_err(StoreError::sqlite("insert twice"))
    };
    let before = store.append(finished(1));
    let failing = store.write(constraint);
    let missing =
        store.select((super::function("none"), super::environment("dev")), Digest::of(b""), releaser(), deployed());
    let (before, failing, missing) = (before.await, failing.await, missing.await);
    let after = store.append(finished(3)).await.expect("appended");
    assert_eq!((before.expect("appended").seq, after.seq), (1, 2), "failed jobs leave no record and no hole");
    assert!(matches!(failing, Err(StoreError::Sqlite { .. })), "{failing:?}");
    assert!(matches!(missing, Err(StoreError::NotFound { .. })), "{missing:?}");
    assert!(store.verify(None).await.expect("verified").integrity);
}

#[tokio::test]
async fn a_database_that_another_process_locks_is_waited_for() {
    let dir = state_dir();
    let store = open(dir.path());
    let other = rusqlite::Connection::open(crate::database::path(dir.path())).expect("opened");
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let append = tokio::spawn(store.append(finished(1)));
    let told = append.await.expect("ended");
    assert!(matches!(told, Err(StoreError::Held)), "callers are not kept waiting: {told:?}");
    assert!(matches!(store.ready(), Err(StoreError::Held)), "{:?}", store.ready());
    store.enqueue(finished(2)).expect("taken");
    other.execute_batch("ROLLBACK").expect("unlocked");
    while store.ready().is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(store.append(finished(3)).await.expect("written").seq, 3, "no event is lost");
    drop(store);

    let store = open(dir.path());
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    store.enqueue(finished(4)).expect("taken");
    let unlock = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(1_500));
        other.execute_batch("ROLLBACK").expect("unlocked");
    });
    drop(store);
    unlock.join().expect("unlocked");
    assert_eq!(open(dir.path()).head().await.expect("head").seq, 4, "a store that closes waits too");
}
