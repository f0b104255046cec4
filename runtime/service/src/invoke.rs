//! The story of one call.

use std::{num::NonZeroU64, sync::Arc, time::Duration};

use airlock_access::{Admitted, Holding, Presented, Sender, Terms, VerifiedToken, authorize_invoke};
use airlock_model::{
    AuditKind, EffectiveLimits, EnvironmentName, Failure, FunctionError, FunctionName, InvocationContext, InvocationId,
    InvokeRequest, Limit, LimitCaps, LogLine, Outcome, Usage,
};
use airlock_sandbox::{Job, Run, run};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use uuid::Uuid;

use crate::{
    App,
    app::store_failure,
    clock,
    gate::CallGate,
    input::not_json,
    record::{CallFacts, CallRecord},
    refusals::{Refused, Subject},
    registry::Deployed,
    settings::Settings,
    telemetry::{CallTrace, TraceContext},
};

/// One request to run a function.
pub struct InvokeCall {
    /// The token's text, without its scheme.
    pub bearer: Option<String>,
    /// What the request shows of its sender beside the token.
    pub sender: Sender,
    /// What is asked.
    pub request: InvokeRequest,
    /// What is left of the caller's own deadline.
    pub remaining: Option<Duration>,
    /// Where log lines go while the function runs.
    pub logs: Option<mpsc::Sender<LogLine>>,
    /// The caller's own name for the request, by which it can cancel it.
    pub request_id: Option<Arc<str>>,
    /// Told the run's id when it begins.
    pub begun: Option<oneshot::Sender<InvocationId>>,
    /// What is held for the caller: the answer is counted there, until whoever shares it has sent it.
    pub holding: Holding,
    /// Where the request stands in a trace.
    pub trace: Option<TraceContext>,
}

/// A run that ended as its function wanted.
#[derive(Debug)]
pub struct InvokeReply {
    /// Identifies the run.
    pub invocation: InvocationId,
    /// Digest of the revision that ran.
    pub revision: Arc<str>,
    /// What the function said.
    pub answer: Answer,
    /// What it spent.
    pub usage: Usage,
}

/// What a function said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// JSON text.
    Returned(String),
    /// Its own error.
    FunctionError(FunctionError),
}

/// A call that was refused or stopped.
#[derive(Debug, thiserror::Error)]
#[error("{failure}")]
pub struct InvokeError {
    /// Why.
    pub failure: Failure,
    /// Set when the call had begun.
    pub invocation: Option<InvocationId>,
    /// Set when the call had begun.
    pub usage: Option<Usage>,
}

impl From<Failure> for InvokeError {
    fn from(failure: Failure) -> Self {
        Self { failure, invocation: None, usage: None }
    }
}

impl App {
    /// Verifies, authorizes, admits, runs and records one call.
    ///
    /// # Errors
    /// Every refusal and every stop, as the caller is told it. Nothing has run when `invocation` is missing.
    pub async fn invoke(&self, call: InvokeCall) -> Result<InvokeReply, InvokeError> {
        let received = Instant::now();
        // Once, so that the whole call sees one configuration.
        let settings = self.settings();
        let admitted = self.admit(&settings, &call).await;
        let (deployed, admitted) = admitted.map_err(|refused| self.refuse(&call.request, refused))?;
        let facts = self.open_facts(settings, deployed.clone(), &admitted, call.trace.as_ref())?;
        let record = CallRecord::open(self.backends.clone(), facts.clone());
        let deadline = received + Duration::from_millis(admitted.limits().get(Limit::WallTimeMs));
        let context = Arc::new(context(&facts, deadline));
        let gate = CallGate::new(self.backends.clone(), facts.clone(), admitted, deadline, call.logs);
        let gate = Arc::new(gate);
        let running = self.running.enter(facts.clone(), call.request_id);
        // Whoever revoked between the first look and here has not seen this call among the running.
        let still_good = self.still_good(&facts);
        if let Some(begun) = call.begun {
            // Nobody may be listening any more; the run goes on until its future is dropped.
            let _ = begun.send(facts.invocation.clone());
        }
        let program = deployed.program.clone();
        let job = Job { program, gate: gate.clone(), context, deadline, payload: call.request.payload };
        let ended = match still_good {
            Ok(()) => running.until_cancelled(run(job, &self.lanes)).await,
            Err(failure) => Run { outcome: Outcome::Failed(failure), fuel: 0, memory_bytes: 0 },
        };
        let usage = gate.settle(ended.fuel, ended.memory_bytes, received.elapsed());
        let outcome = keep(ended.outcome, &call.holding);
        record.finish(&outcome, usage).await?;
        reply(outcome, &facts, usage)
    }

