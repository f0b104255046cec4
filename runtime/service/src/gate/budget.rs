//! What is left of a call's budgets for host calls.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use airlock_model::{EffectiveLimits, Failure, HostCall, HostError, HostReply, Limit, Usage};
use airlock_resources::{EgressBudget, Performed, Permitted};

use super::plan::Act;

/// Counters of one call. Host calls of one guest may overlap, so they are atomic.
pub(crate) struct Budget {
    limits: EffectiveLimits,
    host_calls: AtomicU64,
    host_bytes: AtomicU64,
    log_bytes: AtomicU64,
    egress_requests: AtomicU64,
    egress: EgressBudget,
    result_rows: AtomicU64,
}

impl Budget {
    pub(crate) fn new(limits: EffectiveLimits) -> Self {
        let egress = EgressBudget::new(limits.get(Limit::EgressBytes));
        Self {
            limits,
            host_calls: AtomicU64::new(0),
            host_bytes: AtomicU64::new(0),
            log_bytes: AtomicU64::new(0),
            egress_requests: AtomicU64::new(0),
            egress,
            result_rows: AtomicU64::new(0),
        }
    }

    /// The limits in force, for caps that bind one result and not the whole call.
    pub(super) fn limits(&self) -> &EffectiveLimits {
        &self.limits
    }

    /// Takes what a call to a resource costs before it is looked at: one call and its bytes.
    pub(crate) fn charge_call(&self, call: &HostCall) -> Result<(), HostError> {
        self.charge(Limit::HostCalls, &self.host_calls, 1)?;
        self.charge(Limit::HostBytes, &self.host_bytes, call.size_bytes())
    }

    /// Takes what a permitted call costs besides: one request if it leaves the host.
    pub(super) fn charge_act(&self, act: &Act) -> Result<(), HostError> {
        match act {
            Act::Alone(Permitted::Http(_) | Permitted::Graphql(_))
            | Act::Open(_)
            | Act::Complete(..)
            | Act::CompleteInPieces(..) => self.charge(Limit::EgressRequests, &self.egress_requests, 1),
            Act::Alone(Permitted::Sql(_) | Permitted::Kv(_) | Permitted::Blob(_))
            | Act::Stream(_)
            | Act::Begin(_)
            | Act::Within(..)
            | Act::Commit(_)
            | Act::Rollback(_) => Ok(()),
        }
    }

    /// Takes what came back. Bytes over the network were counted as they crossed it.
    pub(super) fn charge_reply(&self, performed: Performed) -> Result<HostReply, HostError> {
        let reply = performed.reply.map_err(|error| self.in_terms_of_the_call(error))?;
        if let HostReply::Rows(rows) | HostReply::Batch(Some(rows)) = &reply {
            self.result_rows.fetch_add(rows.row_count, Relaxed);
        }
        self.charge(Limit::HostBytes, &self.host_bytes, reply.size_bytes())?;
        Ok(reply)
    }

    pub(super) fn charge_log(&self, bytes: u64) -> Result<(), HostError> {
        self.charge(Limit::LogBytes, &self.log_bytes, bytes)
    }

    /// Whether anything is left of `egress_bytes`, for what goes on across host calls.
    pub(super) fn check_egress(&self) -> Result<(), HostError> {
        if self.egress.left() > 0 {
            return Ok(());
        }
        Err(self.exceeded(Limit::EgressBytes, self.egress.used().saturating_add(1)))
    }

    /// What the call may send and receive, shared by all that it has under way.
    pub(super) fn egress(&self) -> EgressBudget {
        self.egress.clone()
    }

    pub(super) fn usage(&self) -> Usage {
        Usage {
            fuel: 0,
            memory_bytes: 0,
            wall_us: 0,
            host_calls: self.host_calls.load(Relaxed),
            host_bytes: self.host_bytes.load(Relaxed),
            log_bytes: self.log_bytes.load(Relaxed),
            egress_requests: self.egress_requests.load(Relaxed),
            egress_bytes: self.egress.used(),
            result_rows: self.result_rows.load(Relaxed),
        }
    }

    /// Takes `amount`, or takes nothing and says which limit stood in the way.
    fn charge(&self, limit: Limit, spent: &AtomicU64, amount: u64) -> Result<(), HostError> {
        let cap = self.limits.get(limit);
        let take = |spent: u64| spent.checked_add(amount).filter(|total| *total <= cap);
        let taken = spent.fetch_update(Relaxed, Relaxed, take);
        taken.map(drop).map_err(|spent| self.exceeded(limit, spent.saturating_add(amount)))
    }

    fn exceeded(&self, limit: Limit, used: u64) -> HostError {
        let failure = Failure::limit(limit, &self.limits, used);
        HostError::Limit { limit, configured: self.limits.get(limit), used, hint: failure.hint }
    }

    /// A client knows only what it was given; the guest is told the limit of its call.
    fn in_terms_of_the_call(&self, error: HostError) -> HostError {
        match error {
            HostError::Limit { limit: Limit::EgressBytes, .. } => {
                let used = self.egress.used().max(self.limits.get(Limit::EgressBytes).saturating_add(1));
                self.exceeded(Limit::EgressBytes, used)
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use airlock_model::{LimitCaps, LimitSource, Limits};

    use super::*;

    fn budget(caps: &str) -> Budget {
        let mut limits = EffectiveLimits::new(Limits::BUILT_IN);
        limits.tighten(&toml::from_str::<LimitCaps>(caps).expect("caps"), LimitSource::Function);
        Budget::new(limits)
    }

    #[test]
    fn a_budget_is_spent_to_the_last_unit_and_not_beyond() {
        let budget = budget("log_bytes = 10");
        assert!(budget.charge_log(4).is_ok());
        assert!(budget.charge_log(6).is_ok());
        let error = budget.charge_log(1).expect_err("overspent");
        assert!(matches!(error, HostError::Limit { limit: Limit::LogBytes, configured: 10, used: 11, .. }), "{error}");
        assert_eq!(budget.usage().log_bytes, 10);
    }

    #[test]
    fn a_refused_charge_takes_nothing() {
        let budget = budget("log_bytes = 10");
        assert!(budget.charge_log(11).is_err());
        assert!(budget.charge_log(u64::MAX).is_err());
        assert!(budget.charge_log(10).is_ok());
    }
}
