//! What a token is still good for while its call runs.

use std::sync::atomic::Ordering::Relaxed;

use airlock_model::{HostCall, HostError, Reason, ResourceName};

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
}

impl CallGate {
    /// Whether what a call is about has been ended.
    pub(super) fn check_revoked(&self, call: &HostCall) -> Result<(), HostError> {
        call.resource().map_or(Ok(()), |resource| self.judge().check_revoked(resource))
    }

    /// Claims the effects of the token for this call, where the environment lets a token have those of one call only. Durable
    /// before the first of them.
    pub(super) async fn claim_effects(&self) -> Result<(), HostError> {
        let settings = &self.facts.settings;
        let environment = settings.environment(&self.facts.deployed.environment);
        let is_single_use = environment.is_ok_and(|environment| environment.single_use_tokens);
        if !is_single_use || self.has_claimed.load(Relaxed) {
            return Ok(());
        }
        let root = counted(&self.facts.token.root(), &self.facts.token, settings);
        let invocation = self.facts.invocation.to_string();
        let claimed = self.backends.store.claim_effects(root, invocation, clock::now_unix_s()).await;
        if claimed.map_err(|error| self.unrecorded(&error))? {
            self.has_claimed.store(true, Relaxed);
            return Ok(());
        }
        let environment = &self.facts.deployed.environment;
        let place = settings.origin(&format!("environments.{environment}.single_use_tokens"));
        let rule = format!(
            "[environments.{environment}] single_use_tokens ({place}): another call has had the effects of this token"
        );
        Err(denied(Reason::TokenUsed, rule, "ask for a new token for each call that changes something"))
    }
}
