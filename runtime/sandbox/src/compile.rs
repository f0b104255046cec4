//! Compiles components in a disposable child process: a compiler fed hostile bytes is not our process's problem.

use std::{
    io::{Read, Write},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::{
    io::AsyncWriteExt,
    process::{Child, Command},
    sync::Semaphore,
};

use crate::{engine::shared_config, wall};

pub use wasmtime::CacheStore;

/// Address space of the child, in bytes.
const CHILD_MEMORY_BYTES: u64 = 4 << 30;
/// CPU time of the child, in seconds, over all its threads.
const CHILD_CPU_S: u64 = 120;
/// Files the child may hold open.
const CHILD_FILES: u64 = 64;
/// Largest file the child may write, in bytes: its cache entries.
const CHILD_FILE_BYTES: u64 = 256 << 20;
/// Stack of the compiling threads, in bytes.
const CHILD_STACK_BYTES: usize = 64 << 20;

/// Why a component could not be compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The compiler said no; the text is its own, about the component's bytes.
    #[error("the component does not compile: {0}")]
    Refused(String),
    /// The child was ended by one of its limits.
    #[error(
        "compiling took more than the limits of the compile process ({CHILD_CPU_S} s of CPU, {} MiB of memory, {wall_s} s); \
         make the component smaller",
        CHILD_MEMORY_BYTES >> 20
    )]
    Limits {
        /// The wall-clock limit, in seconds.
        wall_s: u64,
    },
    /// The child could not be started or talked to.
    #[error("the compile process could not be used")]
    Child(#[from] std::io::Error),
}

/// How to start the compile child, and how many at once: one.
#[derive(Debug, Clone)]
pub struct Compiler {
    program: PathBuf,
    arguments: Vec<String>,
    wall_time_max: Duration,
    turn: Arc<Semaphore>,
    has_remarked: Arc<AtomicBool>,
}

impl Compiler {
    /// A compiler that runs `program` with `arguments`, which must end in [`child_main`].
    #[must_use]
    pub fn new(program: PathBuf, arguments: Vec<String>, wall_time_max: Duration) -> Self {
        let turn = Arc::new(Semaphore::new(1));
        Self { program, arguments, wall_time_max, turn, has_remarked: Arc::default() }
    }

    /// Compiles one component to the form that [`crate::Program::load`] maps.
    ///
    /// # Errors
    /// When the compiler refuses the bytes, or the child meets its limits.
    pub async fn compile(&self, component: &[u8]) -> Result<Vec<u8>, CompileError> {
        let _turn = self.turn.acquire().await.map_err(std::io::Error::other)?;
        let finished = tokio::time::timeout(self.wall_time_max, self.run_child(component)).await;
        finished.unwrap_or(Err(CompileError::Limits { wall_s: self.wall_time_max.as_secs() }))
    }

    async fn run_child(&self, component: &[u8]) -> Result<Vec<u8>, CompileError> {
        let mut child = self.spawn()?;
        let stdin = child.stdin.take();
        let feed = async move {
            // A child that died early closes the pipe; its exit status tells the story.
            if let Some(mut stdin) = stdin {
                drop(stdin.write_all(component).await);
            }
        };
        let ((), output) = tokio::join!(feed, child.wait_with_output());
        let output = output?;
        match output.status.code() {
            Some(0) => {
                self.log_remarks(&output.stderr);
                Ok(output.stdout)
            }
            Some(EXIT_REFUSED) => Err(CompileError::Refused(self.log_remarks(&output.stderr))),
            _ => {
                tracing::warn!(status = %output.status, stderr = %String::from_utf8_lossy(&output.stderr), "compile child died");
                Err(CompileError::Limits { wall_s: self.wall_time_max.as_secs() })
            }
        }
    }

    /// Tells the operator once what the child had to say, and gives what is left: about the component.
    fn log_remarks(&self, stderr: &[u8]) -> String {
        let text = String::from_utf8_lossy(stderr);
        let (remarks, about): (Vec<_>, Vec<_>) = text.trim().lines().partition(|line| line.starts_with(REMARK));
        if !remarks.is_empty() && !self.has_remarked.swap(true, Ordering::Relaxed) {
            tracing::warn!("{}", remarks.join("; ").trim_start_matches(REMARK));
        }
        about.join("\n")
    }

    /// The child inherits nothing: no environment, no descriptor but its three pipes.
    fn spawn(&self) -> std::io::Result<Child> {
        Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .env("RUST_MIN_STACK", (16 << 20).to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }
}

const EXIT_REFUSED: i32 = 3;

/// First word of a line that is for the operator's log, not about the component.
const REMARK: &str = "remark: ";

/// What the child is left with.
#[derive(Debug, Clone, Copy)]
pub struct Lockdown<'a> {
    /// The one directory that it may read and write.
    pub cache_dir: Option<&'a Path>,
    /// Whether it refuses to work when the kernel cannot lock it in. Without, it does with what there is.
    pub required: bool,
}

/// The child's side: limits itself, reads a component from standard input, writes the compiled form to standard output.
///
/// Returns the exit status. The limits and the lock are in force before the first hostile byte is read. Call it from a
/// process that has one thread.
#[must_use]
pub fn child_main(lockdown: Lockdown<'_>, cache: Option<Arc<dyn CacheStore>>) -> i32 {
    let compile = || -> Result<(), String> {
        let mut component = Vec::new();
        std::io::stdin().read_to_end(&mut component).map_err(|why| why.to_string())?;
        let compiled = precompile(&component, cache).map_err(|why| format!("{why:#}"))?;
        std::io::stdout().write_all(&compiled).map_err(|why| why.to_string())
    };
    let outcome = confine(lockdown).and_then(|()| {
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

fn confine(lockdown: Lockdown<'_>) -> Result<(), String> {
    limit_self().map_err(|why| format!("cannot limit the compile process: {why}"))?;
    match wall::lock_down(lockdown.cache_dir) {
        Ok(()) => Ok(()),
        Err(why) if lockdown.required => Err(format!("cannot lock the compile process in: {why}")),
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
        setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })?;
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
