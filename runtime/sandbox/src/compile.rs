//! Compiles components in a disposable child process: a compiler fed hostile bytes is not our process's problem.

mod limits;
mod parent;

use std::{
    io::{Read, Write},
    path::Path,
    sync::Arc,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{engine::shared_config, wall};

pub use limits::CompileLimits;
use limits::limit_this_process;
pub use parent::{CompileError, Compiler};
pub use wasmtime::CacheStore;

/// Address space of the child, in bytes, at most: [`limit_this_process`] comes first and may have set less.
const CHILD_MEMORY_BYTES: u64 = 16 << 30;
/// CPU time of the child, in seconds, over all its threads, at most.
const CHILD_CPU_S: u64 = 600;
/// Files the child may hold open.
const CHILD_FILES: u64 = 64;
/// Largest file the child may write, in bytes: its cache entries.
const CHILD_FILE_BYTES: u64 = 256 << 20;
/// Stack of the compiling threads, in bytes.
const CHILD_STACK_BYTES: usize = 64 << 20;

/// Exit status of a child that refuses the component.
const EXIT_REFUSED: i32 = 3;

/// First word of a line that is for the operator's log, not about the component.
const REMARK: &str = "remark: ";

/// What the child is left with, as its command line says: see [`Compiler::new`].
#[derive(Debug, Clone, Copy)]
pub struct ChildTerms<'a> {
    /// The one directory that it may read and write.
    pub cache_dir: Option<&'a Path>,
    /// Whether it refuses to work when the kernel cannot lock it in. Without, it does with what there is.
    pub locked: bool,
    /// Memory it may write to.
    pub memory_bytes: u64,
    /// CPU time over all its threads, in seconds.
    pub cpu_s: u64,
}

/// The child's side: limits itself, reads a component from standard input, writes the compiled form to standard output.
///
/// Returns the exit status. The limits and the lock are in force before the first hostile byte is read. Call it from a
/// process that has one thread.
#[must_use]
pub fn child_main(terms: ChildTerms<'_>, cache: Option<Arc<dyn CacheStore>>) -> i32 {
    let compile = || -> Result<(), String> {
        let mut component = Vec::new();
        std::io::stdin().read_to_end(&mut component).map_err(|why| why.to_string())?;
        let compiled = precompile(&component, cache).map_err(|why| format!("{why:#}"))?;
        std::io::stdout().write_all(&compiled).map_err(|why| why.to_string())
    };
    let outcome = confine(terms).and_then(|()| {
        let thread = std::thread::Builder::new().stack_size(CHILD_STACK_BYTES);
        std::thread::scope(|scope| {
            let handle = thread.spawn_scoped(scope, compile).map_err(|why| why.to_string())?;
            handle.join().unwrap_or_else(|_| Err("the compiler panicked on this component".to_owned()))
        })
    });
    match outcome {
        Ok(()) => 0,
        Err(why) => {
            let _unheard = writeln!(std::io::stderr(), "{why}");
            EXIT_REFUSED
        }
    }
}

fn confine(terms: ChildTerms<'_>) -> Result<(), String> {
    let unlimited = |why: std::io::Error| format!("cannot limit the compile process: {why}");
    limit_this_process(terms.memory_bytes, terms.cpu_s).map_err(unlimited)?;
    limit_self().map_err(|why| unlimited(why.into()))?;
    match wall::lock_down(terms.cache_dir) {
        Ok(()) => Ok(()),
        Err(why) if terms.locked => Err(format!("cannot lock the compile process in: {why}")),
        Err(why) => {
            let _unheard = writeln!(std::io::stderr(), "{REMARK}the compile process is not locked in: {why}");
            Ok(())
        }
    }
}

fn limit_self() -> rustix::io::Result<()> {
    let limits = [
        (Resource::As, CHILD_MEMORY_BYTES),
        (Resource::Cpu, CHILD_CPU_S),
        (Resource::Nofile, CHILD_FILES),
        (Resource::Fsize, CHILD_FILE_BYTES),
        (Resource::Core, 0),
    ];
    for (resource, value) in limits {
        let value = Some(getrlimit(resource).maximum.map_or(value, |already| already.min(value)));
        setrlimit(resource, Rlimit { current: value, maximum: value })?;
    }
    Ok(())
}

fn precompile(component: &[u8], cache: Option<Arc<dyn CacheStore>>) -> wasmtime::Result<Vec<u8>> {
    let mut config = shared_config();
    if let Some(cache) = cache {
        config.enable_incremental_compilation(cache)?;
    }
    wasmtime::Engine::new(&config)?.precompile_component(component)
}
