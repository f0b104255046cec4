//! The one door: every host call of every guest passes [`CallGate::call`], in this order, or does not happen.

mod approvals;
mod blob;
mod budget;
mod classes;
mod completions;
mod documents;
mod exchanges;
mod graphql;
mod http;
mod intent;
mod judge;
mod kept;
mod kv;
mod llm;
mod log;
mod notes;
mod places;
mod plan;
mod said;
mod soql;
mod streams;
mod table;
mod token;
mod trail;
mod transactions;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64},
    },
    time::Duration,
};

use airlock_access::Admitted;
use airlock_model::{AuditEvent, EffectiveLimits, HostCall, HostError, HostReply, Kept, LogLine, Usage};
use airlock_resources::Performed;
use airlock_sandbox::Gate;
use async_trait::async_trait;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::Instant,
};

use crate::{app::Backends, record::CallFacts};
use completions::Completions;
use exchanges::Exchanges;
use intent::OpenIntent;
use plan::{Act, Plan};
use streams::Streams;
use trail::{OUTCOME_UNKNOWN, describe_reply, describe_traffic};
use transactions::Transactions;

pub(crate) use approvals::{Change, refused as approval_refused, too_many};
pub(crate) use budget::Budget;
pub(crate) use classes::{Classes, Listed};
pub(crate) use documents::Documents;
pub(crate) use judge::{Judge, Unlisted, access_of, analysed_as};
pub(crate) use kept::keep;
pub(crate) use llm::Models;
pub(crate) use notes::{Notes, Stage, Steps};

