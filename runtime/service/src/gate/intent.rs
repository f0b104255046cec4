//! Intents without an outcome: host calls that their function did not wait for.

use std::{sync::Arc, time::Duration};

use airlock_model::{AuditEvent, AuditKind, Decision, Reason, StatementClass};
use airlock_resources::StopNotice;
use airlock_store::Executing;
use tokio::{runtime::Handle, time::timeout};

use super::{CallGate, trail::OUTCOME_UNKNOWN};
use crate::app::Backends;

/// How long the trail waits for a database's word that it has stopped a statement.
const CONFIRM_MAX: Duration = Duration::from_secs(10);

/// A recorded intent that has no outcome yet. A guest that ends without waiting for its call drops it here.
pub(super) struct OpenIntent<'a> {
    gate: &'a CallGate,
    event: Option<AuditEvent>,
    stop: Option<StopNotice>,
}

impl<'a> OpenIntent<'a> {
    pub(super) fn new(gate: &'a CallGate, event: AuditEvent, stop: Option<StopNotice>) -> Self {
        Self { gate, event: Some(event), stop }
    }

    /// The outcome names the approval as the intent does.
    pub(super) fn rests_on(&mut self, executing: Option<&Executing>) {
        if let Some(event) = &mut self.event {
            event.approval = executing.map(|executing| executing.approval().id.to_string());
        }
    }

    /// What its outcome will say, so far.
    pub(super) fn event(&mut self) -> Option<&mut AuditEvent> {
        self.event.as_mut()
    }

    /// What has an outcome now, or needs none.
    pub(super) fn take(&mut self) -> Option<AuditEvent> {
        let sent = self.stop.as_ref().and_then(StopNotice::was_sent);
        self.event.take().map(|event| AuditEvent { sent, ..event })
    }
}

impl Drop for OpenIntent<'_> {
    fn drop(&mut self) {
        let Some(mut event) = self.take() else { return };
        event.kind = AuditKind::HostCallOutcome;
        event.decision = Some(Decision::Permit);
        let (reason, message) = match event.class {
            _ if event.sent == Some(false) => {
                (Reason::Cancelled.as_str(), "the function ended before this was sent to the database")
            }
            Some(StatementClass::Read) => (Reason::Cancelled.as_str(), "the function ended before this call did"),
            _ => (OUTCOME_UNKNOWN, "the function ended before this call did; whether it took effect is not known"),
        };
        (event.reason, event.message) = (Some(reason.to_owned()), Some(message.to_owned()));
        // The outcome stands before the end of the call; what the database says comes later.
        if let (Some(stop), Ok(runtime)) = (self.stop.take(), Handle::try_current()) {
            runtime.spawn(record_stop(Arc::clone(&self.gate.backends), event.clone(), stop));
        }
        self.gate.enqueue_closing(event);
    }
}

/// Records the word of the database, if it comes.
async fn record_stop(backends: Arc<Backends>, mut event: AuditEvent, stop: StopNotice) {
    if timeout(CONFIRM_MAX, stop.confirmed()).await.is_err() {
        return;
    }
    event.kind = AuditKind::StatementStopped;
    event.reason = Some(Reason::Cancelled.to_string());
    event.message = Some("cancelled, server confirmed".to_owned());
    if let Err(error) = backends.store.enqueue(event) {
        tracing::warn!(%error, "that a statement was stopped could not be recorded");
    }
}
