//! Measures as they are told: sums, quantiles and counts by reason.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Distribution, Measures};

/// What is told about one kind of values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// How many values: calls that left a usage.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
    /// Half of them are not above this; the quantiles are off by [`super::QUANTILE_ERROR`] at most.
    pub p50: u64,
    /// Nine of ten.
    pub p90: u64,
    /// Ninety-nine of a hundred.
    pub p99: u64,
    /// The highest, exactly.
    pub max: u64,
}

impl From<&Distribution> for Spread {
    fn from(values: &Distribution) -> Self {
        Self {
            count: values.count(),
            sum: values.sum(),
            p50: values.quantile(500),
            p90: values.quantile(900),
            p99: values.quantile(990),
            max: values.max(),
        }
    }
}

/// What was used. Times are milliseconds since the Unix epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// When the first record was made that is counted here; 0 for none.
    pub first_seen_unix_ms: u64,
    /// The last.
    pub last_seen_unix_ms: u64,
    /// Calls that ended.
    pub calls: u64,
    /// Those that did not end with `ok`.
    pub errors: u64,
    /// Calls by outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// Calls that were turned away, as far as each has a record.
    pub refused: u64,
    /// The same by reason.
    pub refusals: BTreeMap<String, u64>,
    /// Wall time of calls in microseconds.
    pub wall_us: Spread,
    /// Fuel of calls.
    pub fuel: Spread,
    /// Highest memory of calls, in bytes.
    pub memory_bytes: Spread,
    /// Host calls of calls.
    pub host_calls: Spread,
    /// Bytes copied in host calls.
    pub host_bytes: Spread,
    /// Log and standard output, in bytes.
    pub log_bytes: Spread,
    /// HTTP requests.
    pub egress_requests: Spread,
    /// HTTP bytes, both ways.
    pub egress_bytes: Spread,
    /// SQL rows returned.
    pub result_rows: Spread,
    /// What was asked of resources.
    pub resources: ResourceFigures,
}

/// What was asked of resources, by the records of host calls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceFigures {
    /// Host calls that were made.
    pub calls: u64,
    /// Those that did not end with `ok`.
    pub errors: u64,
    /// Host calls by outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// Host calls that were denied, as far as each has a record.
    pub denied: u64,
    /// The same by reason.
    pub denials: BTreeMap<String, u64>,
    /// How long they took, in microseconds.
    pub duration_us: Spread,
    /// Rows returned or changed.
    pub rows: u64,
    /// Bytes handed to guests, and those of values that they stored.
    pub bytes: u64,
    /// HTTP requests sent.
    pub attempts: u64,
    /// Bytes that left over HTTP.
    pub sent_bytes: u64,
    /// Bytes that came in.
    pub received_bytes: u64,
    /// Tokens of completions, what is reserved and not settled among them.
    pub tokens: i64,
    /// Their cost in millionths of the operator's currency.
    pub cost_micros: i64,
}

impl Figures {
    /// Tells measures.
    #[must_use]
    pub fn of(Measures { seen, calls, host }: &Measures) -> Self {
        Self {
            first_seen_unix_ms: seen.map_or(0, |seen| seen.first_unix_ms),
            last_seen_unix_ms: seen.map_or(0, |seen| seen.last_unix_ms),
            calls: sum(&calls.outcomes),
            errors: failed(&calls.outcomes),
            outcomes: calls.outcomes.clone(),
            refused: sum(&calls.refusals),
            refusals: calls.refusals.clone(),
            wall_us: (&calls.wall_us).into(),
            fuel: (&calls.fuel).into(),
            memory_bytes: (&calls.memory_bytes).into(),
            host_calls: (&calls.host_calls).into(),
            host_bytes: (&calls.host_bytes).into(),
            log_bytes: (&calls.log_bytes).into(),
            egress_requests: (&calls.egress_requests).into(),
            egress_bytes: (&calls.egress_bytes).into(),
            result_rows: (&calls.result_rows).into(),
            resources: ResourceFigures {
                calls: sum(&host.outcomes),
                errors: failed(&host.outcomes),
                outcomes: host.outcomes.clone(),
                denied: sum(&host.denials),
                denials: host.denials.clone(),
                duration_us: (&host.duration_us).into(),
                rows: host.rows,
                bytes: host.bytes,
                attempts: host.attempts,
                sent_bytes: host.sent_bytes,
                received_bytes: host.received_bytes,
                tokens: host.tokens,
                cost_micros: host.cost_micros,
            },
        }
    }
}

pub(crate) fn sum(reasons: &BTreeMap<String, u64>) -> u64 {
    reasons.values().fold(0, |sum, count| sum.saturating_add(*count))
}

/// All but those that went well.
pub(crate) fn failed(reasons: &BTreeMap<String, u64>) -> u64 {
    sum(reasons).saturating_sub(reasons.get("ok").copied().unwrap_or_default())
}
