//! What is counted.

use std::collections::BTreeMap;

use airlock_model::Usage;
use serde::{Deserialize, Serialize};

use super::Distribution;

/// How often each reason was given.
pub(crate) type Reasons = BTreeMap<String, u64>;

/// What was counted for one key in one hour, or for many. Every number in it is a sum, a minimum or a maximum, so that parts
/// merge into the whole in any order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measures {
    /// When the first and the last record of it were made.
    pub seen: Option<Seen>,
    /// Of calls.
    pub calls: CallMeasures,
    /// Of host calls.
    pub host: HostMeasures,
}

/// The first and the last time, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The earliest.
    pub first_unix_ms: u64,
    /// The latest.
    pub last_unix_ms: u64,
}

/// What is counted by call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallMeasures {
    /// Calls that ended, by outcome: `ok`, or why not.
    pub outcomes: Reasons,
    /// Calls that were turned away before they ran, by reason, as far as each has a record.
    pub refusals: Reasons,
    /// Wall time in microseconds.
    pub wall_us: Distribution,
    /// Fuel.
    pub fuel: Distribution,
    /// Highest sum of linear memories, in bytes.
    pub memory_bytes: Distribution,
    /// Calls to resources.
    pub host_calls: Distribution,
    /// Bytes copied in host calls, both ways.
    pub host_bytes: Distribution,
    /// Log and standard output, in bytes.
    pub log_bytes: Distribution,
    /// HTTP requests sent.
    pub egress_requests: Distribution,
    /// HTTP bytes, both ways.
    pub egress_bytes: Distribution,
    /// SQL rows returned.
    pub result_rows: Distribution,
}

/// What is counted by host call, and so by resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostMeasures {
    /// Host calls that were made, by outcome: `ok`, or why not.
    pub outcomes: Reasons,
    /// Host calls that a grant, a rule or a budget denied, by reason, as far as each has a record.
    pub denials: Reasons,
    /// How long they took, in microseconds.
    pub duration_us: Distribution,
    /// Rows returned or changed.
    pub rows: u64,
    /// Bytes handed to the guest, and those of values that it stored.
    pub bytes: u64,
    /// HTTP requests sent.
    pub attempts: u64,
    /// Bytes that left over HTTP.
    pub sent_bytes: u64,
    /// Bytes that came in.
    pub received_bytes: u64,
    /// Tokens of completions. Below zero for an hour whose completions came to less than they had reserved in the hour before.
    pub tokens: i64,
    /// Their cost in millionths, likewise.
    pub cost_micros: i64,
}

impl Measures {
    /// Takes in what another part counted.
    pub fn merge(&mut self, other: &Self) {
        if let Some(Seen { first_unix_ms, last_unix_ms }) = other.seen {
            self.see(first_unix_ms);
            self.see(last_unix_ms);
        }
        self.calls.merge(&other.calls);
        self.host.merge(&other.host);
    }

    pub(crate) fn see(&mut self, unix_ms: u64) {
        let seen = self.seen.get_or_insert(Seen { first_unix_ms: unix_ms, last_unix_ms: unix_ms });
        seen.first_unix_ms = seen.first_unix_ms.min(unix_ms);
        seen.last_unix_ms = seen.last_unix_ms.max(unix_ms);
    }
}

impl CallMeasures {
    pub(crate) fn add_usage(&mut self, usage: &Usage) {
        let Usage {
            fuel,
            memory_bytes,
            wall_us,
            host_calls,
            host_bytes,
            log_bytes,
            egress_requests,
            egress_bytes,
            result_rows,
        } = *usage;
        let values = [
            wall_us,
            fuel,
            memory_bytes,
            host_calls,
            host_bytes,
            log_bytes,
            egress_requests,
            egress_bytes,
            result_rows,
        ];
        for (distribution, value) in self.distributions().into_iter().zip(values) {
            distribution.add(value);
        }
    }

    fn distributions(&mut self) -> [&mut Distribution; 9] {
        [
            &mut self.wall_us,
            &mut self.fuel,
            &mut self.memory_bytes,
            &mut self.host_calls,
            &mut self.host_bytes,
            &mut self.log_bytes,
            &mut self.egress_requests,
            &mut self.egress_bytes,
            &mut self.result_rows,
        ]
    }

    fn merge(&mut self, other: &Self) {
        merge_reasons(&mut self.outcomes, &other.outcomes);
        merge_reasons(&mut self.refusals, &other.refusals);
        let theirs = [
            &other.wall_us,
            &other.fuel,
            &other.memory_bytes,
            &other.host_calls,
            &other.host_bytes,
            &other.log_bytes,
            &other.egress_requests,
            &other.egress_bytes,
            &other.result_rows,
        ];
        for (ours, theirs) in self.distributions().into_iter().zip(theirs) {
            ours.merge(theirs);
        }
    }
}

impl HostMeasures {
    fn merge(&mut self, other: &Self) {
        merge_reasons(&mut self.outcomes, &other.outcomes);
        merge_reasons(&mut self.denials, &other.denials);
        self.duration_us.merge(&other.duration_us);
        self.rows = self.rows.saturating_add(other.rows);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.attempts = self.attempts.saturating_add(other.attempts);
        self.sent_bytes = self.sent_bytes.saturating_add(other.sent_bytes);
        self.received_bytes = self.received_bytes.saturating_add(other.received_bytes);
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.cost_micros = self.cost_micros.saturating_add(other.cost_micros);
    }
}

/// Counts one more of a reason.
pub(crate) fn count(reasons: &mut Reasons, reason: String) {
    let count = reasons.entry(reason).or_default();
    *count = count.saturating_add(1);
}

fn merge_reasons(ours: &mut Reasons, theirs: &Reasons) {
    for (reason, times) in theirs {
        if let Some(count) = ours.get_mut(reason) {
            *count = count.saturating_add(*times);
        } else {
            ours.insert(reason.clone(), *times);
        }
    }
}