/// How much later than the call a host call would end by itself. Without it the two clocks race, and a call that runs out
/// of time would now be stopped and now be told of a slow database.
const AFTER_THE_CALL: Duration = Duration::from_millis(100);
/// Transactions and streamed queries that one call has open at a time. Each holds a connection that others wait for.
const HELD_MAX: usize = 4;
/// How long a call that holds one waits for another connection. What it waits for may be held by itself, or by a call that
/// waits for the one it holds.
const CONNECTION_WAIT_MAX: Duration = Duration::from_secs(2);

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
    /// Whether the effects of its token are this call's, where a token is good for those of one call.
    has_claimed: AtomicBool,
    /// Room for what holds a connection from one host call to the next.
    room: Arc<Semaphore>,
    transactions: Transactions,
    streams: Streams,
    completions: Completions,
    exchanges: Exchanges,
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
            has_claimed: AtomicBool::new(false),
            room: Arc::new(Semaphore::new(HELD_MAX)),
            transactions: Transactions::new(),
            streams: Streams::new(),
            completions: Completions::new(),
            exchanges: Exchanges::new(),
            deadline: ends + AFTER_THE_CALL,
            logs,
        }
    }

    /// Ends what the function left open, and gives what the call spent with what the sandbox measured. Its tenant pays for
    /// the fuel.
    pub(crate) fn settle(&self, fuel: u64, memory_bytes: u64, wall: Duration) -> Usage {
        self.let_go_of_all();
        self.end_streams();
        self.let_go_of_completions();
        self.end_exchanges();
        self.record_unrecorded();
        let wall_us = u64::try_from(wall.as_micros()).unwrap_or(u64::MAX);
        self.admitted.settle(fuel);
        Usage { fuel, memory_bytes, wall_us, ..self.budget.usage() }
    }

    /// Charge, wait for its turn, plan (analyse, check the grant, apply the policy), claim the approval and record the intent in
    /// one step, perform, record the outcome.
    async fn touch(&self, call: HostCall) -> Result<HostReply, HostError> {
        if let Err(error) = self.budget.charge_call(&call) {
            // Not even looked at: analysis is work that the guest has no budget for.
            return Err(self.deny_beyond_budget(&call, error));
        }
        // Whatever comes of it, it will be on record.
        self.admitted.pace_host_call().await;
        if let Err(error) = self.check_revoked(&call) {
            return Err(self.deny_by_rule(self.describe(&call), error));
        }
        let Plan { event, decision, has_effect } = self.plan(call);
        let paid = |act: Act| self.budget.charge_act(&act).map(|()| act);
        let mut act = match decision.and_then(paid) {
            Ok(act) => act,
            Err(error) => return Err(self.deny_by_rule(event, error)),
        };
        if has_effect && let Err(error) = self.claim_effects().await {
            return Err(self.deny_by_rule(event, error));
        }
        let mut open = OpenIntent::new(self, event.clone(), act.stop_notice());
        let executing = match self.record_and_claim(event, has_effect, &mut act).await {
            Ok(executing) => executing,
            Err(error) => {
                // It was not made, so there is nothing to close.
                drop(open.take());
                return Err(error);
            }
        };
        open.rests_on(executing.as_ref());
        let began = Instant::now();
        let performed = self.perform(act, &mut open).await;
        Self::settle_approval(executing, &performed);
        if let Some(mut event) = open.take() {
            event.duration_us = Some(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
            event.reason = performed.is_outcome_unknown.then(|| OUTCOME_UNKNOWN.to_owned());
            return self.conclude(event, performed);
        }
        self.budget.charge_reply(performed)
    }

    /// Records what became of the call, which is done whether or not the function has budget left to be told.
    fn conclude(&self, mut event: AuditEvent, performed: Performed) -> Result<HostReply, HostError> {
        let was_done = performed.reply.is_ok();
        if let Some(traffic) = &performed.traffic {
            describe_traffic(&mut event, traffic);
        }
        if let Ok(reply) = &performed.reply {
            describe_reply(&mut event, reply);
        }
        let reply = self.budget.charge_reply(performed);
        match &reply {
            // What comes of it is known at its end.
            Ok(HostReply::Streaming(id)) => self.streams.keep(*id, event),
            Ok(HostReply::Completing(id)) => self.completions.keep(*id, event),
            Ok(HostReply::Opened(id)) => self.exchanges.keep(*id, event),
            Err(error) if was_done => {
                event.message = Some(format!("the function was not given the answer: {error}"));
                self.record_described(event);
            }
            _ => self.record_outcome(event, &reply),
        }
        reply
    }

    async fn perform(&self, act: Act, open: &mut OpenIntent<'_>) -> Performed {
        let (resources, environment) = (&self.facts.settings.resources, &self.facts.deployed.environment);
        match act {
            Act::Alone(permitted) => resources.perform(environment, permitted).await,
            Act::Stream(request) => self.start_stream(request).await,
            Act::Open(request) => self.open_exchange(*request).await,
            Act::Complete(request, paid) => self.complete(request, paid, open).await,
            Act::CompleteInPieces(request, paid) => self.start_completion(request, paid, open).await,
            Act::Begin(request) => self.begin(request).await,
            Act::Within(id, request) => self.perform_within(id, request).await,
            Act::Commit(id) => self.commit(id).await,
            Act::Rollback(id) => self.roll_back(id).await,
        }
    }

    /// Why what is open ends with the call, where that is its deadline.
    fn cut_short(&self) -> Option<HostError> {
        let is_late = Instant::now() + AFTER_THE_CALL >= self.deadline;
        is_late.then(|| HostError::Timeout("the call reached its deadline before this had ended".to_owned()))
    }

    /// Room to hold a connection from one host call to the next, and when waiting for that connection ends: others that are
    /// being opened at the same time count.
    fn room(&self) -> Result<(OwnedSemaphorePermit, Instant), HostError> {
        let connection_by = self.connection_by();
        let room = Arc::clone(&self.room).try_acquire_owned().map_err(|_| {
            HostError::BadRequest(format!(
                "a call may have {HELD_MAX} transactions and streams open at a time: end one before the next"
            ))
        })?;
        Ok((room, connection_by))
    }

    /// When waiting for a connection ends.
    fn connection_by(&self) -> Instant {
        let holds = self.room.available_permits() < HELD_MAX;
        if holds { self.deadline.min(Instant::now() + CONNECTION_WAIT_MAX) } else { self.deadline }
    }
}

/// A call that is dropped before its end has its refusals counted all the same.
impl Drop for CallGate {
    fn drop(&mut self) {
        self.let_go_of_all();
        self.end_streams();
        self.let_go_of_completions();
        self.end_exchanges();
        self.record_unrecorded();
    }
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
            HostCall::NextPiece(asked) => self.next_piece(asked).await,
            HostCall::Exchange(asked) => self.step(asked).await,
            HostCall::Covers(asked) => self.covers(&asked),
            call @ (HostCall::Sql(_)
            | HostCall::Transaction(_)
            | HostCall::Stream(_)
            | HostCall::Http(_)
            | HostCall::Open(_)
            | HostCall::Graphql(_)
            | HostCall::Llm(_)
            | HostCall::Kv(_)
            | HostCall::Blob(_)) => self.touch(call).await,
        }
    }

    fn release(&self, kept: Kept) {
        match kept {
            Kept::Transaction(id) => self.let_go(id, "the function let go of the transaction without ending it"),
            Kept::Stream(id) => self.end_stream(id),
            Kept::Completion(id) => self.let_go_of_completion(id),
            Kept::Exchange(id) => self.end_exchange(id),
        }
    }
}