    /// Everything that can turn a call away before it costs anything.
    async fn admit(&self, settings: &Settings, call: &InvokeCall) -> Result<(Arc<Deployed>, Admitted), Refused> {
        let InvokeRequest { function, environment, alias, payload } = &call.request;
        let presented = Presented { token: call.bearer.as_deref(), sender: Some(&call.sender) };
        let token = self.verify(settings, presented)?;
        let authorized =
            authorize_invoke(&token, function.clone(), environment.clone()).map_err(Refused::by(&token))?;
        self.check_function(&token, environment, function).map_err(Refused::by(&token))?;
        let environment = settings.environment(environment).map_err(Refused::by(&token))?;
        call.holding.claim(&token.principal().tenant).map_err(Refused::by(&token))?;
        let deployed = self.registry.resolve(&authorized, alias.as_ref()).map_err(Refused::by(&token))?;
        let tenant = settings.tenant(&token.principal().tenant);
        let terms = Terms {
            operator: &settings.operator,
            tenant: &tenant.caps,
            environment: &environment.limits.caps,
            function: &deployed.limits,
            caller: &caller_caps(call.remaining),
            places: &settings.places(tenant, environment, &deployed),
            manifest_grants: &deployed.manifest_grants,
            environment_grants: &environment.grants,
        };
        let placed = |why| settings.placed(why, &token.principal().tenant);
        let admitted = self.admission.admit(authorized, terms).await.map_err(placed).map_err(Refused::by(&token))?;
        self.backends.telemetry.waited(admitted.waited());
        let wall_time = Duration::from_millis(admitted.limits().get(Limit::WallTimeMs));
        self.lanes.have_room(&deployed.program, wall_time).map_err(Refused::by(&token))?;
        check_payload(payload, &deployed, admitted.limits()).map_err(Refused::by(&token))?;
        // The last, so that only a call that begins is counted.
        self.count_call(&token, settings).await.map_err(Refused::by(&token))?;
        Ok((deployed, admitted))
    }

    pub(crate) fn check_function(
        &self,
        token: &VerifiedToken,
        environment: &EnvironmentName,
        function: &FunctionName,
    ) -> Result<(), Failure> {
        self.backends.revocations.check_function(&token.principal().tenant, environment, function)
    }

    fn still_good(&self, facts: &CallFacts) -> Result<(), Failure> {
        self.backends.revocations.check_token(&facts.token)?;
        self.check_function(&facts.token, &facts.deployed.environment, &facts.deployed.function)
    }

    fn refuse(&self, request: &InvokeRequest, refused: Refused) -> Failure {
        let (function, environment) = (Some(request.function.as_str()), request.environment.as_str());
        // The kind of the record says it.
        let subject = Subject { rpc: None, function, environment };
        self.refusals.record(&self.backends, AuditKind::InvocationRefused, subject, refused)
    }

    /// Takes a number in the audit trail: from here on the call cannot vanish unnoticed.
    fn open_facts(
        &self,
        settings: Arc<Settings>,
        deployed: Arc<Deployed>,
        admitted: &Admitted,
        trace: Option<&TraceContext>,
    ) -> Result<Arc<CallFacts>, Failure> {
        let store = &self.backends.store;
        let number = store.ready().and_then(|()| store.next_call_number()).map_err(|why| store_failure(&why))?;
        Ok(Arc::new(CallFacts {
            invocation: InvocationId(Uuid::now_v7().to_string().into()),
            number,
            principal: admitted.principal().clone(),
            token: admitted.token().clone(),
            deployed,
            settings,
            trace: trace.map(|above| CallTrace::below(above, self.backends.telemetry.tracer.is_some())),
        }))
    }
}

/// The caller's deadline is a limit like the others. One that has passed still leaves a millisecond to say so.
fn caller_caps(remaining: Option<Duration>) -> LimitCaps {
    let in_ms = |remaining: Duration| u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX);
    let wall_time_ms = remaining.map(|remaining| NonZeroU64::new(in_ms(remaining)).unwrap_or(NonZeroU64::MIN));
    LimitCaps { wall_time_ms, ..LimitCaps::default() }
}

fn check_payload(payload: &str, deployed: &Deployed, limits: &EffectiveLimits) -> Result<(), Failure> {
    let size = payload.len() as u64;
    if size > limits.get(Limit::PayloadBytes) {
        return Err(Failure::limit(Limit::PayloadBytes, limits, size));
    }
    match &deployed.input {
        Some(schema) => schema.check(payload),
        None => serde_json::from_str::<serde::de::IgnoredAny>(payload).map(drop).map_err(|why| not_json(&why)),
    }
}

fn context(facts: &CallFacts, deadline: Instant) -> InvocationContext {
    let left = deadline.saturating_duration_since(Instant::now());
    InvocationContext {
        id: facts.invocation.clone(),
        function: facts.deployed.function.clone(),
        revision: facts.deployed.revision.clone(),
        environment: facts.deployed.environment.clone(),
        principal: facts.principal.clone(),
        deadline_unix_ms: clock::now_unix_ms().saturating_add(u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
    }
}

/// Counts the answer for as long as the caller has not read it. What the function did stays done when there is no room.
fn keep(outcome: Outcome, holding: &Holding) -> Outcome {
    let bytes = match &outcome {
        Outcome::Returned(output) => output.len(),
        Outcome::FunctionError(error) => error.code.len() + error.message.len() + error.details.len(),
        Outcome::Failed(_) => return outcome,
    };
    match holding.hold_answer(bytes as u64) {
        Ok(()) => outcome,
        Err(mut full) => {
            full.message =
                format!("the function ran, but its answer of {bytes} bytes had to be dropped: {}", full.message);
            Outcome::Failed(full)
        }
    }
}

fn reply(outcome: Outcome, facts: &CallFacts, usage: Usage) -> Result<InvokeReply, InvokeError> {
    let invocation = facts.invocation.clone();
    let answer = match outcome {
        Outcome::Returned(output) => Answer::Returned(output),
        Outcome::FunctionError(error) => Answer::FunctionError(error),
        Outcome::Failed(failure) => {
            return Err(InvokeError { failure, invocation: Some(invocation), usage: Some(usage) });
        }
    };
    Ok(InvokeReply { invocation, revision: facts.deployed.revision.clone(), answer, usage })
}
