//! Runs a program's module-level code once and keeps the memory it leaves.
//!
//! The runtime starts, evaluates the bundle, and its memory and globals are written back into the component: a call then
//! starts from there instead of parsing JavaScript. Clocks stand still and randomness is fixed meanwhile, so that one
//! source always gives the same bytes.

use std::hash::{Hash, Hasher};

use wasmtime::component::{Component, ComponentType, Instance, Lift, Linker, Lower, Val, WasmList};
use wasmtime::{Config, Engine, OptLevel, RegallocAlgorithm, Store, StoreLimits, StoreLimitsBuilder};
use wasmtime_wizer::{ComponentInstanceState, Wizer};

use super::{EncodeError, strip};
use crate::artifacts::Artifacts;
use crate::cache::EngineCache;

/// Export of the runtime that evaluates a program. The finished component does not have it.
const INIT: &str = "init";
/// The runtime looks for its stream factories here. No kind of resource has streams yet, so it stays empty.
const SHIM: &str = "globalThis.wit = {};";
/// Memory that module-level code may use, in bytes.
const MEMORY_BYTES_MAX: usize = 256 << 20;
/// Work that module-level code may do: several seconds of CPU.
const FUEL: u64 = 20_000_000_000;
/// Console lines of module-level code that are told to the author.
const LOG_LINES_MAX: usize = 20;
/// Random bytes that module-level code gets at once.
const RANDOM_BYTES_MAX: u64 = 1 << 16;

/// The time module-level code sees: the Unix epoch.
#[derive(ComponentType, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

/// A linked component, made ready to be evaluated.
pub(super) struct Prepared {
    component: Component,
    engine: Engine,
}

/// Compiles `linked` with what a snapshot needs to read, or loads what an earlier build compiled.
pub(super) fn prepare(linked: &[u8], functions: &EngineCache, artifacts: &Artifacts) -> Result<Prepared, EncodeError> {
    let engine = engine(functions)?;
    let compatibility = compatibility(&engine);
    let parts: &[&[u8]] = &[b"native", linked, &compatibility];
    if let Some(native) = artifacts.get(parts)
        && let Ok(component) = load(&engine, &native)
    {
        return Ok(Prepared { component, engine });
    }
    let (_, instrumented) = Wizer::new().instrument_component(linked).map_err(EncodeError::snapshot)?;
    let component = Component::new(&engine, &instrumented).map_err(EncodeError::snapshot)?;
    functions.flush();
    artifacts.put(parts, &component.serialize().map_err(EncodeError::snapshot)?);
    Ok(Prepared { component, engine })
}

/// What the evaluation of a program leaves.
pub(super) struct Evaluated {
    pub(super) component: Vec<u8>,
    /// What module-level code wrote to the console.
    pub(super) log: Vec<String>,
}

/// Evaluates `program` in `prepared`, which was made of `linked`, and returns the component as it is afterwards.
///
/// # Errors
/// [`EncodeError::Program`] when the program itself fails, with what it threw.
pub(super) async fn snapshot(linked: &[u8], prepared: &Prepared, program: &str) -> Result<Evaluated, EncodeError> {
    let wizer = Wizer::new();
    let (context, _) = wizer.instrument_component(linked).map_err(EncodeError::snapshot)?;
    let mut run = start(&prepared.engine, &prepared.component).await?;
    run.evaluate(program).await?;
    let bytes = wizer.snapshot_component(&context, &mut run).await.map_err(EncodeError::snapshot)?;
    if let Some(failure) = run.failure {
        return Err(EncodeError::snapshot(failure));
    }
    Ok(Evaluated { component: strip::without_export(&bytes, INIT)?, log: run.store.into_data().log })
}

/// Quick to compile rather than quick to run: the code runs once, for some milliseconds.
fn engine(functions: &EngineCache) -> Result<Engine, EncodeError> {
    let mut config = Config::new();
    config.wasm_component_model(true).wasm_component_model_async(true).consume_fuel(true);
    config.cranelift_opt_level(OptLevel::None).cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass);
    config.enable_incremental_compilation(functions.store()).map_err(EncodeError::snapshot)?;
    Engine::new(&config).map_err(EncodeError::snapshot)
}

/// Everything about the engine that native code depends on.
fn compatibility(engine: &Engine) -> [u8; 8] {
    let mut hasher = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish().to_le_bytes()
}

