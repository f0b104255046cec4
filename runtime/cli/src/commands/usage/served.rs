//! A server's answer, as the state directory gives it.

use std::collections::BTreeMap;

use airlock_proto::v1;
use airlock_service::{Dimension, Figures, ResourceFigures, Spread, Step, UsageLine, UsageQuery, UsageReport};
use prost_types::Timestamp;

/// Most groups that a server tells one by one.
const TOP_MAX: u32 = 1_000;

pub fn request(environment: String, query: &UsageQuery) -> v1::UsageReportRequest {
    let filter = |(dimension, values): &(Dimension, Vec<String>)| v1::UsageFilter {
        dimension: dimension.to_string(),
        values: values.clone(),
    };
    let step = match query.step {
        Step::Hour => "hour",
        Step::Day => "day",
        Step::None => "none",
    };
    v1::UsageReportRequest {
        environment,
        group_by: query.by.iter().map(ToString::to_string).collect(),
        filters: query.only.iter().map(filter).collect(),
        since: query.since_unix_ms.map(timestamp),
        until: query.until_unix_ms.map(timestamp),
        step: step.to_owned(),
        top: i32::try_from(query.top.unwrap_or(TOP_MAX)).unwrap_or(i32::MAX),
        sort: query.sort.to_string(),
    }
}

fn timestamp(unix_ms: u64) -> Timestamp {
    let nanos = i32::try_from(unix_ms % 1_000 * 1_000_000).unwrap_or_default();
    Timestamp { seconds: i64::try_from(unix_ms / 1_000).unwrap_or(i64::MAX), nanos }
}

pub fn report(response: v1::UsageReportResponse) -> UsageReport {
    let line = |one: v1::UsageReportLine| UsageLine {
        begin_unix_ms: one.begin.map(unix_ms),
        group: one.group,
        other: one.other,
        used: figures(one.used.unwrap_or_default()),
    };
    UsageReport {
        lines: response.lines.into_iter().map(line).collect(),
        total: figures(response.total.unwrap_or_default()),
        groups: response.groups,
        through_seq: response.through_sequence,
    }
}

fn unix_ms(time: Timestamp) -> u64 {
    let ms = u64::try_from(time.nanos).unwrap_or(0) / 1_000_000;
    u64::try_from(time.seconds).unwrap_or(0).saturating_mul(1_000).saturating_add(ms)
}

fn figures(used: v1::UsageFigures) -> Figures {
    Figures {
        first_seen_unix_ms: used.first_seen.map_or(0, unix_ms),
        last_seen_unix_ms: used.last_seen.map_or(0, unix_ms),
        calls: used.calls,
        errors: used.errors,
        outcomes: reasons(used.outcomes),
        refused: used.refused,
        refusals: reasons(used.refusals),
        wall_us: spread(used.wall_us),
        fuel: spread(used.fuel),
        memory_bytes: spread(used.memory_bytes),
        host_calls: spread(used.host_calls),
        host_bytes: spread(used.host_bytes),
        log_bytes: spread(used.log_bytes),
        egress_requests: spread(used.egress_requests),
        egress_bytes: spread(used.egress_bytes),
        result_rows: spread(used.result_rows),
        resources: resources(used.resources.unwrap_or_default()),
    }
}

fn resources(used: v1::UsageResources) -> ResourceFigures {
    ResourceFigures {
        calls: used.calls,
        errors: used.errors,
        outcomes: reasons(used.outcomes),
        denied: used.denied,
        denials: reasons(used.denials),
        duration_us: spread(used.duration_us),
        rows: used.rows,
        bytes: used.bytes,
        attempts: used.attempts,
        sent_bytes: used.sent_bytes,
        received_bytes: used.received_bytes,
        tokens: used.tokens,
        cost_micros: used.cost_micros,
    }
}

fn reasons(reasons: Vec<v1::UsageReason>) -> BTreeMap<String, u64> {
    reasons.into_iter().map(|one| (one.reason, one.count)).collect()
}

fn spread(spread: Option<v1::UsageSpread>) -> Spread {
    let v1::UsageSpread { count, sum, p50, p90, p99, max } = spread.unwrap_or_default();
    Spread { count, sum, p50, p90, p99, max }
}
