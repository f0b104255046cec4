//! Arguments of `airlock audit query`, `prove` and `erase`.

use std::{path::PathBuf, str::FromStr};

use airlock_model::{AppName, FunctionName, ResourceName, TenantName, ValueField};
use clap::{ArgGroup, Args, ValueEnum, builder::NonEmptyStringValueParser};

use super::{StateOptions, TlsOptions};
use crate::when::Moment;

/// Which records, and where.
#[derive(Args)]
pub struct QueryOptions {
    #[command(flatten)]
    pub place: TrailOptions,
    #[command(flatten)]
    pub filter: FilterOptions,
    /// How many: the last that match, newest last. With `--after`, the first.
    #[arg(long, default_value_t = 100)]
    pub limit: u32,
    /// Only records after this number, in order: the last one that was seen.
    #[arg(long, value_name = "SEQ")]
    pub after: Option<u64>,
    /// Go on with new records as they come, until interrupted. With `--json`, one on each line.
    #[arg(short, long)]
    pub follow: bool,
    /// Show what is kept of parameters and statements beside the records. With `--server`, needs `audit:values` as well.
    #[arg(long)]
    pub values: bool,
}

/// Which value, and what it should have been.
#[derive(Args)]
pub struct ProveOptions {
    #[command(flatten)]
    pub state: StateOptions,
    /// The record.
    #[arg(long, value_name = "SEQ")]
    pub seq: u64,
    /// Of which of its values.
    #[arg(long, value_enum, default_value_t = FieldName::Arguments)]
    pub field: FieldName,
    /// The value, byte for byte, or `@file`, or `-` for standard input.
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    pub value: String,
}

/// Whose values, and why.
#[derive(Args)]
#[command(group(ArgGroup::new("about").required(true).multiple(true).args(["principal", "invocation", "seq"])))]
pub struct EraseOptions {
    #[command(flatten)]
    pub place: TrailOptions,
    /// Only of this tenant; not with `--server`, which knows the token's.
    #[arg(long, conflicts_with = "server")]
    pub tenant: Option<TenantName>,
    /// Of what this subject did, or somebody of this name for another one.
    #[arg(long, visible_alias = "subject")]
    pub principal: Option<String>,
    /// Of this invocation.
    #[arg(long)]
    pub invocation: Option<String>,
    /// Of this record, or of these: `17`, `17..40` with both ends.
    #[arg(long, value_name = "A..B")]
    pub seq: Option<SeqRange>,
    /// Of records before: `2026-11-23T08:00:00Z`, `2026-11-23` (UTC), or how long ago: `90s`, `15m`, `2h`, `7d`.
    #[arg(long, value_name = "TIME")]
    pub until: Option<Moment>,
    /// Only one of their values; both when missing.
    #[arg(long, value_enum)]
    pub field: Option<FieldName>,
    /// Why, and for whom; not what. The trail keeps it for as long as it lasts.
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    pub reason: String,
}

/// A value of a record.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum FieldName {
    /// Parameters or body.
    Arguments,
    /// The text of a statement.
    Statement,
}

impl From<FieldName> for ValueField {
    fn from(name: FieldName) -> Self {
        match name {
            FieldName::Arguments => Self::Arguments,
            FieldName::Statement => Self::Statement,
        }
    }
}

/// Numbers of records, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeqRange {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

impl FromStr for SeqRange {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) if 0 < first && first <= last => Ok(Self { first, last }),
            _ => Err("write the number of a record, or two as `17..40`"),
        }
    }
}

/// Where a trail is read.
#[derive(Args)]
pub struct TrailOptions {
    /// The server's state directory; works beside a running server and without one [default: state].
    #[arg(long, conflicts_with = "server")]
    pub state: Option<PathBuf>,
    /// Ask a server's control address instead. Needs `audit:read`, and shows the token's own tenant and environment.
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// For `--server`: the token, or `@file`, or `-` for standard input.
    #[arg(long, env = "AIRLOCK_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Only this environment; with `--server`, the one that the token is for when missing.
    #[arg(short, long)]
    pub environment: Option<String>,
    #[command(flatten)]
    pub tls: TlsOptions,
}

/// What to look for: everything that is given has to match.
#[derive(Args)]
pub struct FilterOptions {
    /// Only this tenant; not with `--server`, which knows the token's.
    #[arg(long, conflicts_with = "server")]
    pub tenant: Option<TenantName>,
    /// Only what this subject did, or somebody of this name for another one.
    #[arg(long, visible_alias = "subject")]
    pub principal: Option<String>,
    /// Only through this app.
    #[arg(long)]
    pub app: Option<AppName>,
    /// Only this function.
    #[arg(long)]
    pub function: Option<FunctionName>,
    /// Only this resource.
    #[arg(long)]
    pub resource: Option<ResourceName>,
    /// Only statements that name this table, as the records write it: `orders` of SQLite.
    #[arg(long)]
    pub table: Option<String>,
    /// Only what was decided so.
    #[arg(long, value_enum)]
    pub decision: Option<DecisionName>,
    /// Only this kind, as the list shows it: `invocation_finished`, `control_refused`.
    #[arg(long)]
    pub kind: Option<String>,
    /// Only this invocation.
    #[arg(long)]
    pub invocation: Option<String>,
    /// Only by this token: its `jti`.
    #[arg(long, value_name = "JTI")]
    pub token_id: Option<String>,
    /// Only about this approval.
    #[arg(long, value_name = "ID")]
    pub approval: Option<String>,
    /// Not before: `2026-11-23T08:00:00Z`, `2026-11-23` (UTC), or how long ago: `90s`, `15m`, `2h`, `7d`.
    #[arg(long, value_name = "TIME")]
    pub since: Option<Moment>,
    /// Before, written the same way.
    #[arg(long, value_name = "TIME")]
    pub until: Option<Moment>,
}

/// What was decided.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum DecisionName {
    /// Allowed.
    Permit,
    /// Not allowed.
    Deny,
}
