//! A guest project to a component: TypeScript in process, Rust through cargo.
//!
//! [`Project::load`] reads a directory with a `function.toml`; [`build`] makes a component of it. The component imports the
//! resources that the project declares, each under its own name, and nothing that a function must not have.

pub mod artifacts;
pub mod cache;
pub mod error;
pub mod pipeline;
pub mod project;
pub mod rust;
pub mod typescript;
pub mod wit;

pub use cache::EngineCache;
pub use error::{BuildError, Problem};
pub use pipeline::{BuildOptions, BuildStep, Built, build};
pub use project::Project;
pub use wit::{ResourceImport, WitError, resolve, world_wit};
