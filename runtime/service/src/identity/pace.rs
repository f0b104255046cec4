//! How often tokens are signed, and the trail verified: each token is a record for good, and the trail is long.

use std::{num::NonZeroU32, time::Duration};

use airlock_model::{Failure, Reason, TenantName};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter, clock::DefaultClock, state::keyed::HashMapStateStore};

/// Tokens that are signed for one tenant in a second, and how many at once after a pause.
const OF_TENANT_PER_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(49);
/// Tokens of identity providers that are looked at in a second, whoever sends them.
const UNVERIFIED_PER_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(499);
/// Verifications of the trail that one tenant may ask for in a minute.
const VERIFICATIONS_PER_MINUTE: NonZeroU32 = NonZeroU32::MIN.saturating_add(5);
/// Reports of usage that one tenant may ask for in a minute.
const REPORTS_PER_MINUTE: NonZeroU32 = NonZeroU32::MIN.saturating_add(119);
/// Tenants whose pace is remembered; beyond, those that have paused are forgotten.
const TENANTS_MAX: usize = 4_096;
const RETRY_AFTER: Duration = Duration::from_secs(1);
const VERIFY_RETRY_AFTER: Duration = Duration::from_secs(10);

type ByTenant = RateLimiter<TenantName, HashMapStateStore<TenantName>, DefaultClock>;

/// The pace of what costs more than its question.
pub(crate) struct Paces {
    tenants: ByTenant,
    verifications: ByTenant,
    reports: ByTenant,
    unverified: DefaultDirectRateLimiter,
}

impl Default for Paces {
    fn default() -> Self {
        Self {
            tenants: RateLimiter::hashmap(Quota::per_second(OF_TENANT_PER_SECOND)),
            verifications: RateLimiter::hashmap(Quota::per_minute(VERIFICATIONS_PER_MINUTE)),
            reports: RateLimiter::hashmap(Quota::per_minute(REPORTS_PER_MINUTE)),
            unverified: RateLimiter::direct(Quota::per_second(UNVERIFIED_PER_SECOND)),
        }
    }
}

impl Paces {
    /// Whether one more token may be signed for the tenant now.
    ///
    /// # Errors
    /// [`Reason::TenantBusy`].
    pub(crate) fn check(&self, tenant: &TenantName) -> Result<(), Failure> {
        if self.tenants.len() > TENANTS_MAX {
            self.tenants.retain_recent();
        }
        let message = format!("more than {OF_TENANT_PER_SECOND} tokens a second were asked for by tenant `{tenant}`");
        self.tenants.check_key(tenant).map_err(|_| busy(Reason::TenantBusy, message))
    }

    /// Whether the tenant may have the trail verified once more now.
    ///
    /// # Errors
    /// [`Reason::TenantBusy`].
    pub(crate) fn check_verification(&self, tenant: &TenantName) -> Result<(), Failure> {
        if self.verifications.len() > TENANTS_MAX {
            self.verifications.retain_recent();
        }
        let message =
            format!("more than {VERIFICATIONS_PER_MINUTE} verifications a minute were asked for by tenant `{tenant}`");
        let refuse = |_| Failure::new(Reason::TenantBusy, message, "try again in a minute, or verify a copy offline");
        self.verifications.check_key(tenant).map_err(refuse).map_err(|why| why.with_retry_after(VERIFY_RETRY_AFTER))
    }

    /// Whether the tenant may have its usage told once more now.
    ///
    /// # Errors
    /// [`Reason::TenantBusy`].
    pub(crate) fn check_report(&self, tenant: &TenantName) -> Result<(), Failure> {
        if self.reports.len() > TENANTS_MAX {
            self.reports.retain_recent();
        }
        let message = format!("more than {REPORTS_PER_MINUTE} reports a minute were asked for by tenant `{tenant}`");
        let refuse = |_| Failure::new(Reason::TenantBusy, message, "ask less often: usage is kept by the hour");
        self.reports.check_key(tenant).map_err(refuse).map_err(|why| why.with_retry_after(RETRY_AFTER))
    }

    /// Whether one more token of an identity provider may be looked at now.
    ///
    /// # Errors
    /// [`Reason::Overloaded`].
    pub(crate) fn check_unverified(&self) -> Result<(), Failure> {
        let message = format!("more than {UNVERIFIED_PER_SECOND} tokens a second were sent for exchange");
        self.unverified.check().map_err(|_| busy(Reason::Overloaded, message))
    }
}

fn busy(reason: Reason, message: String) -> Failure {
    Failure::new(reason, message, "try again in a second, and keep tokens for as long as they are good")
        .with_retry_after(RETRY_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_that_asks_too_often_is_busy_and_another_is_not() {
        let paces = Paces::default();
        let (one, other): (TenantName, TenantName) = ("one".parse().expect("a name"), "other".parse().expect("a name"));
        let refused = (0..200).filter(|_| paces.check(&one).is_err()).count();
        assert!((100..200).contains(&refused), "{refused}");
        assert!(paces.check(&other).is_ok());
        assert_eq!(paces.check(&one).expect_err("busy").reason, Reason::TenantBusy);
        let refused = (0..2_000).filter(|_| paces.check_unverified().is_err()).count();
        assert!(refused >= 1_000, "{refused}");
    }
}
