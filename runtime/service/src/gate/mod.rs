//! The one door: every host call of every guest passes [`CallGate::call`], in this order, or does not happen.

mod budget;
mod classes;
mod log;
mod plan;
mod streams;
mod transactions;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use airlock_access::Admitted;
use airlock_model::{
    AuditEvent, AuditKind, Decision, Digest, EffectiveLimits, HostCall, HostError, HostReply, Kept, LogLine, Reason,
    TransactionId, Usage,
};
use airlock_resources::Performed;
use airlock_sandbox::Gate;
use airlock_store::StoreError;
use async_trait::async_trait;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::Instant,
};

use crate::{app::Backends, record::CallFacts};
use budget::Budget;
use plan::{Act, Plan};
use streams::Streams;
use transactions::Transactions;

pub(crate) use classes::{Classes, Listed};
pub(crate) use plan::analysed_as;

/// How much later than the call a host call would end by itself. Without it the two clocks race, and a call that runs out
/// of time would now be stopped and now be told of a slow database.
const AFTER_THE_CALL: Duration = Duration::from_millis(100);
/// Host calls beyond `host_calls` or `host_bytes` that are recorded one by one; the rest is counted. A guest that ignores
/// refusals could otherwise fill the trail's queue, which all tenants share.
const BEYOND_BUDGET_RECORDED_MAX: u64 = 16;
/// Host calls that a grant or rule denies and that get a record each.
const DENIED_RECORDED_MAX: u64 = 100;
/// Transactions and streamed queries that one call has open at a time. Each holds a connection that others wait for.
const HELD_MAX: usize = 4;
/// How long a call that holds one waits for another connection. What it waits for may be held by itself, or by a call that
/// waits for the one it holds.
const CONNECTION_WAIT_MAX: Duration = Duration::from_secs(2);
/// The outcome of what may have taken effect and of which nobody knows.
const OUTCOME_UNKNOWN: &str = "outcome_unknown";

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
    /// Room for what holds a connection from one host call to the next.
    room: Arc<Semaphore>,
    transactions: Transactions,
    streams: Streams,
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
            room: Arc::new(Semaphore::new(HELD_MAX)),
            transactions: Transactions::new(),
            streams: Streams::new(),
            deadline: ends + AFTER_THE_CALL,
            logs,
        }
    }

    /// Ends what the function left open, and gives what the call spent with what the sandbox measured. Its tenant pays for
    /// the fuel.
    pub(crate) fn settle(&self, fuel: u64, memory_bytes: u64, wall: Duration) -> Usage {
        self.let_go_of_all();
        self.end_streams();
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
        let paid = |act: Act| self.budget.charge_act(&act).map(|()| act);
        let act = match decision.and_then(paid) {
            Ok(act) => act,
            Err(error) => return Err(self.deny_up_to(&self.denied, DENIED_RECORDED_MAX, event, error)),
        };
        let mut open = OpenIntent { gate: self, event: Some(event.clone()) };
        self.record_intent(event, has_effect).await?;
        let began = Instant::now();
        let performed = self.perform(act).await;
        let is_unknown = performed.is_outcome_unknown;
        let reply = self.budget.charge_reply(performed);
        if let Some(mut event) = open.event.take() {
            event.duration_us = Some(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
            event.reason = is_unknown.then(|| OUTCOME_UNKNOWN.to_owned());
            match &reply {
                // What comes of it is known at its end.
                Ok(HostReply::Streaming(id)) => self.streams.keep(*id, event),
                _ => self.record_outcome(event, &reply),
            }
        }
        reply
    }

    async fn perform(&self, act: Act) -> Performed {
        let (resources, environment) = (&self.facts.settings.resources, &self.facts.deployed.environment);
        match act {
            Act::Alone(permitted) => resources.perform(environment, permitted).await,
            Act::Stream(request) => self.start_stream(request).await,
            Act::Begin(request) => self.begin(request).await,
            Act::Within(id, request) => self.perform_within(id, request).await,
            Act::Commit(id) => self.commit(id).await,
            Act::Rollback(id) => self.roll_back(id).await,
        }
    }

    /// Room to hold a connection from one host call to the next.
    fn room(&self) -> Result<OwnedSemaphorePermit, HostError> {
        Arc::clone(&self.room).try_acquire_owned().map_err(|_| {
            HostError::BadRequest(format!(
                "a call may have {HELD_MAX} transactions and streams open at a time: end one before the next"
            ))
        })
    }

    /// When waiting for a connection ends.
    fn connection_by(&self) -> Instant {
        let holds = self.room.available_permits() < HELD_MAX;
        if holds { self.deadline.min(Instant::now() + CONNECTION_WAIT_MAX) } else { self.deadline }
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
                event.reason.get_or_insert_with(|| error.reason().to_owned());
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
        self.let_go_of_all();
        self.end_streams();
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
            event.reason = Some(OUTCOME_UNKNOWN.to_owned());
            event.message =
                Some("the function ended before this call did; whether it took effect is not known".to_owned());
            self.gate.enqueue_closing(event);
        }
    }
}

fn describe_reply(event: &mut AuditEvent, reply: &HostReply) {
    event.reason = Some("ok".to_owned());
    event.bytes = Some(reply.size_bytes());
    match reply {
        HostReply::Rows(rows) => event.rows = Some(rows.row_count),
        HostReply::Affected(rows) => event.rows = Some(*rows),
        HostReply::Http(response) => event.status = Some(response.status),
        HostReply::Begun(TransactionId(number)) => event.transaction = Some(*number),
        HostReply::Streaming(_) | HostReply::Batch(_) | HostReply::Ended | HostReply::Logged => {}
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
            HostCall::NextBatch(asked) => self.next_batch(asked).await,
            call @ (HostCall::Sql(_) | HostCall::Transaction(_) | HostCall::Stream(_) | HostCall::Http(_)) => {
                self.touch(call).await
            }
        }
    }

    fn release(&self, kept: Kept) {
        match kept {
            Kept::Transaction(id) => self.let_go(id, "the function let go of the transaction without ending it"),
            Kept::Stream(id) => self.end_stream(id),
        }
    }
}
