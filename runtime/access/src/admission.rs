//! The third permit: limits and grants are fixed, and the call has a place among those that run.
//!
//! A call runs at once when the server has a place and its tenant is below its cap. Otherwise it waits in a bounded queue, in
//! which turns are fair between tenants by weight and then between the principals of a tenant, each charged with the fuel its
//! calls really spent ([`fair`]); or it is turned away at once, when the queue is full or its turn would come too late.

mod busy;
mod config;
mod fair;
mod holdings;
mod mean;
mod pace;
mod place;
mod quota;
mod schedule;
mod tenant;

use std::{sync::Arc, time::Duration};

use airlock_model::{
    EffectiveLimits, EnvironmentName, Failure, FunctionName, Grant, Grants, Limit, LimitCaps, LimitPlaces, LimitSource,
    Limits, Principal, TenantName,
};

use self::{
    config::Moment,
    pace::Paces,
    place::{Place, Shared, Waiting, wake},
    schedule::{Answer, Ask, Scheduler, Turn},
};
pub use self::{
    config::{AdmissionConfig, Clock, DayUsage, Sleep},
    holdings::{Holding, Holdings, HoldingsConfig},
};
use crate::{Authorized, Invoke, VerifiedToken};

/// Admits calls. Cheap to clone; clones count together.
#[derive(Clone)]
pub struct Admission {
    shared: Arc<Shared>,
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

/// What a call would be given, or told, now.
#[derive(Debug)]
pub struct Foreseen {
    /// The limits that would be in force, with their sources.
    pub limits: EffectiveLimits,
    /// What it could do to resources.
    pub grants: Grants,
    /// Whether it would wait for its turn, or why it would be turned away.
    pub waits: Result<bool, Failure>,
}

/// A call that may run now. Only [`Admission::admit`] makes one; dropping it gives its place to the next.
#[must_use]
pub struct Admitted {
    token: VerifiedToken,
    call: Invoke,
    limits: EffectiveLimits,
    grants: Grants,
    // INVARIANT: held for as long as the call runs; its drop is what ends the call's claim on server and tenant.
    place: Place,
}

impl Admission {
    /// Starts with nothing running and nothing spent.
    #[must_use]
    pub fn new(config: AdmissionConfig, clock: Arc<dyn Clock>) -> Self {
        let seed = clock.unix_ms();
        let paces = Paces::new(&config);
        Self { shared: Shared::new(clock, Scheduler::new(config, seed), paces) }
    }

    /// Fixes limits and grants, and takes a place among the calls that run, for which the call may have to wait.
    ///
    /// Each limit is the least that operator, tenant, environment, function, token and caller set. Dropping the future
    /// leaves the queue.
    ///
    /// # Errors
    /// [`Reason::TenantBusy`](airlock_model::Reason::TenantBusy) when as many calls of the tenant run and wait as may, and
    /// [`Reason::Overloaded`](airlock_model::Reason::Overloaded) when those of all tenants do: at once when that can be
    /// told at once, with the time after which to try again.
    /// [`Reason::TenantRateExceeded`](airlock_model::Reason::TenantRateExceeded) and
    /// [`Reason::TenantBudgetExhausted`](airlock_model::Reason::TenantBudgetExhausted) when a quota of the tenant is spent.
    /// [`Reason::TimeExhausted`](airlock_model::Reason::TimeExhausted) when the call's deadline passes before its turn.
    pub async fn admit(&self, authorized: Authorized<Invoke>, terms: Terms<'_>) -> Result<Admitted, Failure> {
        let (token, call) = authorized.into_parts();
        let limits = limits_of(&token, &terms);
        let place = match self.ask(token.principal(), &limits)? {
            Asked::Admitted(place) => place,
            // Boxed: rare, and it would make the future of every call larger.
            Asked::Queued(waiting) => Box::pin(waiting.place(&limits)).await?,
        };
        let grants = Grants {
            token: token.grants(),
            manifest: Arc::clone(terms.manifest_grants),
            environment: Arc::clone(terms.environment_grants),
        };
        Ok(Admitted { token, call, limits, grants, place })
    }

