//! How long an exchange may take.

use std::time::Duration;

use airlock_model::{HostError, ResourceName};
use tokio::time::{Instant, timeout_at};

/// The end of an exchange, and the longest that one step of it may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    ends: Instant,
    wait_max: Duration,
    /// How long a piece may wait for a reader; `None` when nobody reads in pieces.
    unread_max: Option<Duration>,
}

impl Pace {
    /// For a response that is taken whole: `wait_max` is for all of it.
    pub(super) fn whole(deadline: Instant, wait_max: Duration) -> Self {
        Self { ends: deadline.min(Instant::now() + wait_max), wait_max, unread_max: None }
    }

    /// For a response that is taken in pieces: `wait_max` is for its head and for each of them, `unread_max` for whoever reads
    /// them to ask for the next.
    pub(super) fn pieces(deadline: Instant, wait_max: Duration, unread_max: Duration) -> Self {
        Self { ends: deadline, wait_max, unread_max: Some(unread_max) }
    }

    /// When a response that is not read on from now is given up: with the call at the latest.
    pub(super) fn unread_ends(&self) -> Option<Instant> {
        self.unread_max.map(|unread_max| self.ends.min(Instant::now() + unread_max))
    }

    /// When a step that begins now ends at the latest.
    pub(super) fn step_ends(&self) -> Instant {
        self.ends.min(Instant::now() + self.wait_max)
    }

    /// Whether something can still begin after a pause.
    pub(super) fn allows(&self, pause: Duration) -> bool {
        Instant::now() + pause < self.ends
    }

    /// Waits for one step.
    ///
    /// # Errors
    /// `Timeout` when it takes too long.
    pub(super) async fn step<F: Future>(&self, resource: &ResourceName, step: F) -> Result<F::Output, HostError> {
        timeout_at(self.step_ends(), step)
            .await
            .map_err(|_| HostError::Timeout(format!("`{resource}` did not answer in time")))
    }
}
