//! Cursors of exports.

use airlock_model::Digest;

use super::{finished, open, state_dir};
use crate::{Checkpoint, ExportFailure, ExportLag, StoreError};

#[tokio::test]
async fn a_cursor_is_kept_over_restarts_and_reconfigurations() {
    let dir = state_dir();
    let store = open(dir.path());
    let cursors = store.export_cursors();
    cursors.configure(vec!["siem".to_owned(), "files".to_owned()], 5).await.expect("configured");
    let first = store.append(finished(1)).await.expect("appended");
    let second = store.append(finished(2)).await.expect("appended");
    let at = Checkpoint { seq: first.seq, hash: first.hash };
    let failure = ExportFailure { why: "no answer".to_owned(), since_unix_ms: 7 };
    cursors.failed("files", failure.clone()).await.expect("kept");
    cursors.failed("siem", failure.clone()).await.expect("kept");
    cursors.moved("siem", at, 9).await.expect("moved");
    drop(store);
    assert!(matches!(cursors.moved("siem", at, 9).await, Err(StoreError::Unavailable { .. })), "it is closed");

    let store = open(dir.path());
    store.export_cursors().configure(vec!["siem".to_owned()], 20).await.expect("configured");
    let found = store.exports().await.expect("read");
    let [files, siem] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((files.at, files.moved_unix_ms, files.configured), (Checkpoint::genesis(), 5, false));
    assert_eq!(files.failure, Some(failure));
    assert_eq!((siem.at, siem.moved_unix_ms, siem.configured, &siem.failure), (at, 9, true, &None));
    let lag = store.export_lag(siem.at.seq).await.expect("read");
    assert_eq!(lag, ExportLag { records: 1, oldest_unix_ms: Some(1_002) });
    let none = store.export_lag(second.seq).await.expect("read");
    assert_eq!(none, ExportLag { records: 0, oldest_unix_ms: None });
}

#[tokio::test]
async fn a_cursor_of_another_trail_is_seen() {
    let dir = state_dir();
    let store = open(dir.path());
    let first = store.append(finished(1)).await.expect("appended");
    let genuine = Checkpoint { seq: first.seq, hash: first.hash };
    let other = Checkpoint { seq: first.seq, hash: Digest::of(b"other") };
    let beyond = Checkpoint { seq: 2, hash: first.hash };
    for (at, passes) in [(Checkpoint::genesis(), true), (genuine, true), (other, false), (beyond, false)] {
        assert_eq!(store.passes_through(at).await.expect("asked"), passes, "{at:?}");
    }
}
