//! What calls used.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::TlsOptions;

const USAGE_HELP: &str = "Examples:
  airlock usage --by function,app --since 7d --step day
  airlock usage --by resource --sort p99 --environment prod --top 5
  airlock usage --by principal --since 2026-11-01 --csv > november.csv
  airlock usage adoption
  airlock usage verify";

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, after_help = USAGE_HELP)]
pub struct UsageOptions {
    #[command(subcommand)]
    pub command: Option<UsageCommand>,
    #[command(flatten)]
    pub report: UsageReportOptions,
}

#[derive(Subcommand)]
pub enum UsageCommand {
    /// Say which apps call, by whom, how often, since when, and whether more or less.
    Adoption(AdoptionOptions),
    /// List functions that are live and nobody calls, and apps that have stopped calling.
    Unused(UnusedOptions),
    /// List what the configuration grants and nobody has used, with the change of the file that takes it back.
    UnusedGrants(UnusedGrantsOptions),
    /// Compare what calls used with their limits, and say what comes near. Ends with 1 when something does.
    Headroom(HeadroomOptions),
    /// Count all usage anew from the audit trail and say where it differs. Ends with 2 when it does.
    Verify(UsageVerifyOptions),
}

#[derive(Args)]
pub struct UsageVerifyOptions {
    #[command(flatten)]
    pub state: super::StateOptions,
    /// Put what is counted into the place of what differs. The server has to be stopped.
    #[arg(long)]
    pub repair: bool,
}

/// Where usage is read: a state directory, beside a running server or without one, or a server.
#[derive(Args)]
pub struct UsageSourceOptions {
    /// The server's state directory: usage of all tenants.
    #[arg(long, default_value = "state", conflicts_with = "server")]
    pub state: PathBuf,
    /// A server's control address instead: usage of the token's own tenant and environment. Needs `audit:read`.
    #[arg(long, requires = "token")]
    pub server: Option<String>,
    /// The token for --server, or `@file`, or `-` for standard input.
    #[arg(long, env = "AIRLOCK_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    #[command(flatten)]
    pub tls: TlsOptions,
}

/// Which usage. Each may be given more than once, or with commas.
#[derive(Args)]
pub struct UsageFilterOptions {
    /// Only of this tenant.
    #[arg(long, value_delimiter = ',')]
    pub tenant: Vec<String>,
    /// Only in this environment.
    #[arg(short, long, alias = "env", value_delimiter = ',')]
    pub environment: Vec<String>,
    /// Only through this app.
    #[arg(long, value_delimiter = ',')]
    pub app: Vec<String>,
    /// Only of this function.
    #[arg(long, value_delimiter = ',')]
    pub function: Vec<String>,
    /// Only of this revision, by its whole digest.
    #[arg(long, value_delimiter = ',')]
    pub revision: Vec<String>,
    /// Only host calls to this resource.
    #[arg(long, value_delimiter = ',')]
    pub resource: Vec<String>,
    /// Only by this subject.
    #[arg(long)]
    pub subject: Vec<String>,
    /// Only through this actor.
    #[arg(long)]
    pub actor: Vec<String>,
}

#[derive(Args)]
pub struct UsageReportOptions {
    #[command(flatten)]
    pub source: UsageSourceOptions,
    #[command(flatten)]
    pub only: UsageFilterOptions,
    /// What makes a group: tenant, environment, app, function, revision, resource, subject, actor; `principal` is the last two.
    #[arg(long, value_delimiter = ',', default_value = "function")]
    pub by: Vec<String>,
    /// From when on: `7d`, `12h`, `2026-11-23` or `2026-11-23T08:00:00Z`, in UTC.
    #[arg(long, default_value = "7d")]
    pub since: String,
    /// Until when, likewise; now when missing.
    #[arg(long)]
    pub until: Option<String>,
    /// What time is cut into: hour, day, none.
    #[arg(long, default_value = "none")]
    pub step: String,
    /// What comes first: calls, errors, refusals, p50, p99, fuel, memory, rows, host-calls, egress, logs, tokens, cost,
    /// last-seen.
    #[arg(long, default_value = "calls")]
    pub sort: String,
    /// How many groups; the others are one line.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub top: u32,
    /// Print comma-separated values, with every number as it is.
    #[arg(long)]
    pub csv: bool,
}

#[derive(Args)]
pub struct AdoptionOptions {
    #[command(flatten)]
    pub source: UsageSourceOptions,
    #[command(flatten)]
    pub only: UsageFilterOptions,
    /// How many days back.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(2..=365))]
    pub days: u32,
}

#[derive(Args)]
pub struct UnusedOptions {
    #[command(flatten)]
    pub source: UsageSourceOptions,
    /// Only in this environment.
    #[arg(short, long, alias = "env")]
    pub environment: Option<String>,
    /// How many days without a call make something unused.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    pub days: u32,
}

#[derive(Args)]
pub struct UnusedGrantsOptions {
    /// The configuration file; the trail is that of its `[state]`.
    #[arg(long, default_value = "airlock.toml")]
    pub config: PathBuf,
    /// How far back to look.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    pub days: u32,
    /// Ask a server's control plane instead, for what the token's tenant is granted in its environment. Needs `audit:read`.
    #[arg(long, requires = "token", conflicts_with = "config")]
    pub server: Option<String>,
    /// The token for --server, or `@file`, or `-` for standard input.
    #[arg(long, env = "AIRLOCK_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    #[command(flatten)]
    pub tls: TlsOptions,
}

#[derive(Args)]
pub struct HeadroomOptions {
    /// The configuration file, whose limits and whose `[state]` are compared.
    #[arg(long, default_value = "airlock.toml")]
    pub config: PathBuf,
    /// Only in this environment.
    #[arg(short, long, alias = "env")]
    pub environment: Option<String>,
    /// How many days back.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=365))]
    pub days: u32,
    /// From how many percent of a limit on to warn.
    #[arg(long, default_value_t = 70, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub warn: u32,
}
