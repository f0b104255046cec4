//! `airlock-benches`: measures Airlock, and says of every figure what was asked and what was reached.
//!
//! Servers are this very program, started again with hidden subcommands, so that their processor time can be told apart
//! from the load generator's.

mod allocations;
mod args;
mod bench;
mod cores;
mod goals;
mod guests;
mod issuer;
mod load;
mod processor;
mod report;
mod sandboxed;
mod serve;
mod server;
#[path = "../shared/work.rs"]
mod work;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};

/// mimalloc, as in `airlock` itself.
#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::CompileChild { cache_dir, memory_bytes, cpu_s } => {
            return serve::airlock::compile_child(cache_dir.as_deref(), memory_bytes, cpu_s);
        }
        Command::ServeEcho { core } => serve::echo::serve(core),
        Command::ServeAirlock { cores, config, cache_dir } => serve::airlock::serve(&cores, &config, &cache_dir),
        Command::All(options) => bench::all::run(&options),
        Command::Invoke(options) => bench::invoke::run(&options),
        Command::Instantiate(window) => bench::alone("instantiate", &window, bench::instantiate::run),
        Command::HostCall(window) => bench::alone("host-call", &window, bench::host_call::run),
        Command::Sql(window) => bench::alone("sql", &window, bench::sql::run),
        Command::Egress(window) => bench::alone("egress", &window, bench::egress::run),
        Command::ColdStart(window) => bench::alone("cold-start", &window, bench::cold_start::run),
        Command::Density(options) => {
            bench::alone("density", &options.window, |_, places| bench::density::run(&options, places))
        }
        Command::Scaling(window) => bench::alone("scaling", &window, bench::scaling::run),
        Command::Overload(window) => bench::alone("overload", &window, bench::overload::run),
        Command::Compute(window) => bench::alone("compute", &window, bench::compute::run),
        Command::Neighbour(window) => bench::alone("neighbour", &window, bench::neighbour::run),
        Command::Audit(window) => bench::alone("audit", &window, bench::audit::run),
        Command::Search(options) => {
            bench::alone("search", &options.window, |_, places| bench::search::run(&options, places))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
