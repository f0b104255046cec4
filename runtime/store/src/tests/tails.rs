//! A log whose end is torn, cut or followed by garbage: what was committed before that is there, and the trail is whole.

use std::{fs, path::Path};

use super::{Random, finished, intent, open, state_dir};
use crate::{AuditFilter, Store, database};

/// How much of the end is cut off, step by step.
const CUT_BYTES: u64 = 160 << 10;
const SECTOR: usize = 512;

/// A directory as a crash leaves it, with the length that the log had when each record was committed.
async fn crashed(into: &Path) -> Vec<u64> {
    let dir = state_dir();
    let store = open(dir.path());
    let log = dir.path().join("airlock.db-wal");
    let mut lengths = Vec::new();
    for number in 1..=60 {
        store.enqueue(intent(number)).expect("queued");
        store.append(finished(number)).await.expect("appended");
        let length = fs::metadata(&log).expect("a log").len();
        lengths.extend([length, length]);
    }
    for name in ["airlock.db", "airlock.db-wal"] {
        fs::copy(dir.path().join(name), into.join(name)).expect("copied");
    }
    lengths
}

/// Opens a copy with another log and judges it: the last record.
async fn opened(from: &Path, log: &[u8]) -> u64 {
    let dir = state_dir();
    fs::copy(database::path(from), database::path(dir.path())).expect("copied");
    fs::write(dir.path().join("airlock.db-wal"), log).expect("written");
    let store = Store::open(dir.path()).expect("opened");
    let report = store.verify(None).await.expect("verified");
    assert!(report.integrity && report.seq_gaps.is_empty(), "{report:?}");
    let next = store.append(finished(1_000)).await.expect("the trail goes on");
    assert_eq!(next.seq, report.head.seq + 1);
    assert_eq!(
        store
            .query(AuditFilter { after_seq: Some(report.head.seq), ..AuditFilter::default() })
            .await
            .expect("read")
            .len(),
        1
    );
    report.head.seq
}

#[tokio::test]
async fn a_log_cut_off_anywhere_loses_nothing_that_was_committed_before() {
    let dir = state_dir();
    let lengths = crashed(dir.path()).await;
    let log = fs::read(dir.path().join("airlock.db-wal")).expect("a log");
    let whole = opened(dir.path(), &log).await;
    assert_eq!(whole, lengths.len() as u64);
    let mut length = log.len() as u64 / SECTOR as u64 * SECTOR as u64;
    let end = length.saturating_sub(CUT_BYTES);
    while length > end {
        let kept = lengths.iter().filter(|committed| **committed <= length).count() as u64;
        let found = opened(dir.path(), &log[..length as usize]).await;
        assert!(found >= kept, "{found} records of {kept} are left after a cut at {length}");
        length -= SECTOR as u64;
    }
}

#[tokio::test]
async fn garbage_behind_the_log_or_in_its_last_transaction_is_not_taken_for_records() {
    let dir = state_dir();
    let lengths = crashed(dir.path()).await;
    let log = fs::read(dir.path().join("airlock.db-wal")).expect("a log");
    let mut random = Random(3);
    for _ in 0..40 {
        let mut longer = log.clone();
        // What a file that was there before may have left: bytes of no meaning, or frames of the same log.
        match random.below(2) {
            0 => longer.extend((0..random.below(40_000)).map(|_| random.next().to_le_bytes()[0])),
            _ => {
                let from = random.below(log.len() as u64) as usize;
                longer.extend(&log[from..]);
            }
        }
        assert_eq!(opened(dir.path(), &longer).await, lengths.len() as u64);
        let last = lengths[lengths.len() - 3];
        let mut torn = log.clone();
        let at = last + random.below(log.len() as u64 - last);
        torn[at as usize] ^= 1 << random.below(8);
        let found = opened(dir.path(), &torn).await;
        let records = lengths.len() as u64;
        assert!((records - 2..records).contains(&found), "a bit at {at}, behind all but the last two: {found} records");
    }
}
