//! Records what was turned away, without letting strangers fill the disk.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use airlock_access::VerifiedToken;
use airlock_model::{AuditEvent, AuditKind, Decision, Failure, Reason, TenantName};
use airlock_store::Store;

use crate::clock;

/// Refusals of callers without a valid token that are recorded in one second; the rest is counted.
const ANONYMOUS_PER_SECOND_MAX: u64 = 20;

/// Calls of one tenant that were shed and are recorded in one second; the rest is counted. Shedding has to cost next to
/// nothing, and whoever floods the server must not flood the trail.
const SHED_PER_SECOND_MAX: u64 = 20;
/// Tenants whose shed calls are counted apart.
const TENANTS_MAX: usize = 4_096;

/// A refusal, with the caller if the token was good enough to name one.
pub(crate) struct Refused {
    pub(crate) failure: Failure,
    pub(crate) token: Option<VerifiedToken>,
}

impl Refused {
    pub(crate) fn by(token: &VerifiedToken) -> impl FnOnce(Failure) -> Self {
        let token = token.clone();
        |failure| Self { failure, token: Some(token) }
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self { failure, token: None }
    }
}

/// Limits how many anonymous refusals reach the audit trail.
#[derive(Default)]
pub(crate) struct Refusals {
    second: AtomicU64,
    in_second: AtomicU64,
    unrecorded: AtomicU64,
    shed: Mutex<HashMap<TenantName, Shed>>,
}

/// Calls of one tenant that were shed.
#[derive(Default)]
struct Shed {
    second: u64,
    in_second: u64,
    unrecorded: u64,
}

impl Refusals {
    /// Puts a refusal on record and gives the failure back for the caller.
    pub(crate) fn record(&self, store: &Store, kind: AuditKind, subject: Subject<'_>, refused: Refused) -> Failure {
        let Refused { failure, token } = refused;
        if token.is_none() && !self.has_room(clock::now_unix_s()) {
            self.unrecorded.fetch_add(1, Relaxed);
            return failure;
        }
        let shed = token.as_ref().filter(|_| is_shed(failure.reason)).map(|token| &token.principal().tenant);
        let message = match shed.map(|tenant| self.unrecorded_of(tenant, clock::now_unix_s())) {
            Some(None) => return failure,
            Some(Some(count @ 1..)) => {
                format!("{} (and {count} more calls of the tenant shed, not recorded one by one)", failure.message)
            }
            Some(Some(0)) => failure.message.clone(),
            None => self.message(&failure),
        };
        let mut event = AuditEvent::new(kind, clock::now_unix_ms());
        event.decision = Some(Decision::Deny);
        event.reason = Some(failure.reason.to_string());
        event.message = Some(message);
        event.function = subject.function.map(Arc::from);
        event.environment = (!subject.environment.is_empty()).then(|| subject.environment.into());
        if let Some(token) = token {
            event.principal = Some(token.principal().clone());
            event.token_id = Some(token.token_id().clone());
        }
        if let Err(error) = store.enqueue(event) {
            tracing::error!(%error, "a refusal could not be recorded");
        }
        failure
    }

    fn has_room(&self, now_s: u64) -> bool {
        if self.second.swap(now_s, Relaxed) != now_s {
            self.in_second.store(0, Relaxed);
        }
        self.in_second.fetch_add(1, Relaxed) < ANONYMOUS_PER_SECOND_MAX
    }

    /// How many of the tenant's shed calls were not recorded since the last that was; none when this one is not either.
    fn unrecorded_of(&self, tenant: &TenantName, now_s: u64) -> Option<u64> {
        let mut tenants = self.shed.lock().unwrap_or_else(PoisonError::into_inner);
        if tenants.len() >= TENANTS_MAX && !tenants.contains_key(tenant) {
            tenants.retain(|_, shed| shed.second == now_s);
        }
        let shed = tenants.entry(tenant.clone()).or_default();
        if shed.second != now_s {
            (shed.second, shed.in_second) = (now_s, 0);
        }
        shed.in_second = shed.in_second.saturating_add(1);
        if shed.in_second > SHED_PER_SECOND_MAX {
            shed.unrecorded = shed.unrecorded.saturating_add(1);
            return None;
        }
        Some(std::mem::take(&mut shed.unrecorded))
    }

    fn message(&self, failure: &Failure) -> String {
        match self.unrecorded.swap(0, Relaxed) {
            0 => failure.message.clone(),
            count => format!(
                "{} (and {count} more refusals without a valid token, not recorded one by one)",
                failure.message
            ),
        }
    }
}

/// Whether the refusal is about how much is asked for, not about what.
fn is_shed(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Overloaded | Reason::TenantBusy | Reason::TenantRateExceeded | Reason::TenantBudgetExhausted
    )
}

/// What a refused request was about.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) function: Option<&'a str>,
    /// Empty when the request named none.
    pub(crate) environment: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_shed_calls_is_counted_and_one_tenants_flood_hides_no_other() {
        let refusals = Refusals::default();
        let (acme, globex) = ("acme".parse().unwrap(), "globex".parse().unwrap());
        let recorded = (0..1_000).filter(|_| refusals.unrecorded_of(&acme, 5).is_some()).count();
        assert_eq!(recorded as u64, SHED_PER_SECOND_MAX);
        assert_eq!(refusals.unrecorded_of(&globex, 5), Some(0));
        assert_eq!(
            refusals.unrecorded_of(&acme, 6),
            Some(1_000 - SHED_PER_SECOND_MAX),
            "the next record counts the rest"
        );
        assert_eq!(refusals.unrecorded_of(&acme, 6), Some(0));
    }
}
