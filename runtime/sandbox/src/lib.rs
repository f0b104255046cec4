//! Runs guest components in Wasmtime under limits, and turns their imports into [`HostCall`](airlock_model::HostCall)s.
//!
//! This crate dials nothing and decides nothing: whatever a guest asks for goes to the [`Gate`] it was given. It is
//! also the only crate that names `wasmtime`.

mod baton;
mod clock;
pub mod compile;
pub mod engine;
mod gate;
mod imports;
mod lanes;
mod limiter;
mod metered;
mod outcome;
pub mod program;
mod run;
mod state;
mod turns;
pub mod wall;

pub use baton::leave_thread;
pub use compile::{CompileError, CompileLimits, Compiler};
pub use engine::{Engine, EngineError, EngineOptions, MappingShortage};
pub use gate::Gate;
pub use imports::{LINKED_WASI, UnlinkedImport};
pub use lanes::Lanes;
pub use program::{LoadError, Program};
pub use run::{Job, Run, run};
