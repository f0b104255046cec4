//! One module for each subcommand.

pub mod approvals;
pub mod audit;
pub mod bindings;
pub mod build;
pub mod cancel;
pub mod check;
pub mod compile_child;
pub mod config;
pub mod deploy;
pub mod egress;
pub mod explain;
pub mod graphql;
pub mod inspect;
pub mod invoke;
pub mod keys;
pub mod lifecycle;
mod lines;
pub mod logs;
pub mod new;
pub mod operator;
pub mod packages;
pub mod resources;
pub mod run;
pub mod said;
pub mod serve;
pub mod sign;
mod sources;
pub mod sql;
pub mod token;
pub mod usage;

use std::process::ExitCode;

use clap::CommandFactory;

/// Prints completions for a shell.
pub fn completions(shell: clap_complete::Shell) -> ExitCode {
    clap_complete::generate(shell, &mut crate::args::Cli::command(), "airlock", &mut std::io::stdout());
    ExitCode::SUCCESS
}
