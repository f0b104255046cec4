//! What a token is still good for while its call runs.

use std::sync::atomic::Ordering::Relaxed;

use airlock_model::{HostCall, HostError, Reason};

use super::{CallGate, plan::denied};
use crate::{clock, token_uses::counted};

impl CallGate {
    /// Whether the resource of a call has been ended.
    pub(super) fn check_revoked(&self, call: &HostCall) -> Result<(), HostError> {
        let Some(resource) = call.resource() else { return Ok(()) };
        let (tenant, environment) = (&self.facts.principal.tenant, &self.facts.deployed.environment);
        let checked = self.backends.revocations.check_resource(tenant, environment, resource);
        checked.map_err(|why| denied(why.reason, why.message, &why.hint))
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
