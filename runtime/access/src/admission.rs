//! The third permit: limits and grants are fixed, and the tenant has a free slot.

mod slots;

use std::sync::Arc;
use std::time::Duration;

use airlock_model::{
    EffectiveLimits, EnvironmentName, Failure, FunctionName, Grant, Grants, Limit, LimitCaps, LimitPlaces, LimitSource,
    Limits, Principal, TenantName,
};

use self::slots::{TenantSlot, TenantSlots};
use crate::{Authorized, Invoke, VerifiedToken};

/// When a caller that was turned away because its tenant is busy should try again.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Admits calls and counts those of each tenant that are running. Cheap to clone; clones count together.
#[derive(Clone, Default)]
pub struct Admission {
    slots: Arc<TenantSlots>,
}

/// What the authorities other than the token say about a call.
#[derive(Clone, Copy)]
pub struct Terms<'a> {
    /// The operator's values, complete.
    pub operator: &'a Limits,
    /// What the operator sets for the tenant.
    pub tenant: &'a LimitCaps,
    /// What the environment sets.
    pub environment: &'a LimitCaps,
    /// What the function's manifest sets.
    pub function: &'a LimitCaps,
    /// What the caller asks for itself, for instance its deadline as `wall_time_ms`.
    pub caller: &'a LimitCaps,
    /// Where these limits were written, for errors.
    pub places: &'a LimitPlaces,
    /// What the function's manifest asks of resources.
    pub manifest_grants: &'a Arc<[Grant]>,
    /// What the environment allows of resources.
    pub environment_grants: &'a Arc<[Grant]>,
}

/// A call that may run now. Only [`Admission::admit`] makes one; dropping it frees the tenant's slot.
#[must_use]
pub struct Admitted {
    token: VerifiedToken,
    call: Invoke,
    limits: EffectiveLimits,
    grants: Grants,
    // INVARIANT: held for as long as the call runs; its drop is what ends the call's claim on the tenant.
    _slot: TenantSlot,
}

impl Admission {
    /// Starts with nothing running.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Fixes limits and grants and takes one of the tenant's slots.
    ///
    /// Each limit is the least that operator, tenant, environment, function, token and caller set.
    ///
    /// # Errors
    /// [`Reason::TenantBusy`](airlock_model::Reason::TenantBusy) when as many calls of the tenant are running as
    /// `in_flight` allows; it passes, so the failure says when to try again.
    pub fn admit(&self, authorized: Authorized<Invoke>, terms: Terms<'_>) -> Result<Admitted, Failure> {
        let (token, call) = authorized.into_parts();
        let limits = limits_of(&token, &terms);
        let slot = self.slots.take(&token.principal().tenant, limits.get(Limit::InFlight)).map_err(|running| {
            Failure::limit(Limit::InFlight, &limits, running.saturating_add(1)).with_retry_after(RETRY_AFTER)
        })?;
        let grants = Grants {
            token: token.grants(),
            manifest: Arc::clone(terms.manifest_grants),
            environment: Arc::clone(terms.environment_grants),
        };
        Ok(Admitted { token, call, limits, grants, _slot: slot })
    }

    /// How many calls of the tenant are running.
    #[must_use]
    pub fn in_flight(&self, tenant: &TenantName) -> u64 {
        self.slots.running(tenant)
    }
}

impl Admitted {
    /// The limits in force, with their sources.
    #[must_use]
    pub fn limits(&self) -> &EffectiveLimits {
        &self.limits
    }

    /// What the call may do to resources.
    #[must_use]
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// Who acts.
    #[must_use]
    pub fn principal(&self) -> &Arc<Principal> {
        self.token.principal()
    }

    /// The token's `jti`.
    #[must_use]
    pub fn token_id(&self) -> &Arc<str> {
        self.token.token_id()
    }

    /// Which function.
    #[must_use]
    pub fn function(&self) -> &FunctionName {
        self.call.function()
    }

    /// Where.
    #[must_use]
    pub fn environment(&self) -> &EnvironmentName {
        self.call.environment()
    }
}

/// Of equal values the wider authority is named.
fn limits_of(token: &VerifiedToken, terms: &Terms<'_>) -> EffectiveLimits {
    let mut limits = EffectiveLimits::new(terms.operator.clone()).with_places(terms.places.clone());
    limits.tighten(terms.tenant, LimitSource::Tenant);
    limits.tighten(terms.environment, LimitSource::Environment);
    limits.tighten(terms.function, LimitSource::Function);
    limits.tighten(token.limit_caps(), LimitSource::Token);
    limits.tighten(terms.caller, LimitSource::Caller);
    limits
}

#[cfg(test)]
mod tests;
