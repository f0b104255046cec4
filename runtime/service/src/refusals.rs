//! Records what was turned away, without letting anybody fill the disk with it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use airlock_access::VerifiedToken;
use airlock_model::{AuditEvent, AuditKind, Decision, Failure, Principal, Reason, TenantName};

use crate::{app::Backends, clock};

/// Refusals of callers without a valid token that are recorded in one second; the rest is counted.
const ANONYMOUS_PER_SECOND_MAX: u64 = 20;

/// Calls of one tenant that were shed and are recorded in one second; the rest is counted. Shedding has to cost next to
/// nothing, and whoever floods the server must not flood the trail.
const SHED_PER_SECOND_MAX: u64 = 20;
/// Other refusals of one tenant that are recorded in one second; the rest is counted. Enough to see what somebody tries, too
/// few to fill the disk.
const DENIED_PER_SECOND_MAX: u64 = 100;
/// Tenants whose refusals are counted apart.
const TENANTS_MAX: usize = 4_096;

/// A refusal, with the caller if the token was good enough to name one.
pub(crate) struct Refused {
    pub(crate) failure: Failure,
    pub(crate) token: Option<VerifiedToken>,
    /// Who it is, when that is known.
    pub(crate) principal: Option<Arc<Principal>>,
}

impl Refused {
    pub(crate) fn by(token: &VerifiedToken) -> impl FnOnce(Failure) -> Self {
        let token = token.clone();
        |failure| Self { failure, principal: Some(token.principal().clone()), token: Some(token) }
    }

    /// Of somebody who has no token of ours, and of whom it is known who they are.
    pub(crate) fn of(principal: &Arc<Principal>) -> impl FnOnce(Failure) -> Self {
        let principal = Some(Arc::clone(principal));
        |failure| Self { failure, token: None, principal }
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self { failure, token: None, principal: None }
    }
}

/// Limits how many refusals reach the audit trail one by one.
#[derive(Default)]
pub(crate) struct Refusals {
    anonymous: Mutex<Flood>,
    tenants: Mutex<HashMap<TenantName, Floods>>,
}

/// Refusals of one tenant.
#[derive(Default)]
struct Floods {
    shed: Flood,
    denied: Flood,
}

/// Refusals of one sort, of one tenant or of nobody.
#[derive(Default)]
struct Flood {
    second: u64,
    in_second: u64,
    unrecorded: u64,
}

/// What a tenant's refusals are counted by.
#[derive(Clone, Copy)]
enum Sort {
    /// How much was asked for.
    Shed,
    /// What was asked for.
    Denied,
}

impl Sort {
    fn of(reason: Reason) -> Self {
        match reason {
            Reason::Overloaded | Reason::TenantBusy | Reason::TenantRateExceeded | Reason::TenantBudgetExhausted => {
                Self::Shed
            }
            _ => Self::Denied,
        }
    }

    const fn per_second_max(self) -> u64 {
        match self {
            Self::Shed => SHED_PER_SECOND_MAX,
            Self::Denied => DENIED_PER_SECOND_MAX,
        }
    }
}

impl Flood {
    /// How many were not recorded since the last that was; none when this one is not either.
    fn count(&mut self, per_second_max: u64, now_s: u64) -> Option<u64> {
        if self.second != now_s {
            (self.second, self.in_second) = (now_s, 0);
        }
        self.in_second = self.in_second.saturating_add(1);
        if self.in_second > per_second_max {
            self.unrecorded = self.unrecorded.saturating_add(1);
            return None;
        }
        Some(std::mem::take(&mut self.unrecorded))
    }
}

