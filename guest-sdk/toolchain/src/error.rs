//! What can go wrong between a project directory and a component, told so that the author can act on it.

use std::fmt;
use std::io;

use airlock_model::manifest::ManifestError;

use crate::rust::RustBuildError;
use crate::typescript::EncodeError;
use crate::wit::WitError;

/// One thing to fix, or to know about, at one place of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Path inside the project, with `/` between its parts.
    pub file: String,
    /// Line, from 1; 0 when the whole file is meant.
    pub line: u32,
    /// Column in characters, from 1; 0 when the whole line is meant.
    pub column: u32,
    /// What is wrong, in lower case and without a full stop.
    pub message: String,
    /// What to do about it, as an instruction.
    pub fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, message, fix } = self;
        match (line, column) {
            (0, _) => write!(f, "{file}: {message}; {fix}"),
            (_, 0) => write!(f, "{file}:{line}: {message}; {fix}"),
            (_, _) => write!(f, "{file}:{line}:{column}: {message}; {fix}"),
        }
    }
}

/// Why a project did not become a component.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// `function.toml` is not acceptable. The text names the place and the remedy.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A file of the project could not be read.
    #[error("could not read `{file}`")]
    Read {
        /// Path inside the project.
        file: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The sources have errors; never empty.
    #[error("{}", lines(.0))]
    Source(Vec<Problem>),
    /// Code at module level, which runs at build time, failed.
    #[error("{0}")]
    Program(Problem),
    /// The world could not be written.
    #[error(transparent)]
    World(#[from] WitError),
    /// The build cache could not be used.
    #[error("could not open the build cache in `{directory}`; choose another directory or make it writable")]
    Cache {
        /// The directory.
        directory: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A Rust project did not build.
    #[error(transparent)]
    Rust(#[from] RustBuildError),
    /// A bug of the toolchain.
    #[error("the toolchain failed; please report this with your sources")]
    Internal(#[source] Box<EncodeError>),
}

impl BuildError {
    /// The places to fix, as far as the error has any.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Source(problems) => problems,
            Self::Program(problem) => std::slice::from_ref(problem),
            Self::Manifest(_)
            | Self::Read { .. }
            | Self::World(_)
            | Self::Cache { .. }
            | Self::Rust(_)
            | Self::Internal(_) => &[],
        }
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
