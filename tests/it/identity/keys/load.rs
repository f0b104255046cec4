//! Rotation while calls go on and on.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

use super::*;

/// Calls as a platform makes them: each with a fresh token, signed with the key that it signs with at that moment.
struct Load {
    signing: Mutex<Arc<SigningKey>>,
    /// Every key that is published now.
    published: Mutex<Vec<&'static str>>,
    over: AtomicBool,
    calls: AtomicUsize,
    with_new: AtomicUsize,
    refused: Mutex<Vec<String>>,
}

impl Load {
    fn with(key: &Arc<SigningKey>) -> Arc<Self> {
        Arc::new(Self {
            signing: Mutex::new(Arc::clone(key)),
            published: Mutex::new(vec!["old"]),
            over: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
            with_new: AtomicUsize::new(0),
            refused: Mutex::default(),
        })
    }

    fn is_published(&self, kid: &str) -> bool {
        self.published.lock().expect("lock").contains(&kid)
    }

    async fn run(self: Arc<Self>, harness: Arc<Harness>) {
        while !self.over.load(SeqCst) {
            let key = Arc::clone(&self.signing.lock().expect("lock"));
            let was_published = self.is_published(key.key_id());
            let answer = call(&harness, &token(PROVIDER, &key)).await;
            self.calls.fetch_add(1, SeqCst);
            if key.key_id() == "new" && answer == "ok" {
                self.with_new.fetch_add(1, SeqCst);
            }
            // A token whose key was taken away while it was under way is refused rightly.
            if answer != "ok" && was_published && self.is_published(key.key_id()) {
                self.refused.lock().expect("lock").push(format!("{}: {answer}", key.key_id()));
            }
        }
    }

    async fn until(&self, what: impl Fn(&Self) -> usize, count: usize) {
        while what(self) < count {
            assert!(self.refused.lock().expect("lock").is_empty(), "{:?}", self.refused);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Rotates from `old` to `new` while eight callers call. The platform signs with `new` from the moment that it is published.
async fn rotate_under_load(with_overlap: bool) {
    let (old, new) = (Arc::new(ed("old")), Arc::new(ed("new")));
    let publisher = Publisher::of(&[&old]).await;
    let harness = Arc::new(trusting(publisher.issuer(PROVIDER, "")).await);
    let load = Load::with(&old);
    let run = |_| tokio::spawn(Arc::clone(&load).run(Arc::clone(&harness)));
    let callers: Vec<_> = (0..8).map(run).collect();
    load.until(|load| load.calls.load(SeqCst), 100).await;
    if with_overlap {
        publisher.publish_late(&[&old, &new]);
        *load.published.lock().expect("lock") = vec!["old", "new"];
    } else {
        *load.published.lock().expect("lock") = vec!["new"];
        publisher.publish_late(&[&new]);
    }
    *load.signing.lock().expect("lock") = Arc::clone(&new);
    load.until(|load| load.with_new.load(SeqCst), 200).await;
    load.over.store(true, SeqCst);
    for caller in callers {
        caller.await.expect("a caller");
    }
    let refused = load.refused.lock().expect("lock").clone();
    assert!(refused.is_empty(), "{refused:?}");
    assert!(load.calls.load(SeqCst) >= 300);
    assert_eq!(publisher.asked(), 2, "at start, and once for the new key");
    // Whether the old key is still good is what the publisher says.
    let expected = if with_overlap { "ok" } else { "token_invalid" };
    assert_eq!(call(&harness, &token(PROVIDER, &old)).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_with_overlap_refuses_nobody() {
    rotate_under_load(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_without_overlap_refuses_nobody() {
    rotate_under_load(false).await;
}
