//! The audit record of one call: opened before it runs, closed before the reply leaves.

use std::sync::Arc;

use airlock_access::VerifiedToken;
use airlock_model::{AuditEvent, AuditKind, Bearer, Failure, InvocationId, Outcome, Principal, Revocation, Usage};
use airlock_store::StoreError;
use tokio::time::Instant;

use crate::{
    app::{Backends, store_failure},
    clock,
    registry::Deployed,
    settings::Settings,
    telemetry::CallTrace,
};

/// What every event of one call says about it.
pub(crate) struct CallFacts {
    pub(crate) invocation: InvocationId,
    pub(crate) number: u64,
    pub(crate) principal: Arc<Principal>,
    pub(crate) token: VerifiedToken,
    pub(crate) deployed: Arc<Deployed>,
    /// The configuration of the call, from its first to its last moment.
    pub(crate) settings: Arc<Settings>,
    /// Where it stands in a trace, when it does.
    pub(crate) trace: Option<CallTrace>,
}

impl CallFacts {
    /// Whether a revocation ends this call: its token, its function, or a resource that the function declares.
    pub(crate) fn is_ended_by(&self, revocation: &Revocation) -> bool {
        let Deployed { function, environment, manifest_grants, .. } = &*self.deployed;
        let token_ids: Vec<_> = self.token.token_ids().collect();
        let bearer = Bearer {
            principal: &self.principal,
            environment: self.token.environment(),
            token_ids: &token_ids,
            issued_unix_s: self.token.issued_at_unix_s(),
        };
        let tenant = &self.principal.tenant;
        revocation.ends_token(&bearer)
            || revocation.ends_function(tenant, environment, function)
            || manifest_grants.iter().any(|grant| revocation.ends_resource(tenant, environment, &grant.resource))
    }

    /// For log lines about this call.
    pub(crate) fn trace_id(&self) -> Option<String> {
        self.trace.as_ref().map(|trace| trace.context.trace_id())
    }

    /// An event of this call, now.
    pub(crate) fn event(&self, kind: AuditKind) -> AuditEvent {
        let mut event = AuditEvent::new(kind, clock::now_unix_ms());
        event.call_number = Some(self.number);
        event.invocation = Some(self.invocation.0.clone());
        event.principal = Some(self.principal.clone());
        event.token_id = Some(self.token.token_id().clone());
        event.function = Some((&self.deployed.function).into());
        event.revision = Some(self.deployed.revision.clone());
        event.environment = Some((&self.deployed.environment).into());
        if let (AuditKind::HostCallIntent, Some(trace)) = (kind, &self.trace) {
            event.span = trace.new_host_call();
        }
        event
    }
}

/// The obligation to say how a call ended. Dropped without [`CallRecord::finish`], it says `abandoned`.
#[must_use]
pub(crate) struct CallRecord {
    backends: Arc<Backends>,
    facts: Arc<CallFacts>,
    began: Instant,
    is_finished: bool,
}

impl CallRecord {
    pub(crate) fn open(backends: Arc<Backends>, facts: Arc<CallFacts>) -> Self {
        Self { backends, facts, began: Instant::now(), is_finished: false }
    }

    /// Writes the outcome and waits until it is durable.
    ///
    /// # Errors
    /// `audit_unavailable`: the caller must not be given the result.
    pub(crate) async fn finish(mut self, outcome: &Outcome, usage: Usage) -> Result<(), Failure> {
        let mut event = self.facts.event(AuditKind::InvocationFinished);
        event.reason = Some(outcome.name().to_owned());
        event.duration_us = Some(usage.wall_us);
        event.usage = Some(usage);
        if let Outcome::Failed(failure) = outcome {
            event.message = Some(failure.message.clone());
        }
        self.is_finished = true;
        self.observe(&event);
        self.backends.store.append(event).await.map(drop).map_err(|why| store_failure(&why))
    }

    /// What operators see of a call is what the trail is told.
    fn observe(&self, event: &AuditEvent) {
        let (telemetry, deployed) = (&self.backends.telemetry, &self.facts.deployed);
        let outcome = event.reason.as_deref().unwrap_or("ok");
        let usage = event.usage.unwrap_or_default();
        let (wall_us, traced) =
            (event.duration_us.unwrap_or_default(), self.facts.trace.as_ref().and_then(CallTrace::traced));
        deployed.metrics(telemetry).count(outcome, wall_us, usage.fuel, traced);
        telemetry.tenant_called(deployed.environment.as_str(), self.facts.principal.tenant.as_str(), outcome);
        if let Some(tracer) = &telemetry.tracer {
            tracer.invocation(&self.facts, event);
        }
    }

    fn elapsed_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn abandon(&self) -> Result<(), StoreError> {
        let mut event = self.facts.event(AuditKind::InvocationAbandoned);
        event.reason = Some("cancelled".to_owned());
        event.message = Some("the caller went away or the server stopped before the call ended".to_owned());
        event.duration_us = Some(self.elapsed_us());
        self.observe(&event);
        self.backends.store.enqueue_closing(event)
    }
}

impl Drop for CallRecord {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        if let Err(error) = self.abandon() {
            // The call number stays open in the trail, which `airlock audit verify` reports.
            tracing::error!(invocation = %self.facts.invocation, trace_id = self.facts.trace_id(), %error, "an abandoned call could not be recorded");
        }
    }
}
