//! A TypeScript project to a component, in process: no Node, no other tool.
//!
//! The path is: read and bundle the modules ([`bundle`]), link QuickJS with the project's resources ([`link`]), evaluate
//! the bundle once and keep the memory it leaves ([`snapshot`]). Everything that does not depend on the sources comes from
//! a cache when it can.

mod bundle;
mod declarations;
mod engine;
mod graph;
mod link;
mod module;
mod names;
mod sdk;
mod snapshot;
mod source;
mod strip;
#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

pub use declarations::{AMBIENT, declarations};
pub use sdk::binding_name;

use self::bundle::{Bundle, LineTable};
use self::snapshot::Evaluated;
use crate::artifacts::Artifacts;
use crate::cache::EngineCache;
use crate::error::{BuildError, Problem};
use crate::pipeline::{BuildOptions, BuildStep, Built};
use crate::project::Project;
use crate::wit::WitError;

/// Compiled functions of the language runtime, in bytes on disk.
const FUNCTIONS_BYTES_MAX: u64 = 256 << 20;
/// Linked and compiled runtimes, one pair per set of resources, in bytes on disk.
const ARTIFACTS_BYTES_MAX: u64 = 512 << 20;
/// The thread that evaluates a program also compiles it: deep syntax trees take stack.
const STACK_BYTES: usize = 16 << 20;

/// What the runtime calls the bundle in stack frames; a line number follows.
const FRAME: &str = "user.js:";
/// What the runtime puts in front of an exception.
const PREFIXES: [&str; 2] =
    ["Failed to evaluate user JavaScript module: ", "Failed to finish JavaScript module evaluation: "];
/// What the runtime says to an asynchronous host call outside of an export, and wasmtime to any other.
const NO_CALL: &str = "requires an active async call";
const NO_IMPORT: &str = "unknown import:";

/// Why a bundled program did not become a component.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The embedded runtime is not what this crate expects: a bug.
    #[error("the embedded QuickJS runtime is not usable: {0}")]
    Runtime(String),
    /// The world could not be written.
    #[error(transparent)]
    World(#[from] WitError),
    /// Runtime and bindings do not fit: a bug.
    #[error("could not link the QuickJS runtime with the world")]
    Link(#[source] anyhow::Error),
    /// Compiling, instantiating or reading the instance failed: a bug.
    #[error("could not take the snapshot")]
    Snapshot(#[source] anyhow::Error),
    /// A dependency panicked: a bug.
    #[error("the toolchain panicked: {0}")]
    Panic(String),
    /// Module-level code of the program failed.
    #[error("{0}")]
    Program(String),
}

impl EncodeError {
    fn runtime(error: impl std::fmt::Display) -> Self {
        Self::Runtime(error.to_string())
    }

    fn snapshot(error: wasmtime::Error) -> Self {
        Self::Snapshot(error.into())
    }

    fn panic(payload: &(dyn std::any::Any + Send)) -> Self {
        let text =
            payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&str>().copied());
        Self::Panic(text.unwrap_or("no message").to_owned())
    }
}

/// Builds a TypeScript project.
///
/// # Errors
/// [`BuildError::Source`] for mistakes in the sources, [`BuildError::Program`] when module-level code fails.
pub(crate) fn build(
    project: &Project,
    options: &BuildOptions,
    progress: &mut dyn FnMut(BuildStep),
) -> Result<Built, BuildError> {
    progress(BuildStep::Sources);
    let bundle = catch_unwind(AssertUnwindSafe(|| bundle::bundle(project)));
    let bundle = bundle.unwrap_or_else(|payload| Err(internal(EncodeError::panic(payload.as_ref()))))?;
    let caches = Caches::open(&options.cache_dir)?;
    let evaluated = match encode(project, &bundle, &caches, progress) {
        Ok(evaluated) => evaluated,
        Err(EncodeError::Program(text)) => {
            return Err(BuildError::Program(program_problem(&text, project, &bundle.lines)));
        }
        Err(EncodeError::World(error)) => return Err(BuildError::World(error)),
        Err(error) => return Err(internal(error)),
    };
    let warnings = evaluated.log.into_iter().map(|line| logged(&line, project)).collect();
    Ok(Built { component: evaluated.component, sources: bundle.sources, warnings })
}

fn internal(error: EncodeError) -> BuildError {
    BuildError::Internal(Box::new(error))
}

struct Caches {
    functions: EngineCache,
    artifacts: Artifacts,
}

impl Caches {
    fn open(directory: &Path) -> Result<Self, BuildError> {
        let failed = |source| BuildError::Cache { directory: directory.display().to_string(), source };
        Ok(Self {
            functions: EngineCache::open(&directory.join("functions"), FUNCTIONS_BYTES_MAX).map_err(failed)?,
            artifacts: Artifacts::open(&directory.join("runtimes"), ARTIFACTS_BYTES_MAX).map_err(failed)?,
        })
    }
}

fn encode(
    project: &Project,
    bundle: &Bundle,
    caches: &Caches,
    progress: &mut dyn FnMut(BuildStep),
) -> Result<Evaluated, EncodeError> {
    progress(BuildStep::Link);
    let linked = link::link(&project.resources, &caches.artifacts)?;
    progress(BuildStep::Compile);
    let prepared = snapshot::prepare(&linked, &caches.functions, &caches.artifacts)?;
    progress(BuildStep::Snapshot);
    // A thread of its own: the caller may be inside an asynchronous runtime, and a panic of the snapshot ends here.
    std::thread::scope(|scope| {
        let evaluate = || -> Result<Evaluated, EncodeError> {
            let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(EncodeError::runtime)?;
            runtime.block_on(snapshot::snapshot(&linked, &prepared, &bundle.code))
        };
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, evaluate);
        let finished = thread.map_err(EncodeError::runtime)?.join();
        finished.unwrap_or_else(|payload| Err(EncodeError::panic(payload.as_ref())))
    })
}

const AT_BUILD_TIME: &str = "code outside of functions runs when the component is built, without resources and with a clock that stands still: \
     move it into `handle`";

/// A console line of module-level code: the deployed function will never write it.
fn logged(line: &str, project: &Project) -> Problem {
    let message = format!("module-level code wrote to the console: {line}");
    Problem { file: project.entry.display().to_string(), line: 0, column: 0, message, fix: AT_BUILD_TIME.to_owned() }
}

/// What module-level code threw, at the line of the project that threw it.
fn program_problem(text: &str, project: &Project, lines: &LineTable) -> Problem {
    let entry = (project.entry.display().to_string(), 0);
    let digits = |frame: &str| frame.split(|c: char| !c.is_ascii_digit()).next().and_then(|line| line.parse().ok());
    let place = text.split(FRAME).skip(1).filter_map(digits).find_map(|line| lines.locate(line));
    let (file, line) = place.map_or(entry, |(file, line)| (file.to_owned(), line));
    Problem { file, line, column: 0, message: program_message(text), fix: AT_BUILD_TIME.to_owned() }
}

fn program_message(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    if first.contains(NO_CALL) || first.contains(NO_IMPORT) {
        return "module-level code calls the host".to_owned();
    }
    let thrown = PREFIXES.iter().fold(first, |text, prefix| text.strip_prefix(prefix).unwrap_or(text));
    format!("module-level code failed: {thrown}")
}
