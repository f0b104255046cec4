//! The one door: every host call of every guest passes [`CallGate::call`], in this order, or does not happen.

mod blob;
mod budget;
mod classes;
mod kv;
mod log;
mod plan;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use airlock_access::Admitted;
use airlock_model::{
    AuditEvent, AuditKind, Decision, Digest, EffectiveLimits, HostCall, HostError, HostReply, LogLine, Reason, Usage,
};
use airlock_resources::Permitted;
use airlock_sandbox::Gate;
use airlock_store::StoreError;
use async_trait::async_trait;
use tokio::{sync::mpsc, time::Instant};

use crate::{app::Backends, record::CallFacts};
use budget::Budget;
use plan::Plan;

pub(crate) use classes::Classes;

/// How much later than the call a host call would end by itself. Without it the two clocks race, and a call that runs out
/// of time would now be stopped and now be told of a slow database.
const AFTER_THE_CALL: Duration = Duration::from_millis(100);
/// Host calls beyond `host_calls` or `host_bytes` that are recorded one by one; the rest is counted. A guest that ignores
/// refusals could otherwise fill the trail's queue, which all tenants share.
const BEYOND_BUDGET_RECORDED_MAX: u64 = 16;
/// Host calls that a grant or rule denies and that get a record each.
const DENIED_RECORDED_MAX: u64 = 100;

/// The gate of one call: its grants, its budgets and the way to its backends.
pub(crate) struct CallGate {
    backends: Arc<Backends>,
    facts: Arc<CallFacts>,
    /// Holds the grants, and the tenant's slot until the call is over.
    admitted: Admitted,
    budget: Budget,
    /// Host calls beyond the budget so far.
    beyond_budget: AtomicU64,
    denied: AtomicU64,
    /// When a host call ends at the latest.
    deadline: Instant,
    logs: Option<mpsc::Sender<LogLine>>,
}

impl CallGate {
    pub(crate) fn new(
        backends: Arc<Backends>,
        facts: Arc<CallFacts>,
        admitted: Admitted,
        ends: Instant,
        logs: Option<mpsc::Sender<LogLine>>,
    ) -> Self {
        let budget = Budget::new(admitted.limits().clone());
        Self {
            backends,
            facts,
            admitted,
            budget,
            beyond_budget: AtomicU64::new(0),
            denied: AtomicU64::new(0),
            deadline: ends + AFTER_THE_CALL,
            logs,
        }
    }

    /// What the call spent, with what the sandbox measured. Its tenant pays for the fuel.
    pub(crate) fn usage(&self, fuel: u64, memory_bytes: u64, wall: Duration) -> Usage {
        self.record_unrecorded();
        let wall_us = u64::try_from(wall.as_micros()).unwrap_or(u64::MAX);
        self.admitted.settle(fuel);
        Usage { fuel, memory_bytes, wall_us, ..self.budget.usage() }
    }

