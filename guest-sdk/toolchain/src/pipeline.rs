//! One entry for every language: a project to a component.

use std::path::PathBuf;

use airlock_model::Language;

use crate::error::{BuildError, Problem};
use crate::project::Project;
use crate::{rust, typescript};

/// Where a build keeps what it may use again.
#[derive(Clone, Debug)]
pub struct BuildOptions {
    /// Directory of the caches. Native code is loaded from it, so it must belong to the user alone.
    pub cache_dir: PathBuf,
    /// Directory for cargo's output, for Rust projects.
    pub target_dir: PathBuf,
}

/// A stage of a build, reported when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildStep {
    /// Reading, checking and bundling source files.
    Sources,
    /// Linking the language runtime with the project's resources, unless that is cached.
    Link,
    /// Compiling the language runtime, unless that is cached.
    Compile,
    /// Running module-level code and keeping the result.
    Snapshot,
    /// Running cargo.
    Cargo,
}

impl BuildStep {
    /// What is happening, for progress lines.
    pub fn label(self) -> &'static str {
        match self {
            Self::Sources => "reading sources",
            Self::Link => "linking the runtime",
            Self::Compile => "compiling the runtime",
            Self::Snapshot => "evaluating the program",
            Self::Cargo => "running cargo",
        }
    }
}

/// A finished component.
#[derive(Debug)]
pub struct Built {
    /// The component's bytes.
    pub component: Vec<u8>,
    /// Path inside the project and text of every source file that is part of it.
    pub sources: Vec<(String, String)>,
    /// What the author should know.
    pub warnings: Vec<Problem>,
}

/// Builds `project` and reports each stage to `progress`.
///
/// # Errors
/// See [`BuildError`]: mistakes in sources come with file, line, column and a fix.
pub fn build(
    project: &Project,
    options: &BuildOptions,
    progress: &mut dyn FnMut(BuildStep),
) -> Result<Built, BuildError> {
    match project.language {
        Language::Typescript => typescript::build(project, options, progress),
        Language::Rust => {
            progress(BuildStep::Cargo);
            let built = rust::build(&project.dir, &options.target_dir)?;
            let warnings = built.warnings.into_iter().map(problem).collect();
            Ok(Built { component: built.component, sources: Vec::new(), warnings })
        }
        Language::Component => {
            progress(BuildStep::Sources);
            let file = project.entry.display().to_string();
            let component = std::fs::read(project.dir.join(&project.entry));
            let component = component.map_err(|source| BuildError::Read { file, source })?;
            Ok(Built { component, sources: Vec::new(), warnings: Vec::new() })
        }
    }
}

fn problem(diagnostic: rust::Diagnostic) -> Problem {
    let file = diagnostic.file.map(|file| file.display().to_string()).unwrap_or_default();
    let (line, column) = (diagnostic.line, diagnostic.column);
    Problem { file, line, column, message: diagnostic.message, fix: "see the compiler's text".to_owned() }
}
