//! The trail in the words of others.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::StateOptions;
use crate::when::Moment;

const HELP: &str = "Times: `2026-11-23T08:00:00Z`, or how long ago: `90s`, `30min`, `24h`, `7d`.

Each line carries the record's number and hash (`seq` and `hash`; `metadata.sequence` and `metadata.uid` in OCSF;
`airlock.seq` and `airlock.hash` for Datadog): what comes twice is known by them.

Examples:
  airlock audit export --state state --format ocsf --since 24h --output yesterday.jsonl
  airlock audit export --state state --after 120455 --follow | vector --config audit.toml
  airlock audit export --format datadog --kind control_refused --environment prod";

#[derive(Args)]
#[command(after_help = HELP)]
pub struct ExportOptions {
    #[command(flatten)]
    pub state: StateOptions,
    /// How a record is written.
    #[arg(long, value_enum, default_value_t = LineFormat::Airlock)]
    pub format: LineFormat,
    /// Only records after this one: the last that you have.
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub after: u64,
    /// Only records from this time on.
    #[arg(long, value_name = "TIME")]
    pub since: Option<Moment>,
    /// Only records before this time.
    #[arg(long, value_name = "TIME", conflicts_with = "follow")]
    pub until: Option<Moment>,
    /// Only these kinds, as `airlock audit list` shows them. May be given more than once.
    #[arg(long, value_name = "KIND")]
    pub kind: Vec<String>,
    /// Only what is about these environments. May be given more than once.
    #[arg(long, value_name = "NAME")]
    pub environment: Vec<String>,
    /// Only what these tenants did. May be given more than once.
    #[arg(long, value_name = "NAME")]
    pub tenant: Vec<String>,
    /// Goes on with what comes, until it is stopped.
    #[arg(long)]
    pub follow: bool,
    /// A new file to write to; `-` is the standard output.
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum LineFormat {
    /// As `airlock audit list --json` has it.
    Airlock,
    /// Open Cybersecurity Schema Framework 1.8.0.
    Ocsf,
    /// Datadog's standard attributes.
    Datadog,
}
