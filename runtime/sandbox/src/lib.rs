//! Runs guest components in Wasmtime under limits, and turns their imports into [`HostCall`](airlock_model::HostCall)s.
//!
//! This crate dials nothing and decides nothing: whatever a guest asks for goes to the [`Gate`] it was given. It is
//! also the only crate that names `wasmtime`.

mod clock;
pub mod compile;
pub mod engine;
mod gate;
mod imports;
mod limiter;
mod outcome;
pub mod program;
mod run;
mod state;
mod turns;

pub use compile::{CompileError, Compiler};
pub use engine::{Engine, EngineError, EngineOptions, MappingShortage};
pub use gate::Gate;
pub use imports::{LINKED_WASI, UnlinkedImport};
pub use program::{LoadError, Program};
pub use run::{Job, Run, run};
