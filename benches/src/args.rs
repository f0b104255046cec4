//! The command line.

use std::{num::NonZeroUsize, path::PathBuf};

use clap::{Parser, Subcommand, ValueEnum};
use serde::Serialize;

/// Measures Airlock.
#[derive(Debug, Parser)]
#[command(name = "airlock-benches", max_term_width = 110)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// One benchmark, or one of the processes that benchmarks start.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Throughput, latency and processor time of `Invoke` beside a bare echo server.
    Invoke(InvokeOptions),
    /// The bare echo server.
    #[command(hide = true)]
    ServeEcho {
        /// The only core to run on.
        #[arg(long)]
        core: usize,
    },
    /// Airlock.
    #[command(hide = true)]
    ServeAirlock {
        /// The only core to run on.
        #[arg(long)]
        core: usize,
        /// Its `airlock.toml`.
        #[arg(long)]
        config: PathBuf,
        /// Directory of compiled parts.
        #[arg(long)]
        cache_dir: PathBuf,
    },
    /// The compiler that Airlock starts for each deploy.
    #[command(hide = true)]
    CompileChild {
        /// Directory of compiled parts.
        #[arg(long)]
        cache_dir: Option<PathBuf>,
        /// Memory it may write to.
        #[arg(long)]
        memory_bytes: u64,
        /// CPU time it may take.
        #[arg(long)]
        cpu_s: u64,
    },
}

/// Options of `invoke`.
#[derive(Debug, clap::Args)]
pub(crate) struct InvokeOptions {
    /// Print the report as JSON instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
    /// Length of each measured window in seconds; a third of it goes before as warm-up.
    #[arg(long, default_value_t = 3.0, value_parser = seconds)]
    pub(crate) seconds: f64,
    /// Windows for each row, taken in turns over all rows; the one with the median throughput is reported.
    #[arg(long, default_value_t = NonZeroUsize::MIN)]
    pub(crate) rounds: NonZeroUsize,
    /// Calls in flight, one row for each.
    #[arg(long, value_delimiter = ',', default_value = "1,8,64")]
    pub(crate) concurrency: Vec<NonZeroUsize>,
    /// Guests to run.
    #[arg(long, value_delimiter = ',', default_value = "rust-arena,rust,typescript")]
    pub(crate) guest: Vec<Guest>,
}

/// A function to invoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Guest {
    /// Rust with the SDK's arena allocator.
    RustArena,
    /// Rust with its own allocator.
    Rust,
    /// TypeScript on QuickJS.
    Typescript,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    let sane = (0.1..=120.0).contains(&seconds);
    sane.then_some(seconds).ok_or_else(|| "choose 0.1 to 120 seconds".to_owned())
}