    /// What [`Self::admit`] would say now. Takes no place, no rate and no budget.
    #[must_use]
    pub fn foresee(&self, authorized: &Authorized<Invoke>, terms: &Terms<'_>) -> Foreseen {
        let limits = limits_of(authorized.token(), terms);
        let ask = Ask {
            principal: authorized.principal(),
            in_flight: limits.get(Limit::InFlight),
            left: Duration::from_millis(limits.get(Limit::WallTimeMs)),
        };
        let now = self.shared.now();
        let turn = self.shared.lock().foresee(&ask, now);
        let waits = turn.map(|turn| turn == Turn::Later).map_err(|busy| busy.foreseen(&limits));
        let grants = Grants {
            token: authorized.token().grants(),
            manifest: Arc::clone(terms.manifest_grants),
            environment: Arc::clone(terms.environment_grants),
        };
        Foreseen { limits, grants, waits }
    }

    /// From now on other numbers hold. Calls that run go on; what tenants have spent stays spent.
    pub fn reconfigure(&self, config: AdmissionConfig) {
        let now = self.shared.now();
        self.shared.paces().replace(&config);
        let woken = self.shared.lock().reconfigure(config, now);
        wake(woken);
    }

    /// Counts what the tenant took earlier on this day, for instance before a restart. Ignored for tenants without quotas.
    pub fn add_today(&self, tenant: &TenantName, usage: DayUsage) {
        let now = self.shared.now();
        self.shared.lock().add_today(tenant, usage, now);
    }

    /// What the tenant took on this day, if it has quotas.
    #[must_use]
    pub fn today(&self, tenant: &TenantName) -> Option<DayUsage> {
        self.shared.lock().today(tenant)
    }

    /// How many calls of the tenant are running.
    #[must_use]
    pub fn in_flight(&self, tenant: &TenantName) -> u64 {
        self.shared.lock().running_of(tenant)
    }

    /// How many calls are running.
    #[must_use]
    pub fn running(&self) -> u32 {
        self.shared.lock().running()
    }

    /// How many calls wait for their turn.
    #[must_use]
    pub fn queued(&self) -> u32 {
        self.shared.lock().queued()
    }

    fn ask(&self, principal: &Arc<Principal>, limits: &EffectiveLimits) -> Result<Asked, Failure> {
        let now = self.shared.now();
        let left = Duration::from_millis(limits.get(Limit::WallTimeMs));
        let ask = Ask { principal, in_flight: limits.get(Limit::InFlight), left };
        let mut scheduler = self.shared.lock();
        match scheduler.ask(&ask, now) {
            Ok(Answer::Run(held)) => {
                drop(scheduler);
                let place = Place::new(&self.shared, principal, held, limits.get(Limit::Fuel));
                Ok(Asked::Admitted(place))
            }
            Ok(Answer::Wait(id)) => {
                let longest = scheduler.queue_time_max();
                drop(scheduler);
                Ok(Asked::Queued(Waiting::new(&self.shared, principal, id, longest)))
            }
            Err(busy) => {
                let jitter = scheduler.jitter();
                drop(scheduler);
                Err(busy.refusal(limits, jitter))
            }
        }
    }
}

/// What [`Admission::ask`] came to.
enum Asked {
    Admitted(Place),
    Queued(Waiting),
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

    /// The token that allows it.
    pub fn token(&self) -> &VerifiedToken {
        &self.token
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

    /// How long the call waited for its turn; part of its wall time.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.place.waited
    }

    /// Waits until the tenant's guests may call the host once more, and takes that call.
    pub async fn pace_host_call(&self) {
        self.place.pace_host_call().await;
    }

    /// Says what fuel the call spent, for which its tenant pays. A call that ends without is charged for its time.
    pub fn settle(&self, fuel: u64) {
        self.place.settle(fuel);
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
