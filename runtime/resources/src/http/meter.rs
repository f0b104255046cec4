//! Counting egress bytes against what is left of the budget.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
};

use airlock_model::{HostError, Limit};

use crate::{EgressBudget, Traffic};

/// Bytes of one exchange, both ways. Whoever began it and whoever reads the body look at the same one.
#[derive(Debug)]
pub(crate) struct Meter {
    budget: EgressBudget,
    sent: AtomicU64,
    received: AtomicU64,
    attempts: AtomicU32,
    hosts: Mutex<Vec<String>>,
}

impl Meter {
    pub(crate) fn new(budget: EgressBudget) -> Self {
        Self {
            budget,
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            attempts: AtomicU32::new(0),
            hosts: Mutex::default(),
        }
    }

    /// Counts bytes that are about to leave.
    ///
    /// # Errors
    /// When the budget does not cover them. Then they are not counted, and must not leave.
    pub(super) fn send(&self, bytes: u64) -> Result<(), HostError> {
        self.budget.take(bytes).map_err(|total| self.exhausted(total))?;
        self.sent.fetch_add(bytes, Relaxed);
        Ok(())
    }

    /// Counts bytes that have come in whether or not the budget covers them.
    ///
    /// # Errors
    /// When the budget does not cover them.
    pub(super) fn receive(&self, bytes: u64) -> Result<(), HostError> {
        self.received.fetch_add(bytes, Relaxed);
        self.budget.spend(bytes).map_err(|total| self.exhausted(total))
    }

    /// Takes back what never left.
    pub(super) fn refund(&self, bytes: u64) {
        self.sent.fetch_sub(bytes, Relaxed);
        self.budget.give_back(bytes);
    }

    /// Counts a request that is sent, whether or not it arrives.
    pub(super) fn attempted(&self) {
        self.attempts.fetch_add(1, Relaxed);
    }

    /// Notes where the exchange went.
    pub(super) fn visited(&self, host: String) {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner).push(host);
    }

    /// What the trail keeps.
    pub(crate) fn traffic(&self) -> Traffic {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Traffic {
            hosts,
            attempts: self.attempts.load(Relaxed),
            sent_bytes: self.sent(),
            received_bytes: self.received(),
        }
    }

    /// Bytes that have left.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    /// Bytes that have come in.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    pub(crate) fn spent(&self) -> u64 {
        self.sent().saturating_add(self.received())
    }

    pub(super) fn left(&self) -> u64 {
        self.budget.left()
    }

    pub(super) fn exhausted(&self, used: u64) -> HostError {
        HostError::Limit {
            limit: Limit::EgressBytes,
            configured: self.budget.max(),
            used,
            hint: "ask for less, or raise `egress_bytes`".to_owned(),
        }
    }
}