#[expect(
    unsafe_code,
    reason = "the bytes are our own, checked against their digest, from a directory of this user alone"
)]
fn load(engine: &Engine, native: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize` trusts its input to come from `Component::serialize`. `Artifacts` returns only bytes that
    // `prepare` has put there, and wasmtime itself refuses those of another version or configuration.
    unsafe { Component::deserialize(engine, native) }
}

#[expect(clippy::disallowed_methods, reason = "the build's own store, with memory and fuel limits; it runs no call")]
async fn start(engine: &Engine, component: &Component) -> Result<Run, EncodeError> {
    let mut linker = Linker::new(engine);
    linker.allow_shadowing(true);
    linker.define_unknown_imports_as_traps(component).map_err(EncodeError::snapshot)?;
    let interfaces = component.component_type();
    for (name, _) in interfaces.imports(engine) {
        still(&mut linker, name).map_err(EncodeError::snapshot)?;
    }
    let limits = StoreLimitsBuilder::new().memory_size(MEMORY_BYTES_MAX).build();
    let mut store = Store::new(engine, Host { limits, log: Vec::new() });
    store.limiter(|host| &mut host.limits);
    store.set_fuel(FUEL).map_err(EncodeError::snapshot)?;
    let instance = linker.instantiate_async(&mut store, component).await.map_err(EncodeError::snapshot)?;
    Ok(Run { store, instance, failure: None })
}

/// What module-level code may use and leave.
struct Host {
    limits: StoreLimits,
    log: Vec<String>,
}

/// Clocks at zero and random bytes of one value, whatever version of WASI the linker has settled on.
fn still(linker: &mut Linker<Host>, import: &str) -> wasmtime::Result<()> {
    match import.split('@').next().unwrap_or_default() {
        "wasi:clocks/wall-clock" => {
            linker.instance(import)?.func_wrap("now", |_, (): ()| Ok((Datetime { seconds: 0, nanoseconds: 0 },)))
        }
        "wasi:clocks/monotonic-clock" => linker.instance(import)?.func_wrap("now", |_, (): ()| Ok((0_u64,))),
        "wasi:random/random" => linker.instance(import)?.func_wrap("get-random-bytes", |_, (length,): (u64,)| {
            let length = usize::try_from(length.min(RANDOM_BYTES_MAX)).unwrap_or(0);
            Ok((vec![1_u8; length],))
        }),
        "airlock:guest/log" => linker.instance(import)?.func_new("write", |mut store, _, values, _| {
            let message =
                values.iter().find_map(|value| if let Val::String(text) = value { Some(text.clone()) } else { None });
            let log = &mut store.data_mut().log;
            log.extend(message.filter(|_| log.len() < LOG_LINES_MAX));
            Ok(())
        }),
        _ => Ok(()),
    }
}

/// The instance that evaluates the program and is then read out.
struct Run {
    store: Store<Host>,
    instance: Instance,
    /// Reading has no way to return an error, so the first one waits here.
    failure: Option<wasmtime::Error>,
}

impl Run {
    async fn evaluate(&mut self, program: &str) -> Result<(), EncodeError> {
        let init = self
            .instance
            .get_typed_func::<(&str, &str, Option<&str>, bool), (Result<(), String>,)>(&mut self.store, INIT)
            .map_err(EncodeError::snapshot)?;
        let (result,) = init
            .call_async(&mut self.store, (SHIM, program, None, false))
            .await
            .map_err(|trap| EncodeError::Program(trap.root_cause().to_string()))?;
        result.map_err(EncodeError::Program)
    }

    async fn read<R: Lift + 'static>(&mut self, instance: &str, function: &str) -> wasmtime::Result<R> {
        let missing = || wasmtime::format_err!("`{instance}` has no `{function}`");
        let (_, instance_index) = self.instance.get_export(&mut self.store, None, instance).ok_or_else(missing)?;
        let (_, index) =
            self.instance.get_export(&mut self.store, Some(&instance_index), function).ok_or_else(missing)?;
        let function = self.instance.get_typed_func::<(), (R,)>(&mut self.store, index)?;
        Ok(function.call_async(&mut self.store, ()).await?.0)
    }

    async fn read_or<R: Lift + 'static>(&mut self, instance: &str, function: &str, otherwise: R) -> R {
        match self.read(instance, function).await {
            Ok(value) => value,
            Err(failure) => {
                self.failure.get_or_insert(failure);
                otherwise
            }
        }
    }
}

impl ComponentInstanceState for Run {
    async fn call_func_ret_list_u8(&mut self, instance: &str, func: &str, contents: impl FnOnce(&[u8]) + Send) {
        match self.read::<WasmList<u8>>(instance, func).await {
            Ok(list) => contents(list.as_le_slice(&self.store)),
            Err(failure) => {
                self.failure.get_or_insert(failure);
            }
        }
    }

    async fn call_func_ret_s32(&mut self, instance: &str, func: &str) -> i32 {
        self.read_or(instance, func, 0).await
    }

    async fn call_func_ret_s64(&mut self, instance: &str, func: &str) -> i64 {
        self.read_or(instance, func, 0).await
    }

    async fn call_func_ret_f32(&mut self, instance: &str, func: &str) -> u32 {
        self.read_or::<f32>(instance, func, 0.0).await.to_bits()
    }

    async fn call_func_ret_f64(&mut self, instance: &str, func: &str) -> u64 {
        self.read_or::<f64>(instance, func, 0.0).await.to_bits()
    }
}