    /// Charge, plan (analyse, check the grant, apply the policy), record the intent, perform, record the outcome.
    async fn touch(&self, call: HostCall) -> Result<HostReply, HostError> {
        if let Err(error) = self.budget.charge_call(&call) {
            // Not even looked at: analysis is work that the guest has no budget for.
            return Err(self.deny_beyond_budget(&call, error));
        }
        let Plan { event, decision, has_effect } = self.plan(call);
        let paid = |permitted: Permitted| self.budget.charge_permitted(&permitted).map(|()| permitted);
        let permitted = match decision.and_then(paid) {
            Ok(permitted) => permitted,
            Err(error) => return Err(self.deny_up_to(&self.denied, DENIED_RECORDED_MAX, event, error)),
        };
        let mut open = OpenIntent { gate: self, event: Some(event.clone()) };
        self.record_intent(event, has_effect).await?;
        let began = Instant::now();
        let performed = self.facts.settings.resources.perform(&self.facts.deployed.environment, permitted).await;
        let reply = self.budget.charge_reply(performed);
        if let Some(mut event) = open.event.take() {
            event.duration_us = Some(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
            self.record_outcome(event, &reply);
        }
        reply
    }

    fn deny_beyond_budget(&self, call: &HostCall, error: HostError) -> HostError {
        self.deny_up_to(&self.beyond_budget, BEYOND_BUDGET_RECORDED_MAX, self.describe(call), error)
    }

    /// All tenants share the trail: one call's refusals must not fill it.
    fn deny_up_to(&self, count: &AtomicU64, recorded_max: u64, event: AuditEvent, error: HostError) -> HostError {
        if count.fetch_add(1, Relaxed) < recorded_max { self.deny(event, error) } else { error }
    }

    /// Records how many host calls were refused without a record of their own. At the end of the call, once.
    fn record_unrecorded(&self) {
        let beyond = self.beyond_budget.swap(0, Relaxed).saturating_sub(BEYOND_BUDGET_RECORDED_MAX);
        let unrecorded = beyond + self.denied.swap(0, Relaxed).saturating_sub(DENIED_RECORDED_MAX);
        if unrecorded == 0 {
            return;
        }
        let mut event = self.facts.event(AuditKind::HostCallOutcome);
        event.decision = Some(Decision::Deny);
        event.reason = Some(Reason::HostCallsExhausted.to_string());
        event.message =
            Some(format!("{unrecorded} more host calls of this call were refused, not recorded one by one"));
        self.enqueue(event);
    }

    fn deny(&self, mut event: AuditEvent, error: HostError) -> HostError {
        event.kind = AuditKind::HostCallOutcome;
        event.decision = Some(Decision::Deny);
        event.reason = Some(error.reason().to_owned());
        event.message = Some(error.to_string());
        self.enqueue(event);
        error
    }

    /// Before an effect the intent is durable; before a read it is queued, and durable before the reply leaves.
    async fn record_intent(&self, event: AuditEvent, has_effect: bool) -> Result<(), HostError> {
        let store = &self.backends.store;
        let written = if has_effect { store.append(event).await.map(drop) } else { store.enqueue(event) };
        written.map_err(|error| {
            tracing::error!(invocation = %self.facts.invocation, %error, "a host call could not be recorded");
            HostError::Unavailable("the audit trail cannot be written, so the call was not made".to_owned())
        })
    }

    fn record_outcome(&self, mut event: AuditEvent, reply: &Result<HostReply, HostError>) {
        event.kind = AuditKind::HostCallOutcome;
        event.decision = Some(Decision::Permit);
        match reply {
            Ok(reply) => describe_reply(&mut event, reply),
            Err(error) => {
                event.reason = Some(error.reason().to_owned());
                event.message = Some(error.to_string());
            }
        }
        self.enqueue_closing(event);
    }

    /// The trail refuses only when it is broken, and then the call's own record fails and withholds the reply.
    fn enqueue(&self, event: AuditEvent) {
        self.queued(self.backends.store.enqueue(event));
    }

    /// An outcome closes its intent, for which there is always room.
    fn enqueue_closing(&self, event: AuditEvent) {
        self.queued(self.backends.store.enqueue_closing(event));
    }

    fn queued(&self, queued: Result<(), StoreError>) {
        if let Err(error) = queued {
            tracing::error!(invocation = %self.facts.invocation, %error, "an outcome could not be recorded");
        }
    }
}

/// A call that is dropped before its end has its refusals counted all the same.
impl Drop for CallGate {
    fn drop(&mut self) {
        self.record_unrecorded();
    }
}

/// A recorded intent that has no outcome yet. A guest that ends without waiting for its call drops it here.
struct OpenIntent<'a> {
    gate: &'a CallGate,
    event: Option<AuditEvent>,
}

impl Drop for OpenIntent<'_> {
    fn drop(&mut self) {
        if let Some(mut event) = self.event.take() {
            event.kind = AuditKind::HostCallOutcome;
            event.decision = Some(Decision::Permit);
            event.reason = Some("outcome_unknown".to_owned());
            event.message =
                Some("the function ended before this call did; whether it took effect is not known".to_owned());
            self.gate.enqueue_closing(event);
        }
    }
}

fn describe_reply(event: &mut AuditEvent, reply: &HostReply) {
    event.reason = Some("ok".to_owned());
    event.bytes = Some(event.bytes.unwrap_or(0).saturating_add(reply.size_bytes()));
    match reply {
        HostReply::Rows(rows) => event.rows = Some(rows.row_count),
        HostReply::Affected(rows) => event.rows = Some(*rows),
        HostReply::Http(response) => event.status = Some(response.status),
        HostReply::Kv(_) | HostReply::Blob(_) | HostReply::Logged => {}
    }
}

/// The digest that stands in the trail for arguments which may be personal.
fn arguments_digest(parts: &[&[u8]]) -> Option<String> {
    Some(Digest::of_parts(parts).to_string())
}

#[async_trait]
impl Gate for CallGate {
    fn limits(&self) -> &EffectiveLimits {
        self.budget.limits()
    }

    async fn call(&self, call: HostCall) -> Result<HostReply, HostError> {
        match call {
            HostCall::Log(line) => self.log(line).await,
            call @ (HostCall::Sql(_) | HostCall::Http(_) | HostCall::Kv(_) | HostCall::Blob(_)) => {
                self.touch(call).await
            }
        }
    }
}
