//! A disk that is really full, and what happens when it is not any more.

use std::{fs, io::Write as _, path::Path, thread, time::Duration};

use super::{child, finished, intent, open, state_dir};
use crate::{AuditFilter, Landing, Store, StoreError, StoreOptions};

/// The disk that the child has.
const DISK_MIB: u32 = 24;

/// Fills the disk while calls are open, has them closed, fills what was kept for that as well, and frees the space.
pub(super) async fn fill_and_free(dir: &Path, say: fn(&str)) {
    let options = StoreOptions { free_bytes_min: 0, reserve_bytes: 4 << 20, ..StoreOptions::default() };
    let store = Store::open_with(&dir.join("state"), options).expect("opened");
    store.append(store.server_started_event(0)).await.expect("appended");
    let open_calls: Vec<u64> = (0..200).map(|_| store.next_call_number().expect("a number")).collect();
    for number in &open_calls {
        store.append(intent(*number)).await.expect("appended");
    }
    fill(&dir.join("filler"));

    // The first that finds no room is written with what was kept, and no other call begins.
    for number in &open_calls {
        store.append(finished(*number)).await.expect("an open call ends while the disk is full");
    }
    while store.ready().is_ok() {
        fill(&dir.join("filler"));
        store.append(large(1)).await.expect("there is the reserve");
    }
    assert!(matches!(store.ready(), Err(StoreError::DiskFull)), "{:?}", store.ready());
    say("full");

    // More than was kept: nothing is acknowledged that is not on disk, and what was handed over waits.
    let mut told = 0;
    while store.append(large(2)).await.is_ok() {
        told += 1;
        assert!(told < 10_000, "the disk is never full");
    }
    let refused = store.append(finished(open_calls[0])).await;
    assert!(matches!(refused, Err(StoreError::DiskFull)), "{refused:?}");
    let deploy =
        store.deploy(super::revision("late", "late"), Landing::Live, super::releaser(), super::deployed()).await;
    assert!(matches!(deploy, Err(StoreError::DiskFull)), "{deploy:?}");
    store.enqueue_closing(intent(open_calls[0])).expect("taken");
    assert!(!store.query(AuditFilter::default()).await.expect("reads go on").is_empty());

    fs::remove_file(dir.join("filler")).expect("freed");
    while let Err(error) = store.ready() {
        assert!(matches!(error, StoreError::DiskFull), "{error}");
        thread::sleep(Duration::from_millis(50));
    }
    let last =
        store.append(finished(store.next_call_number().expect("a number"))).await.expect("calls are taken again");
    let report = store.verify(None).await.expect("verified");
    // Start, intents, ends; what was acknowledged; what was not, and is there all the same.
    assert!(report.integrity && report.head.seq == last.seq, "{report:?}");
    assert!(last.seq >= 1 + 400 + told + 4, "{last:?}: an event was lost");
    drop(store);

    // A server that is started on a full disk begins, and takes calls when there is room.
    fill(&dir.join("filler"));
    let store = Store::open_with(&dir.join("state"), options).expect("opened with the room of the run before");
    fill(&dir.join("filler"));
    assert!(store.ready().is_err() || store.append(finished(1)).await.is_ok());
    fs::remove_file(dir.join("filler")).expect("freed");
    while store.ready().is_err() {
        thread::sleep(Duration::from_millis(50));
    }
    assert!(store.verify(None).await.expect("verified").integrity);
    say("whole");
}

fn large(number: u64) -> airlock_model::AuditEvent {
    let mut event = intent(number);
    event.message = Some("x".repeat(60_000));
    event
}

fn fill(path: &Path) {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path).expect("opened");
    for size in [1 << 20, 4_096, 1] {
        while file.write_all(&vec![7; size]).is_ok() {}
    }
}

#[test]
fn a_full_disk_refuses_new_calls_closes_open_ones_and_serves_again_when_space_is_freed() {
    let dir = state_dir();
    let Some(child) = child::start_on_small_disk("fill", dir.path(), DISK_MIB) else {
        println!("skipped: this user may not mount a file system in a namespace of its own");
        return;
    };
    let output = child.wait_with_output().expect("ended");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("full") && said.contains("whole"), "{said}");
}

#[tokio::test]
async fn room_that_is_kept_is_there_and_goes_with_the_next_start() {
    use std::os::unix::fs::MetadataExt as _;
    let dir = state_dir();
    let blocks = || fs::metadata(dir.path().join("airlock.reserve")).expect("a file").blocks() * 512;
    drop(open(dir.path()));
    assert!(blocks() >= 16 << 20, "{}", blocks());
    let none = StoreOptions { reserve_bytes: 0, ..StoreOptions::default() };
    let store = Store::open_with(dir.path(), none).expect("opened");
    store.ready().expect("without a reserve calls are taken too");
    assert_eq!(blocks(), 0);
}
