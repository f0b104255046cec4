//! Checkpoints: kept, and what they prove.

use airlock_model::Digest;

use super::{finished, intent, open, state_dir};
use crate::{BadRecord, Checkpoint, Fault, KeptCheckpoint, Store, StoreError};

async fn kept(store: &Store) -> Vec<KeptCheckpoint> {
    let found = store.checkpoints().await.expect("read");
    found.into_iter().map(|kept| kept.expect("one that can be read")).collect()
}

fn signed(text: &str) -> impl FnOnce(Checkpoint) -> Option<String> + Send + use<> {
    let text = text.to_owned();
    move |at| Some(format!("{text} {}", at.seq))
}

#[tokio::test]
async fn one_is_kept_for_each_record() {
    let dir = state_dir();
    let store = open(dir.path());
    let checkpointer = store.checkpointer();
    let empty = checkpointer.make(1, signed("empty")).await.expect("made").expect("signed");
    assert_eq!((empty.at, empty.signed.as_str()), (Checkpoint::genesis(), "empty 0"));
    let appended = store.append(finished(1)).await.expect("appended");
    checkpointer.make(2, signed("first")).await.expect("made");
    let idle = checkpointer.make(3, signed("idle")).await.expect("made").expect("signed");
    assert_eq!((idle.at.seq, idle.at.hash, idle.time_unix_ms), (appended.seq, appended.hash, 3));
    assert_eq!(checkpointer.make(4, |_| None).await.expect("asked"), None);
    assert_eq!(kept(&store).await, [empty, idle.clone()]);
    let sql = "INSERT INTO checkpoints (seq, hash, time_unix_ms, signed) VALUES (7, x'00', 1, 'odd')";
    let write = move |tx: &mut crate::chain::Tx<'_>| {
        tx.connection.execute_batch(sql).map_err(StoreError::sqlite("write an odd row"))
    };
    store.write(write).await.expect("written");
    let found = store.checkpoints().await.expect("read");
    assert_eq!((found[1].clone(), found[2].clone()), (Ok(idle), Err(7)), "one that cannot be read is named");
    drop(store);
    let closed = checkpointer.make(5, signed("late")).await;
    assert!(matches!(closed, Err(StoreError::Unavailable { .. })), "{closed:?}");
}

#[tokio::test]
async fn the_oldest_go() {
    let dir = state_dir();
    let store = open(dir.path());
    let checkpointer = store.checkpointer();
    let mut last = 0;
    for number in 1..=1_460 {
        let appended = store.append(finished(number));
        let made = checkpointer.make(number, signed("later"));
        if number == 1_460 {
            appended.await.expect("appended");
            last = made.await.expect("made").expect("signed").at.seq;
        } else {
            // Queued in this order, whoever waits.
            drop((appended, made));
        }
        if number.is_multiple_of(500) {
            store.append(intent(number)).await.expect("appended");
        }
    }
    let found = kept(&store).await;
    assert_eq!((found.len(), found[1_439].at.seq), (1_440, last));
}

#[tokio::test]
async fn every_checkpoint_has_to_agree() {
    let dir = state_dir();
    let store = open(dir.path());
    let mut points = vec![Checkpoint::genesis()];
    for number in 1..=9 {
        let appended = store.append(finished(number)).await.expect("appended");
        points.push(Checkpoint { seq: appended.seq, hash: appended.hash });
    }
    let whole = store.verify(points.clone()).await.expect("verified");
    assert!(whole.integrity && whole.whole_to == 9, "{whole:?}");
    let part = store.verify(points[..4].to_vec()).await.expect("verified");
    assert!(part.integrity && part.whole_to == 9, "{part:?}");
    for (seq, why) in [(0, Fault::Rewritten), (5, Fault::Rewritten), (9, Fault::Rewritten), (10, Fault::CutOff)] {
        let other = Checkpoint { seq, hash: Digest::of(b"of another trail") };
        let report = store.verify(points.iter().copied().chain([other])).await.expect("verified");
        let bad = BadRecord { seq: i64::try_from(seq).expect("small"), why };
        assert_eq!((report.integrity, report.first_bad, report.bad_records), (false, Some(bad), 1));
        assert_eq!(report.whole_to, seq.saturating_sub(1), "what stands before the fault");
    }
}
