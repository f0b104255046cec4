//! What a connection is doing, and whether it does anything.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often a connection looks at itself.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What a connection is doing.
#[derive(Debug, Default)]
pub(super) struct Activity {
    open: AtomicUsize,
    begun: AtomicUsize,
    unsent: AtomicUsize,
    sent: AtomicUsize,
}

/// One request in progress. Dropped when its answer is ready, or for streams when it is sent.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Activity>);

impl Busy {
    pub(super) fn begin(activity: &Arc<Activity>) -> Self {
        activity.open.fetch_add(1, Relaxed);
        activity.begun.fetch_add(1, Relaxed);
        Self(Arc::clone(activity))
    }

    /// An answer of the same connection that is ready and not sent.
    pub(crate) fn unsent(&self) -> Unsent {
        self.0.unsent.fetch_add(1, Relaxed);
        Unsent { activity: Arc::clone(&self.0), is_waited_for: true }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

/// One answer that has a part to send. hyper asks for the next part only once there is room for it, so an answer that is
/// not asked waits for the client.
#[derive(Debug)]
pub(crate) struct Unsent {
    activity: Arc<Activity>,
    /// Whether the client is what it waits for; the function otherwise.
    is_waited_for: bool,
}

impl Unsent {
    /// The answer was asked for its next part, and had one or not.
    pub(crate) fn asked(&mut self, has_part: bool) {
        self.activity.sent.fetch_add(1, Relaxed);
        if self.is_waited_for != has_part {
            self.is_waited_for = has_part;
            if has_part {
                self.activity.unsent.fetch_add(1, Relaxed);
            } else {
                self.activity.unsent.fetch_sub(1, Relaxed);
            }
        }
    }
}

impl Drop for Unsent {
    fn drop(&mut self) {
        self.asked(false);
    }
}

impl Activity {
    /// Resolves when there was no request for that long.
    pub(super) async fn idle(&self, within: impl Fn() -> Duration) {
        let begun = || (self.open.load(Relaxed) == 0).then(|| self.begun.load(Relaxed));
        unchanged(begun, within).await;
    }

    /// Resolves when answers were ready for that long and the client took no part of any.
    pub(super) async fn stalled(&self, within: Duration) {
        let sent = || (self.unsent.load(Relaxed) > 0).then(|| self.sent.load(Relaxed));
        unchanged(sent, || within).await;
    }
}

/// Resolves when a value was there and the same for that long, give or take a look.
async fn unchanged(value: impl Fn() -> Option<usize>, within: impl Fn() -> Duration) {
    let mut look = interval(LOOK_EVERY.min(within()));
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut last, mut since) = (value(), Instant::now());
    loop {
        look.tick().await;
        let now = value();
        if now.is_none() || now != last {
            (last, since) = (now, Instant::now());
        } else if since.elapsed() >= within() {
            return;
        }
    }
}
