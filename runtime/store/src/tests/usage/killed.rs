//! Usage after kills: nothing is lost and nothing counts twice.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    sync::Arc,
};

use super::{Random, open, random, recount, state_dir};
use crate::{Store, tests::child};

/// The child: random records until it is killed, with many keys, so that it folds all the time.
pub(in crate::tests) async fn use_until_killed(dir: &Path, say: fn(&str)) {
    let store = Arc::new(Store::open(dir).expect("opened"));
    let mut random = Random(store.server_started_event(0).call_number.expect("a number"));
    loop {
        let number = store.next_call_number().expect("a number");
        let next = random::event(&mut random, number);
        if random.below(4) > 0 {
            store.enqueue(next).expect("queued");
        } else {
            let appended = store.append(next).await.expect("appended");
            say(&appended.seq.to_string());
        }
    }
}

#[tokio::test]
async fn a_kill_at_any_moment_loses_no_usage_and_counts_none_twice() {
    let (dir, mut random) = (state_dir(), Random(5));
    let mut folded = 0;
    for kill in 0..12 {
        let mut process = child::start("use", dir.path());
        let mut said = BufReader::new(process.stderr.take().expect("piped"));
        let mut text = String::new();
        for _ in 0..1 + random.below(80) {
            assert!(said.read_line(&mut text).expect("read") > 0, "the child ended early: {text}");
        }
        process.kill().expect("killed");
        process.wait().expect("reaped");
        // As the kill left it, and then as the next start makes it.
        let reader = Store::open_read_only(dir.path()).expect("opened");
        random::assert_equal(&reader).await;
        let left = recount(&reader).await;
        assert_eq!((left.differences, left.first), (0, Vec::new()), "kill {kill}");
        folded = folded.max(left.through_seq);
        drop(reader);
        let store = open(dir.path());
        random::assert_equal(&store).await;
        let after = recount(&store).await;
        assert_eq!((after.differences, after.first), (0, Vec::new()), "kill {kill}");
        assert!(after.through_seq >= left.through_seq);
    }
    assert!(folded > 0, "some kill met rows and records behind them");
}
