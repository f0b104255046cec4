//! Artifacts come back as they were written by this host, or not at all.

use std::{
    fs,
    path::{Path, PathBuf},
};

use airlock_model::Digest;

use super::{open, state_dir};
use crate::{ArtifactKind, StoreError};

const KINDS: [ArtifactKind; 2] = [ArtifactKind::Component, ArtifactKind::Compiled];

fn altered<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::ArtifactAltered { .. }))
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let shelves = fs::read_dir(dir.join("artifacts")).expect("listed").map(|shelf| shelf.expect("entry").path());
    shelves.flat_map(|shelf| fs::read_dir(shelf).expect("listed").map(|file| file.expect("entry").path())).collect()
}

#[tokio::test]
async fn artifacts_come_back_whole_also_after_a_restart() {
    let dir = state_dir();
    let bytes = vec![7; 100_000];
    for kind in KINDS {
        let digest = open(dir.path()).put_artifact(kind, bytes.clone()).await.expect("stored");
        assert_eq!(digest, Digest::of(&bytes));
        let store = open(dir.path());
        assert_eq!(store.read_artifact(kind, digest).await.expect("read"), bytes);
        let path = store.artifact_path(kind, digest).await.expect("verified");
        assert_eq!(fs::read(path).expect("mapped"), bytes);
        assert_eq!(store.put_artifact(kind, bytes.clone()).await.expect("stored once"), digest);
    }
    assert_eq!(files(dir.path()).len(), 3, "one component, one compiled form, one seal: {:?}", files(dir.path()));
}

#[tokio::test]
async fn altered_bytes_are_refused_and_can_be_replaced() {
    let dir = state_dir();
    let store = open(dir.path());
    for kind in KINDS {
        let digest = store.put_artifact(kind, b"genuine".to_vec()).await.expect("stored");
        let path = store.artifact_path(kind, digest).await.expect("verified");
        fs::write(&path, b"altered").expect("altered");
        assert!(altered(&store.read_artifact(kind, digest).await), "{kind}");
        assert!(altered(&store.artifact_path(kind, digest).await), "{kind}: verified once, then written to");
        store.put_artifact(kind, b"genuine".to_vec()).await.expect("stored anew");
        assert_eq!(store.read_artifact(kind, digest).await.expect("read"), b"genuine");
    }
}

#[tokio::test]
async fn native_code_that_this_host_did_not_write_is_refused() {
    let (here, there) = (state_dir(), state_dir());
    let code = b"native code".to_vec();
    let digest = open(there.path()).put_artifact(ArtifactKind::Compiled, code.clone()).await.expect("stored");
    let store = open(here.path());
    let shelf = here.path().join("artifacts").join(&digest.to_string()[..2]);
    fs::create_dir_all(&shelf).expect("created");
    for file in files(there.path()) {
        fs::copy(&file, shelf.join(file.file_name().expect("a name"))).expect("copied");
    }
    assert!(altered(&store.read_artifact(ArtifactKind::Compiled, digest).await), "sealed by another host");
    fs::remove_file(shelf.join(format!("{digest}.cwasm.seal"))).expect("removed");
    assert!(altered(&store.artifact_path(ArtifactKind::Compiled, digest).await), "the digest alone is not enough");

    let other = store.put_artifact(ArtifactKind::Compiled, b"other code".to_vec()).await.expect("stored");
    let other_path = store.artifact_path(ArtifactKind::Compiled, other).await.expect("verified");
    fs::copy(&other_path, shelf.join(format!("{digest}.cwasm"))).expect("copied");
    fs::copy(other_path.with_extension("cwasm.seal"), shelf.join(format!("{digest}.cwasm.seal"))).expect("copied");
    assert!(altered(&store.read_artifact(ArtifactKind::Compiled, digest).await), "genuine, but of another name");
    store.put_artifact(ArtifactKind::Compiled, code).await.expect("compiled here");
    assert!(store.read_artifact(ArtifactKind::Compiled, digest).await.is_ok());
}

#[tokio::test]
async fn what_is_not_stored_is_missing() {
    let dir = state_dir();
    let store = open(dir.path());
    for kind in KINDS {
        let missing = store.read_artifact(kind, Digest::of(b"nothing")).await;
        assert!(matches!(missing, Err(StoreError::ArtifactMissing { .. })), "{missing:?}");
    }
}

#[tokio::test]
async fn leftovers_of_a_crash_are_swept_and_artifacts_stay() {
    let dir = state_dir();
    let digest = open(dir.path()).put_artifact(ArtifactKind::Component, b"kept".to_vec()).await.expect("stored");
    let kept = files(dir.path());
    let leftover = kept[0].with_extension("wasm.123-0.tmp");
    fs::write(&leftover, b"half").expect("left over");
    let store = open(dir.path());
    assert_eq!(files(dir.path()), kept);
    assert_eq!(store.read_artifact(ArtifactKind::Component, digest).await.expect("read"), b"kept");
}
