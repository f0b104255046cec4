//! Bytes over the network, counted for a whole call.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// What a call may send and receive, shared by everything that it has under way at the same time: two requests never get
/// the same byte.
#[derive(Debug, Clone)]
pub struct EgressBudget(Arc<Account>);

#[derive(Debug)]
struct Account {
    max: u64,
    used: AtomicU64,
}

impl EgressBudget {
    /// Of so many bytes, both ways together.
    #[must_use]
    pub fn new(max: u64) -> Self {
        Self(Arc::new(Account { max, used: AtomicU64::new(0) }))
    }

    /// Bytes that have crossed the network.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.0.used.load(Relaxed)
    }

    /// What is left.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.0.max.saturating_sub(self.used())
    }

    pub(crate) fn max(&self) -> u64 {
        self.0.max
    }

    /// Takes all of it, or nothing and gives what it would have come to.
    pub(crate) fn take(&self, bytes: u64) -> Result<(), u64> {
        let taken = |used: u64| used.checked_add(bytes).filter(|total| *total <= self.0.max);
        let used = self.0.used.fetch_update(Relaxed, Relaxed, taken);
        used.map(drop).map_err(|used| used.saturating_add(bytes))
    }

    /// Counts what has come in already, and gives what it comes to when that is too much.
    pub(crate) fn spend(&self, bytes: u64) -> Result<(), u64> {
        let total = self.0.used.fetch_add(bytes, Relaxed).saturating_add(bytes);
        if total > self.0.max { Err(total) } else { Ok(()) }
    }

    /// Takes back what was taken and never left.
    pub(crate) fn give_back(&self, bytes: u64) {
        self.0.used.fetch_sub(bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_way_at_the_same_time_shares_one_budget() {
        let budget = EgressBudget::new(10);
        let (one, other) = (budget.clone(), budget.clone());
        assert_eq!((one.take(6), other.take(5)), (Ok(()), Err(11)));
        assert_eq!(budget.left(), 4, "what is refused is not taken");
        one.give_back(6);
        assert_eq!((other.spend(10), budget.left()), (Ok(()), 0));
        // What has come in counts whether or not there was room for it.
        assert_eq!((one.spend(1), budget.used()), (Err(11), 11));
    }
}
