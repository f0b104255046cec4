//! Functions in this process, without a server: engine, program, call.

use std::{
    num::{NonZeroU64, NonZeroUsize},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use airlock_model::{
    EffectiveLimits, HostCall, HostError, HostReply, InvocationContext, InvocationId, Kept, LimitCaps, Limits, Outcome,
    Principal,
};
use airlock_sandbox::{Engine, EngineOptions, Gate, Job, Lanes, Program};
use anyhow::Context;
use async_trait::async_trait;
use tokio::{sync::watch, time::Instant};

use crate::{
    guests::{Component, Places},
    issuer::{CALLER, ENVIRONMENT},
    serve::airlock::compiler,
};

/// Longer than any window.
const WALL_TIME_MAX: Duration = Duration::from_secs(600);
const INSTANCES: u32 = 512;

/// The engine of a server with its pool.
pub(crate) fn engine(instances_max: u32) -> anyhow::Result<Engine> {
    Ok(Engine::new(EngineOptions { instances_max, ..EngineOptions::default() })?)
}

/// The engine as `airlock serve` makes it.
pub(crate) fn default_engine() -> anyhow::Result<Engine> {
    engine(INSTANCES)
}

/// Compiles a component to a file, in the child process that a deploy uses.
pub(crate) async fn compile(places: &Places, component: &Component, artifact: &Path) -> anyhow::Result<()> {
    let compiled = compiler(&places.cache())?.compile(&component.built.component).await?;
    std::fs::write(artifact, compiled).with_context(|| format!("cannot write `{}`", artifact.display()))
}

/// Runs a program again and again, each time as a server would.
pub(crate) struct Caller {
    program: Program,
    gate: Arc<dyn Gate>,
    context: Arc<InvocationContext>,
    lanes: Arc<Lanes>,
}

/// One thread for heavy calls.
pub(crate) fn lane() -> anyhow::Result<Arc<Lanes>> {
    Ok(Arc::new(Lanes::start(NonZeroUsize::MIN)?))
}

impl Caller {
    /// A caller whose heavy calls have a lane of their own.
    pub(crate) fn new(program: Program, gate: Arc<dyn Gate>) -> anyhow::Result<Self> {
        Self::sharing(lane()?, program, gate)
    }

    /// A caller whose heavy calls go where those of others go, as in a server.
    pub(crate) fn sharing(lanes: Arc<Lanes>, program: Program, gate: Arc<dyn Gate>) -> anyhow::Result<Self> {
        let principal =
            Principal { tenant: CALLER.parse()?, app: "bench".parse()?, subject: "caller".to_owned(), actor: None };
        let context = InvocationContext {
            id: InvocationId("0197a3c2-7b1e-7c3a-9d4f-5e6a7b8c9d0e".into()),
            function: "bench".parse()?,
            revision: "0123456789abcdef".repeat(4).into(),
            environment: ENVIRONMENT.parse()?,
            principal: Arc::new(principal),
            deadline_unix_ms: 0,
        };
        Ok(Self { program, gate, context: Arc::new(context), lanes })
    }

    /// One call: a fresh store and instance, the call, and the end of both.
    ///
    /// # Errors
    /// When the function did not answer.
    pub(crate) async fn call(&self, payload: &str) -> anyhow::Result<String> {
        let job = Job {
            program: self.program.clone(),
            gate: self.gate.clone(),
            context: self.context.clone(),
            deadline: Instant::now() + WALL_TIME_MAX,
            payload: payload.to_owned(),
        };
        match airlock_sandbox::run(job, &self.lanes).await.outcome {
            Outcome::Returned(output) => Ok(output),
            Outcome::FunctionError(error) => anyhow::bail!("the function said `{}`: {}", error.code, error.message),
            Outcome::Failed(failure) => {
                let log = failure.log.as_deref().unwrap_or_default();
                anyhow::bail!("the call failed: {failure} {log}")
            }
        }
    }
}

/// The limits that operators start from, but for fuel and time, which windows must not meet.
fn plenty() -> EffectiveLimits {
    let more = LimitCaps {
        fuel: NonZeroU64::new(u64::MAX / 2),
        wall_time_ms: NonZeroU64::new(WALL_TIME_MAX.as_millis() as u64),
        ..LimitCaps::default()
    };
    EffectiveLimits::new(Limits::BUILT_IN.replaced_by(&more))
}

/// A gate with nothing behind it.
pub(crate) struct Closed(EffectiveLimits);

impl Closed {
    /// Nobody gets anything here.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(plenty()))
    }
}

#[async_trait]
impl Gate for Closed {
    fn limits(&self) -> &EffectiveLimits {
        &self.0
    }

    async fn call(&self, call: HostCall) -> Result<HostReply, HostError> {
        match call {
            HostCall::Log(_) => Ok(HostReply::Logged),
            HostCall::Sql(_)
            | HostCall::Transaction(_)
            | HostCall::Stream(_)
            | HostCall::NextBatch(_)
            | HostCall::Http(_)
            | HostCall::Graphql(_)
            | HostCall::Llm(_)
            | HostCall::NextPiece(_)
            | HostCall::Open(_)
            | HostCall::Exchange(_)
            | HostCall::Covers(_)
            | HostCall::Kv(_)
            | HostCall::Blob(_) => Err(HostError::Unavailable("nothing is behind this gate".to_owned())),
        }
    }

    fn release(&self, _: Kept) {}
}

/// A gate that answers nobody until it is opened.
pub(crate) struct Holding {
    limits: EffectiveLimits,
    waiting: AtomicUsize,
    open: watch::Sender<bool>,
}

impl Holding {
    /// Nobody waits yet.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { limits: plenty(), waiting: AtomicUsize::new(0), open: watch::Sender::new(false) })
    }

    /// How many calls wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    /// Answers all of them.
    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }
}

#[async_trait]
impl Gate for Holding {
    fn limits(&self) -> &EffectiveLimits {
        &self.limits
    }

    async fn call(&self, _: HostCall) -> Result<HostReply, HostError> {
        self.waiting.fetch_add(1, Relaxed);
        let mut opened = self.open.subscribe();
        // The sender is this gate's own and lives as long.
        drop(opened.wait_for(|open| *open).await);
        Err(HostError::BadRequest("held long enough".to_owned()))
    }

    fn release(&self, _: Kept) {}
}
