//! What the trail keeps of a call's host calls: intents, outcomes and refusals.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use airlock_model::{AuditEvent, AuditKind, Decision, HostCall, HostError, HostReply, Reason, TransactionId};
use airlock_resources::Traffic;
use airlock_store::StoreError;

use super::CallGate;

/// Host calls beyond `host_calls` or `host_bytes` that are recorded one by one; the rest is counted. A guest that ignores
/// refusals could otherwise fill the trail's queue, which all tenants share.
const BEYOND_BUDGET_RECORDED_MAX: u64 = 16;
/// Host calls that a grant or rule denies and that get a record each.
const DENIED_RECORDED_MAX: u64 = 100;
/// The outcome of what may have taken effect and of which nobody knows.
pub(super) const OUTCOME_UNKNOWN: &str = "outcome_unknown";

impl CallGate {
    pub(super) fn deny_beyond_budget(&self, call: &HostCall, error: HostError) -> HostError {
        self.deny_up_to(&self.beyond_budget, BEYOND_BUDGET_RECORDED_MAX, self.describe(call), error)
    }

    pub(super) fn deny_by_rule(&self, event: AuditEvent, error: HostError) -> HostError {
        self.deny_up_to(&self.denied, DENIED_RECORDED_MAX, event, error)
    }

    /// All tenants share the trail: one call's refusals must not fill it.
    fn deny_up_to(&self, count: &AtomicU64, recorded_max: u64, event: AuditEvent, error: HostError) -> HostError {
        if count.fetch_add(1, Relaxed) < recorded_max {
            return self.deny(event, error);
        }
        self.backends.telemetry.host_call_denied(&event, error.reason());
        error
    }

    /// Records how many host calls were refused without a record of their own. At the end of the call, once.
    pub(super) fn record_unrecorded(&self) {
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
        event.message.get_or_insert_with(|| error.to_string());
        self.enqueue(event);
        error
    }

    /// Before an effect the intent is durable; before a read it is queued, and durable before the reply leaves.
    pub(super) async fn record_intent(&self, event: AuditEvent, has_effect: bool) -> Result<(), HostError> {
        let store = &self.backends.store;
        let written = if has_effect { store.append(event).await.map(drop) } else { store.enqueue(event) };
        written.map_err(|error| self.unrecorded(&error))
    }

    pub(super) fn unrecorded(&self, error: &StoreError) -> HostError {
        tracing::error!(invocation = %self.facts.invocation, trace_id = self.facts.trace_id(), %error, "a host call could not be recorded");
        HostError::Unavailable("the audit trail cannot be written, so the call was not made".to_owned())
    }

    /// Records an outcome; a reply was described before.
    pub(super) fn record_outcome(&self, mut event: AuditEvent, reply: &Result<HostReply, HostError>) {
        if let Err(error) = reply {
            event.reason.get_or_insert_with(|| error.reason().to_owned());
            event.message = Some(self.told(error));
        }
        self.record_described(event);
    }

    pub(super) fn record_described(&self, mut event: AuditEvent) {
        event.kind = AuditKind::HostCallOutcome;
        event.decision = Some(Decision::Permit);
        self.enqueue_closing(event);
    }

    /// The trail refuses only when it is broken, and then the call's own record fails and withholds the reply.
    pub(super) fn enqueue(&self, event: AuditEvent) {
        self.observe(&event);
        self.queued(self.backends.store.enqueue(event));
    }

    /// An outcome closes its intent, for which there is always room.
    pub(super) fn enqueue_closing(&self, event: AuditEvent) {
        self.observe(&event);
        self.queued(self.backends.store.enqueue_closing(event));
    }

    /// What operators see of a host call is what the trail is told.
    fn observe(&self, event: &AuditEvent) {
        if event.kind == AuditKind::HostCallOutcome {
            self.backends.telemetry.host_call_ended(event, self.facts.trace.as_ref());
            if let Some(tracer) = &self.backends.telemetry.tracer {
                tracer.host_call(&self.facts, event);
            }
        }
    }

    fn queued(&self, queued: Result<(), StoreError>) {
        if let Err(error) = queued {
            tracing::error!(invocation = %self.facts.invocation, trace_id = self.facts.trace_id(), %error, "an outcome could not be recorded");
        }
    }
}

pub(super) fn describe_traffic(event: &mut AuditEvent, traffic: &Traffic) {
    event.hosts.clone_from(&traffic.hosts);
    event.attempts = Some(traffic.attempts);
    (event.sent_bytes, event.received_bytes) = (Some(traffic.sent_bytes), Some(traffic.received_bytes));
}

pub(super) fn describe_reply(event: &mut AuditEvent, reply: &HostReply) {
    event.reason = Some("ok".to_owned());
    event.bytes = Some(event.bytes.unwrap_or(0).saturating_add(reply.size_bytes()));
    match reply {
        HostReply::Rows(rows) => event.rows = Some(rows.row_count),
        HostReply::Affected(rows) => event.rows = Some(*rows),
        HostReply::Http(response) => event.status = Some(response.status),
        HostReply::Begun(TransactionId(number)) => event.transaction = Some(*number),
        HostReply::Head(head) => event.status = Some(head.status),
        HostReply::Streaming(_) | HostReply::Batch(_) | HostReply::Ended => {}
        HostReply::Completion(_) | HostReply::Completing(_) | HostReply::Completed(_) => {}
        HostReply::Opened(_) | HostReply::Piece(_) | HostReply::Covered(_) => {}
        HostReply::Kv(_) | HostReply::Blob(_) | HostReply::Graphql(_) | HostReply::Logged => {}
    }
}
