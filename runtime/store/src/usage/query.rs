//! What to ask of usage.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    Dimension, HOUR_MS, Measures, UsageKey,
    figures::{failed, sum},
};

/// What time is cut into.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Hours of UTC.
    Hour,
    /// Days of UTC.
    Day,
    /// Nothing: one sum.
    #[default]
    None,
}

impl Step {
    /// When the step with this hour in it begins, in milliseconds since the Unix epoch.
    pub(crate) fn begin_of(self, hour: u64) -> Option<u64> {
        match self {
            Self::Hour => Some(hour.saturating_mul(HOUR_MS)),
            Self::Day => Some((hour - hour % 24).saturating_mul(HOUR_MS)),
            Self::None => None,
        }
    }
}

impl FromStr for Step {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "hour" => Ok(Self::Hour),
            "day" => Ok(Self::Day),
            "none" | "" => Ok(Self::None),
            _ => Err(format!("`{text}` is no step: hour, day, none")),
        }
    }
}

/// What comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SortBy {
    /// Most calls; of resources, most host calls.
    #[default]
    Calls,
    /// Most calls that failed.
    Errors,
    /// Most calls that were turned away.
    Refusals,
    /// The slowest half.
    P50,
    /// The slowest hundredth.
    P99,
    /// Most fuel in all.
    Fuel,
    /// The highest memory.
    Memory,
    /// Most rows in all.
    Rows,
    /// Most host calls in all.
    HostCalls,
    /// Most bytes of HTTP in all.
    Egress,
    /// Most bytes of logs in all.
    Logs,
    /// Most tokens of completions.
    Tokens,
    /// The highest cost of completions.
    Cost,
    /// Seen last.
    LastSeen,
}

impl SortBy {
    /// All of them.
    pub const ALL: [(&'static str, Self); 14] = [
        ("calls", Self::Calls),
        ("errors", Self::Errors),
        ("refusals", Self::Refusals),
        ("p50", Self::P50),
        ("p99", Self::P99),
        ("fuel", Self::Fuel),
        ("memory", Self::Memory),
        ("rows", Self::Rows),
        ("host-calls", Self::HostCalls),
        ("egress", Self::Egress),
        ("logs", Self::Logs),
        ("tokens", Self::Tokens),
        ("cost", Self::Cost),
        ("last-seen", Self::LastSeen),
    ];

    /// How far up something with these measures comes.
    pub(crate) fn weight(self, measures: &Measures) -> (u64, u64) {
        let Measures { calls, host, seen } = measures;
        match self {
            Self::Calls => (sum(&calls.outcomes), sum(&host.outcomes)),
            Self::Errors => (failed(&calls.outcomes), failed(&host.outcomes)),
            Self::Refusals => (sum(&calls.refusals), sum(&host.denials)),
            Self::P50 => (calls.wall_us.quantile(500), host.duration_us.quantile(500)),
            Self::P99 => (calls.wall_us.quantile(990), host.duration_us.quantile(990)),
            Self::Fuel => (calls.fuel.sum(), 0),
            Self::Memory => (calls.memory_bytes.max(), 0),
            Self::Rows => (calls.result_rows.sum(), host.rows),
            Self::HostCalls => (calls.host_calls.sum(), sum(&host.outcomes)),
            Self::Egress => (calls.egress_bytes.sum(), host.sent_bytes.saturating_add(host.received_bytes)),
            Self::Logs => (calls.log_bytes.sum(), 0),
            Self::Tokens => (u64::try_from(host.tokens).unwrap_or_default(), 0),
            Self::Cost => (u64::try_from(host.cost_micros).unwrap_or_default(), 0),
            Self::LastSeen => (seen.map_or(0, |seen| seen.last_unix_ms), 0),
        }
    }
}

impl fmt::Display for SortBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, one)| one == self).map_or("calls", |(name, _)| name);
        f.write_str(name)
    }
}

impl FromStr for SortBy {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|(name, _)| *name == text).map(|(_, one)| one).ok_or_else(|| {
            let all = Self::ALL.map(|(name, _)| name).join(", ");
            format!("`{text}` is nothing to sort by: {all}")
        })
    }
}

/// What to ask. The default asks for one sum of everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsageQuery {
    /// Only hours that end after this, in milliseconds since the Unix epoch.
    pub since_unix_ms: Option<u64>,
    /// Only hours that begin before this.
    pub until_unix_ms: Option<u64>,
    /// Only keys that have one of the values, for each dimension that is here.
    pub only: Vec<(Dimension, Vec<String>)>,
    /// What makes a group.
    pub by: Vec<Dimension>,
    /// What time is cut into.
    pub step: Step,
    /// What comes first.
    pub sort: SortBy,
    /// How many groups; all others are one more. All when not set.
    pub top: Option<u32>,
}

impl UsageQuery {
    /// The first hour, and the first that is not in it any more.
    pub(crate) fn hours(&self) -> (u64, u64) {
        let from = self.since_unix_ms.unwrap_or(0) / HOUR_MS;
        (from, self.until_unix_ms.map_or(u64::MAX, |until| until.div_ceil(HOUR_MS)))
    }

    pub(crate) fn matches(&self, key: &UsageKey) -> bool {
        self.only.iter().all(|(dimension, values)| values.iter().any(|value| value == key.get(*dimension)))
    }

    /// The value of a dimension of which only one is asked for: what the database can look up.
    pub(crate) fn one(&self, wanted: Dimension) -> Option<String> {
        let (_, values) = self.only.iter().find(|(dimension, _)| *dimension == wanted)?;
        if let [value] = values.as_slice() { Some(value.clone()) } else { None }
    }
}
