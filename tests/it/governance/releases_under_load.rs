//! What is live changes all the time while functions are called, and no call notices.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use airlock_tests::{Harness, output, tokens::TokenSpec};

use super::{deploy_number, digest, promote, releaser, rollback, stages};

/// Promotions and rollbacks, each; a whole campaign sets 1000.
fn rounds() -> u32 {
    airlock_service::config::process_environment("AIRLOCK_PROMOTIONS")
        .map_or(25, |text| text.parse().expect("a number"))
}

/// Calls without end until told; every answer is one of the two numbers.
async fn caller(harness: Arc<Harness>, stop: Arc<AtomicBool>, answered: Arc<AtomicU64>) {
    let spec = TokenSpec::everything().environment("stage");
    while !stop.load(SeqCst) {
        let answer = harness.invoke_as(&spec, "count", "null").await.expect("every call is answered");
        assert!([1, 2].contains(&output(&answer).as_u64().unwrap_or_default()), "{answer:?}");
        answered.fetch_add(1, SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promotions_and_rollbacks_fail_no_call() {
    let harness = Arc::new(stages().await);
    let one = digest(deploy_number(&harness, "count", 1).await.revision.as_ref());
    let spec = releaser("stage");
    promote(&harness, &spec, ("count", "dev"), 0).await.expect("promoted");
    let two = digest(deploy_number(&harness, "count", 2).await.revision.as_ref());
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let callers: Vec<_> =
        (0..4).map(|_| tokio::spawn(caller(Arc::clone(&harness), Arc::clone(&stop), Arc::clone(&answered)))).collect();
    for round in 0..rounds() {
        let promoted =
            promote(&harness, &spec, ("count", "dev"), 0).await.unwrap_or_else(|why| panic!("{round}: {why}"));
        assert_eq!(digest(promoted.revision.as_ref()), two);
        let back = rollback(&harness, &spec, "count", "").await.unwrap_or_else(|why| panic!("{round}: {why}"));
        assert_eq!(digest(back.live_revision.as_ref()), one);
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    stop.store(true, SeqCst);
    for caller in callers {
        caller.await.expect("no call failed");
    }
    let calls = answered.load(SeqCst);
    println!("{} promotions and as many rollbacks beside {calls} calls: 0 failed", rounds());
    assert!(calls > 0);
}
