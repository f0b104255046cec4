//! What a token is still good for while its call runs.

use std::sync::atomic::Ordering::Relaxed;

use airlock_access::VerifiedToken;
use airlock_model::{HostCall, HostError, Reason, ResourceName};
use airlock_store::CountedToken;

use super::{
    CallGate,
    judge::{Judge, denied},
};
use crate::{clock, token_uses::counted};

impl Judge<'_> {
    /// Whether a resource has been ended for the tenant.
    pub(crate) fn check_revoked(&self, resource: &ResourceName) -> Result<(), HostError> {
        let (tenant, environment) = (&self.principal.tenant, &self.deployed.environment);
        let checked = self.backends.revocations.check_resource(tenant, environment, resource);
        checked.map_err(|why| denied(why.reason, why.message, &why.hint))
    }

    /// What the effects of a call are claimed of, where the environment lets a token have those of one call only.
    pub(crate) fn single_use(&self, token: &VerifiedToken) -> Option<CountedToken> {
        let environment = self.settings.environment(&self.deployed.environment);
        let is_single_use = environment.is_ok_and(|environment| environment.single_use_tokens);
        is_single_use.then(|| counted(&token.root(), token, self.settings))
    }

    /// Where that is written.
    pub(crate) fn single_use_place(&self) -> String {
        self.environment_place("single_use_tokens")
    }

    /// The no to a token that another call has had the effects of.
    pub(crate) fn effects_taken(&self) -> HostError {
        let rule = format!("{}: another call has had the effects of this token", self.single_use_place());
        denied(Reason::TokenUsed, rule, "ask for a new token for each call that changes something")
    }
}

impl CallGate {
    /// Whether what a call is about has been ended.
    pub(super) fn check_revoked(&self, call: &HostCall) -> Result<(), HostError> {
        call.resource().map_or(Ok(()), |resource| self.judge().check_revoked(resource))
    }

    /// Claims the effects of the token for this call, where the environment lets a token have those of one call only. Durable
    /// before the first of them.
    pub(super) async fn claim_effects(&self) -> Result<(), HostError> {
        let judge = self.judge();
        let Some(root) = judge.single_use(&self.facts.token).filter(|_| !self.has_claimed.load(Relaxed)) else {
            return Ok(());
        };
        let invocation = self.facts.invocation.to_string();
        let claimed = self.backends.store.claim_effects(root, invocation, clock::now_unix_s()).await;
        if claimed.map_err(|error| self.unrecorded(&error))? {
            self.has_claimed.store(true, Relaxed);
            return Ok(());
        }
        Err(judge.effects_taken())
    }
}
