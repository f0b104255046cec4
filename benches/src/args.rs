//! The command line.

use std::{
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

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
    /// Every benchmark, one after the other, and what was reached of every goal.
    All(AllOptions),
    /// Throughput, latency and processor time of `Invoke` beside a bare echo server.
    Invoke(InvokeOptions),
    /// What a function costs in this process, without a server.
    Instantiate(Window),
    /// What one host call costs, without the backend.
    HostCall(Window),
    /// What the way to a real PostgreSQL adds to a bare driver, and what a statement costs to classify.
    Sql(Window),
    /// What the guarded HTTP client adds to bare hyper, and what streams hold.
    Egress(Window),
    /// First calls: of a compiled function, after a start, after a deploy, from source.
    ColdStart(Window),
    /// How many functions and how many waiting calls one process holds.
    Density(DensityOptions),
    /// What the second core adds.
    Scaling(Window),
    /// Ten times more calls than the server can run.
    Overload(Window),
    /// Processor-bound Rust under fuel against the same code of the machine.
    Compute(Window),
    /// A polite caller beside functions that never end, and when those end.
    Neighbour(Window),
    /// Durable audit records a second, and what waiting for the disk adds.
    Audit(Window),
    /// What an auditor waits for in a long trail.
    Search(SearchOptions),
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
        /// The only cores to run on.
        #[arg(long, value_delimiter = ',', required = true)]
        cores: Vec<usize>,
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

/// How long and how often to measure.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Window {
    /// Print the report as JSON instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
    /// Length of each measured window in seconds.
    #[arg(long, default_value_t = 1.5, value_parser = seconds)]
    pub(crate) seconds: f64,
    /// Windows for each figure, taken in turns; the median is reported.
    #[arg(long, default_value_t = THREE)]
    pub(crate) rounds: NonZeroUsize,
}

impl Window {
    /// Length of a window.
    pub(crate) fn length(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

const THREE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(2);

/// Options of `invoke`.
#[derive(Debug, clap::Args)]
pub(crate) struct InvokeOptions {
    /// How long and how often.
    #[command(flatten)]
    pub(crate) window: Window,
    /// Calls in flight, one row for each.
    #[arg(long, value_delimiter = ',', default_value = "1,8,64")]
    pub(crate) concurrency: Vec<NonZeroUsize>,
    /// Guests to run.
    #[arg(long, value_delimiter = ',', default_value = "rust-arena,rust,typescript")]
    pub(crate) guest: Vec<Guest>,
}

/// Options of `density`.
#[derive(Debug, clap::Args)]
pub(crate) struct DensityOptions {
    /// How long and how often. Density is counted once, whatever this says.
    #[command(flatten)]
    pub(crate) window: Window,
    /// Rust functions to load.
    #[arg(long, default_value = "20000")]
    pub(crate) rust: NonZeroU32,
    /// QuickJS functions to load.
    #[arg(long, default_value = "5000")]
    pub(crate) quickjs: NonZeroU32,
    /// Calls to suspend in a host call.
    #[arg(long, default_value = "10000")]
    pub(crate) suspended: NonZeroU32,
    /// One part only, in this process.
    #[arg(long, hide = true)]
    pub(crate) part: Option<Part>,
}

/// A part of `density`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Resident Rust functions.
    Rust,
    /// Resident QuickJS functions.
    Quickjs,
    /// Suspended calls.
    Suspended,
}

/// Options of `search`.
#[derive(Debug, clap::Args)]
pub(crate) struct SearchOptions {
    /// How the report is told.
    #[command(flatten)]
    pub(crate) window: Window,
    /// Records in the trail; a million take about 1.5 GB of disk.
    #[arg(long, default_value = "10000000")]
    pub(crate) records: NonZeroU64,
}

/// Options of `all`.
#[derive(Debug, clap::Args)]
pub(crate) struct AllOptions {
    /// How long and how often, for every benchmark.
    #[command(flatten)]
    pub(crate) window: Window,
    /// Only these benchmarks, by name.
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<String>,
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
