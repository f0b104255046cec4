//! Counting egress bytes against what is left of the budget.

use airlock_model::{HostError, Limit};

/// Bytes of one exchange, both ways.
#[derive(Debug)]
pub(super) struct Meter {
    left_at_start: u64,
    spent: u64,
}

impl Meter {
    pub(super) fn new(left: u64) -> Self {
        Self { left_at_start: left, spent: 0 }
    }

    /// Counts bytes.
    ///
    /// # Errors
    /// When the budget does not cover them. Then they are not counted: whoever asks first does not send, and whoever
    /// has received already counts with [`Self::received`].
    pub(super) fn spend(&mut self, bytes: u64) -> Result<(), HostError> {
        let total = self.spent.saturating_add(bytes);
        if total > self.left_at_start {
            return Err(self.exhausted(total));
        }
        self.spent = total;
        Ok(())
    }

    /// Counts bytes that have come in whether or not the budget covers them.
    ///
    /// # Errors
    /// When the budget does not cover them.
    pub(super) fn received(&mut self, bytes: u64) -> Result<(), HostError> {
        self.spent = self.spent.saturating_add(bytes);
        if self.spent > self.left_at_start { Err(self.exhausted(self.spent)) } else { Ok(()) }
    }

    /// Takes back what never left.
    pub(super) fn refund(&mut self, bytes: u64) {
        self.spent = self.spent.saturating_sub(bytes);
    }

    pub(super) fn spent(&self) -> u64 {
        self.spent
    }

    pub(super) fn left(&self) -> u64 {
        self.left_at_start.saturating_sub(self.spent)
    }

    pub(super) fn exhausted(&self, used: u64) -> HostError {
        HostError::Limit {
            limit: Limit::EgressBytes,
            configured: self.left_at_start,
            used,
            hint: "`configured` is what was left of the call's budget: ask for less, or raise `egress_bytes`"
                .to_owned(),
        }
    }
}