impl Refusals {
    /// Puts a refusal on record and gives the failure back for the caller.
    pub(crate) fn record(
        &self,
        backends: &Backends,
        kind: AuditKind,
        subject: Subject<'_>,
        refused: Refused,
    ) -> Failure {
        let Refused { failure, token, principal } = refused;
        backends.telemetry.refused(kind, failure.reason);
        let (tenant, now_s) = (principal.as_ref().map(|principal| &principal.tenant), clock::now_unix_s());
        let (unrecorded, whose) = match tenant {
            Some(tenant) => (self.unrecorded_of(tenant, Sort::of(failure.reason), now_s), "of the tenant"),
            None => (lock(&self.anonymous).count(ANONYMOUS_PER_SECOND_MAX, now_s), "without a valid token"),
        };
        let message = match unrecorded {
            None => return failure,
            Some(0) => told(&failure, tenant),
            Some(count) => {
                format!("{} (and {count} more refusals {whose}, not recorded one by one)", told(&failure, tenant))
            }
        };
        let mut event = AuditEvent::new(kind, clock::now_unix_ms());
        event.decision = Some(Decision::Deny);
        event.reason = Some(failure.reason.to_string());
        event.message = Some(message);
        event.operation = subject.rpc.map(str::to_owned);
        event.function = subject.function.map(Arc::from);
        event.environment = (!subject.environment.is_empty()).then(|| subject.environment.into());
        event.principal = principal;
        event.token_id = token.map(|token| token.token_id().clone());
        if let Err(error) = backends.store.enqueue(event) {
            tracing::error!(%error, "a refusal could not be recorded");
        }
        failure
    }

    /// How many of the tenant's refusals of this sort were not recorded since the last that was; none when this one is not
    /// either.
    fn unrecorded_of(&self, tenant: &TenantName, sort: Sort, now_s: u64) -> Option<u64> {
        let mut tenants = lock(&self.tenants);
        if tenants.len() >= TENANTS_MAX && !tenants.contains_key(tenant) {
            tenants.retain(|_, floods| floods.shed.second == now_s || floods.denied.second == now_s);
        }
        let floods = tenants.entry(tenant.clone()).or_default();
        let flood = match sort {
            Sort::Shed => &mut floods.shed,
            Sort::Denied => &mut floods.denied,
        };
        flood.count(sort.per_second_max(), now_s)
    }
}

/// What the trail says. Why a token is not good is told to operators alone: a record of nobody's is shown to no tenant.
fn told(failure: &Failure, tenant: Option<&TenantName>) -> String {
    match (&failure.log, tenant) {
        (Some(cause), None) if failure.reason == Reason::TokenInvalid => format!("{}: {cause}", failure.message),
        _ => failure.message.clone(),
    }
}

/// A panic while the lock is held leaves counts that are at most one off.
fn lock<T>(counts: &Mutex<T>) -> MutexGuard<'_, T> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a refused request was about.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// What was asked, as `Service.Method`, where that is known.
    pub(crate) rpc: Option<&'static str>,
    pub(crate) function: Option<&'a str>,
    /// Empty when the request named none.
    pub(crate) environment: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_operators_learn_why_a_token_is_not_good() {
        let of = |reason| Failure::new(reason, "no", "ask").with_log("claim `aud` is another's");
        let acme = "acme".parse().unwrap();
        assert_eq!(told(&of(Reason::TokenInvalid), None), "no: claim `aud` is another's");
        assert_eq!(told(&of(Reason::TokenInvalid), Some(&acme)), "no");
        assert_eq!(told(&of(Reason::Internal), None), "no");
    }

    #[test]
    fn a_flood_is_counted_and_hides_no_other_tenant_and_no_other_sort() {
        for (sort, other) in [(Sort::Shed, Sort::Denied), (Sort::Denied, Sort::Shed)] {
            let refusals = Refusals::default();
            let (acme, globex) = ("acme".parse().unwrap(), "globex".parse().unwrap());
            let recorded = (0..1_000).filter(|_| refusals.unrecorded_of(&acme, sort, 5).is_some()).count() as u64;
            assert_eq!(recorded, sort.per_second_max());
            assert_eq!(refusals.unrecorded_of(&globex, sort, 5), Some(0));
            assert_eq!(refusals.unrecorded_of(&acme, other, 5), Some(0));
            let rest = refusals.unrecorded_of(&acme, sort, 6);
            assert_eq!(rest, Some(1_000 - recorded), "the next record counts the rest");
            assert_eq!(refusals.unrecorded_of(&acme, sort, 6), Some(0));
        }
    }
}
