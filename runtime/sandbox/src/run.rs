//! One invocation: one fresh store, dropped at the end, always.

use std::{panic::AssertUnwindSafe, sync::Arc};

use airlock_model::{Failure, HostCall, InvocationContext, Limit, LogLevel, LogLine, Outcome};
use futures::FutureExt;
use tokio::time::Instant;
use wasmtime::{
    Store,
    component::{ComponentType, Lift},
};

use crate::{Gate, Lanes, Program, metered::Metered, outcome, state::CallState, turns};

/// Fuel between two yields: the point where a deadline takes hold and neighbours get their turn, 0.15 to 0.3 ms apart.
pub(crate) const FUEL_YIELD_INTERVAL: u64 = 1_000_000;
/// Room for what one host call carries besides its payload.
const HOST_CALL_OVERHEAD_BYTES: u64 = 64 << 10;
/// The most that one host call may copy, unless the output may be larger.
const HOST_COPY_BYTES: u64 = 8 << 20;

/// Everything one run needs.
pub struct Job {
    /// What to run.
    pub program: Program,
    /// The one way out, and what may be spent.
    pub gate: Arc<dyn Gate>,
    /// What the guest may know about itself.
    pub context: Arc<InvocationContext>,
    /// When it ends, host waits included.
    pub deadline: Instant,
    /// JSON text.
    pub payload: String,
}

/// How a run ended and what the sandbox saw it spend.
#[derive(Debug)]
pub struct Run {
    /// How it ended.
    pub outcome: Outcome,
    /// Fuel spent.
    pub fuel: u64,
    /// Highest sum of linear memories, in bytes.
    pub memory_bytes: u64,
}

impl Run {
    /// A run that spent nothing anybody knows of.
    pub(crate) fn failed(failure: Failure) -> Self {
        Self { outcome: Outcome::Failed(failure), fuel: 0, memory_bytes: 0 }
    }
}

/// `airlock:guest/types.function-error`.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct GuestFunctionError {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) details: String,
}

pub(crate) type Handled = Result<String, GuestFunctionError>;

/// Runs one invocation to its end, on this thread while it is light and on one of the lanes when it is heavy.
///
/// Never panics and never outlives the deadline by more than one yield interval. Dropping the future stops the run.
pub async fn run(job: Job, lanes: &Lanes) -> Run {
    let weight = job.program.weight.clone();
    let (is_heavy, deadline) = (weight.is_heavy(), job.deadline);
    let run = Metered::new(run_to_end(job), weight);
    let light = if is_heavy { Err(run) } else { run.while_light().await };
    match light {
        Ok(run) => run,
        Err(heavy) => lanes.carry_on(heavy, deadline).await,
    }
}

async fn run_to_end(job: Job) -> Run {
    let mut store = match new_store(&job) {
        Ok(store) => store,
        Err(error) => return Run::failed(Failure::internal(error)),
    };
    let call = AssertUnwindSafe(instantiate_and_call(&mut store, &job)).catch_unwind();
    let ended = turns::run_until(job.deadline, call).await;
    let limits = job.gate.limits();
    let fuel = limits.get(Limit::Fuel).saturating_sub(store.get_fuel().unwrap_or(0));
    let memory_bytes = store.data().limiter.memory_bytes_peak();
    let outcome = match ended {
        Ok(Ok(result)) => outcome::of_call(result, &job, fuel),
        Ok(Err(panic)) => Outcome::Failed(outcome::of_host_panic(panic.as_ref())),
        Err(_elapsed) => Outcome::Failed(outcome::of_deadline(limits)),
    };
    // Not borrowed from the store, which no other thread may see: the future of a call can move between threads.
    let printed = store.data().standard_output();
    forward_standard_output(job.gate.as_ref(), &printed).await;
    Run { outcome, fuel, memory_bytes }
}

#[expect(clippy::disallowed_methods, reason = "the one place that makes a store, with every limit set")]
fn new_store(job: &Job) -> wasmtime::Result<Store<CallState>> {
    let limits = job.gate.limits();
    let state = CallState::new(job.gate.clone(), job.context.clone(), limits, job.deadline);
    let mut store = Store::new(job.program.pre.engine(), state);
    store.limiter(|state| &mut state.limiter);
    store.set_fuel(limits.get(Limit::Fuel))?;
    store.fuel_async_yield_interval(Some(FUEL_YIELD_INTERVAL))?;
    store.set_max_component_handles(as_size(limits.get(Limit::Handles)));
    let largest_copy = limits.get(Limit::OutputBytes).saturating_add(HOST_CALL_OVERHEAD_BYTES).max(HOST_COPY_BYTES);
    store.set_hostcall_fuel(as_size(largest_copy));
    Ok(store)
}

fn as_size(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

async fn instantiate_and_call(store: &mut Store<CallState>, job: &Job) -> wasmtime::Result<Handled> {
    let instance = job.program.pre.instantiate_async(&mut *store).await?;
    let handle = instance.get_typed_func::<(&str,), (Handled,)>(&mut *store, job.program.handle)?;
    let (handled,) = handle.call_async(store, (job.payload.as_str(),)).await?;
    Ok(handled)
}

/// What a language runtime printed becomes log lines: the same gate, the same budget.
async fn forward_standard_output(gate: &dyn Gate, printed: &[u8]) {
    for line in String::from_utf8_lossy(printed).lines() {
        let line = LogLine { level: LogLevel::Info, message: line.to_owned(), fields: String::new() };
        // What is left would meet the same refusal.
        if gate.call(HostCall::Log(line)).await.is_err() {
            break;
        }
    }
}
