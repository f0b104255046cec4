//! What functions write.

use clap::{Args, ValueEnum};

use super::ControlOptions;

const HELP: &str = "Examples:
  airlock logs -f                                   # of all functions that the token names
  airlock logs -f --function order-summary --level warn
  airlock logs --invocation 01939f4e-8a5c-7c1e-9d1f-3f6f2c9a7b10";

#[derive(Args)]
#[command(after_help = HELP)]
pub struct LogsOptions {
    /// Goes on with the lines that come, until it is stopped.
    #[arg(short, long)]
    pub follow: bool,
    /// Without the lines that are kept: only those that come.
    #[arg(long, requires = "follow")]
    pub only_new: bool,
    /// Only of this function.
    #[arg(long)]
    pub function: Option<String>,
    /// Only of this call: the id that its answer and the audit trail have.
    #[arg(long, value_name = "ID")]
    pub invocation: Option<String>,
    /// Only of calls of this application.
    #[arg(long)]
    pub app: Option<String>,
    /// Only of this level and above.
    #[arg(long, value_enum)]
    pub level: Option<Level>,
    #[command(flatten)]
    pub control: ControlOptions,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}
