//! What is heard of a statement after its call has gone.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use tokio::sync::Notify;

/// What is known of a statement; anything else is that it was not sent.
const SENT: u8 = 1;
const NOT_TOLD: u8 = 2;

/// Says that a statement which its call left running has been stopped, by the word of the database itself, and whether the database
/// had been told to run it at all.
///
/// The gate keeps one end and gives the other along with the request. Nothing is said of a statement that ended by itself.
#[derive(Debug, Clone, Default)]
pub struct StopNotice(Arc<Heard>);

#[derive(Debug, Default)]
struct Heard {
    stopped: Notify,
    sent: AtomicU8,
}

impl StopNotice {
    /// Waits for the word, for ever if need be.
    pub async fn confirmed(&self) {
        self.0.stopped.notified().await;
    }

    /// Whether the database was told to run it. `Some(false)` is sure: nothing of it happened. `None` where the engine does not
    /// tell: only PostgreSQL does, once a statement has reached it.
    #[must_use]
    pub fn was_sent(&self) -> Option<bool> {
        match self.0.sent.load(Ordering::Acquire) {
            NOT_TOLD => None,
            sent => Some(sent == SENT),
        }
    }

    pub(crate) fn confirm(&self) {
        self.0.stopped.notify_one();
    }

    /// It is on its way, from now on.
    pub(crate) fn sent(&self) {
        self.0.sent.store(SENT, Ordering::Release);
    }

    /// It goes to an engine that does not tell.
    pub(crate) fn is_not_told(&self) {
        self.0.sent.store(NOT_TOLD, Ordering::Release);
    }
}
