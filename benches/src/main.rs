//! `airlock-benches`: measures Airlock beside a bare gRPC echo server, in one run, on one core.
//!
//! The servers are this very program, started again with hidden subcommands, so that their processor time can be told apart
//! from the load generator's.

mod args;
mod cores;
mod guests;
mod issuer;
mod load;
mod measure;
mod report;
mod serve;
mod server;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};

/// As in `airlock` itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::CompileChild { cache_dir, memory_bytes, cpu_s } => {
            return serve::airlock::compile_child(cache_dir.as_deref(), memory_bytes, cpu_s);
        }
        Command::ServeEcho { core } => serve::echo::serve(core),
        Command::ServeAirlock { core, config, cache_dir } => serve::airlock::serve(core, &config, &cache_dir),
        Command::Invoke(options) => measure::invoke(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
