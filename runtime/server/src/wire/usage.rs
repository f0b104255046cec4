//! Messages of the usage service.

use std::{collections::BTreeMap, str::FromStr};

use airlock_model::EnvironmentName;
use airlock_proto::v1;
use airlock_service::{
    Dimension, Figures, ResourceFigures, SortBy, Spread, Step, UnusedGrant, UnusedGrants, UsageLine, UsageQuery,
    UsageReport,
};
use prost_types::Timestamp;

use super::{name, page_size, timestamp};
use crate::status::Refusal;

const FILTERS_MAX: usize = 16;
const VALUES_MAX: usize = 100;
const DAYS_MAX: u32 = 3_650;

pub(crate) fn usage_query(asked: v1::UsageReportRequest) -> Result<(EnvironmentName, UsageQuery), Refusal> {
    let only = asked.filters.into_iter().map(filter).collect::<Result<Vec<_>, _>>()?;
    if only.len() > FILTERS_MAX || only.iter().any(|(_, values)| values.len() > VALUES_MAX) {
        let hint = "send at most 16 filters of at most 100 values";
        return Err(Refusal::malformed("filters", "field `filters`: too many", hint));
    }
    let by = asked.group_by.iter().map(|text| one_of("group_by", text)).collect::<Result<Vec<Dimension>, _>>()?;
    if by.len() > Dimension::ALL.len() {
        return Err(Refusal::malformed("group_by", "field `group_by`: too many", "name each dimension once"));
    }
    let sort: SortBy = if asked.sort.is_empty() { SortBy::default() } else { one_of("sort", &asked.sort)? };
    let step: Step = one_of("step", &asked.step)?;
    let query = UsageQuery {
        since_unix_ms: asked.since.as_ref().map(|time| unix_ms("since", time)).transpose()?,
        until_unix_ms: asked.until.as_ref().map(|time| unix_ms("until", time)).transpose()?,
        only,
        by,
        step,
        sort,
        top: Some(page_size(asked.top, 20, 1_000)?),
    };
    Ok((name("environment", &asked.environment)?, query))
}

fn filter(asked: v1::UsageFilter) -> Result<(Dimension, Vec<String>), Refusal> {
    Ok((one_of("filters", &asked.dimension)?, asked.values))
}

/// One of a few words; what is wrong with another lists them.
fn one_of<T: FromStr<Err = String>>(field: &'static str, text: &str) -> Result<T, Refusal> {
    text.parse().map_err(|why| Refusal::malformed(field, format!("field `{field}`: {why}"), "take one of those"))
}

fn unix_ms(field: &'static str, time: &Timestamp) -> Result<u64, Refusal> {
    let seconds = u64::try_from(time.seconds).ok();
    let nanos = u64::try_from(time.nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
    let unix_ms = seconds.and_then(|seconds| seconds.checked_mul(1_000)?.checked_add(nanos? / 1_000_000));
    unix_ms.ok_or_else(|| {
        Refusal::malformed(
            field,
            format!("field `{field}`: not a time since 1970"),
            "send a time as RFC 3339 writes it",
        )
    })
}

/// Where, and how many days back.
pub(crate) fn unused_grants(asked: &v1::UnusedGrantsRequest) -> Result<(EnvironmentName, u32), Refusal> {
    let days = if asked.days == 0 { 30 } else { asked.days };
    if days > DAYS_MAX {
        return Err(Refusal::malformed("days", "field `days`: more than 3650", "ask for ten years or less"));
    }
    Ok((name("environment", &asked.environment)?, days))
}

pub(crate) fn unused_grants_response(found: UnusedGrants) -> v1::UnusedGrantsResponse {
    let grant = |one: UnusedGrant| v1::UnusedGrant {
        key: one.key,
        place: one.place,
        value: one.value,
        member: one.member.unwrap_or_default(),
    };
    v1::UnusedGrantsResponse {
        unused: found.unused.into_iter().map(grant).collect(),
        host_calls: found.host_calls,
        reaches_back: found.reaches_back,
    }
}

pub(crate) fn usage_response(report: UsageReport) -> v1::UsageReportResponse {
    let line = |one: UsageLine| v1::UsageReportLine {
        begin: one.begin_unix_ms.map(timestamp),
        group: one.group,
        other: one.other,
        used: Some(figures(one.used)),
    };
    v1::UsageReportResponse {
        lines: report.lines.into_iter().map(line).collect(),
        total: Some(figures(report.total)),
        groups: report.groups,
        through_sequence: report.through_seq,
        quantile_parts: airlock_service::QUANTILE_PARTS,
    }
}

fn figures(used: Figures) -> v1::UsageFigures {
    let time = |unix_ms: u64| (unix_ms > 0).then(|| timestamp(unix_ms));
    v1::UsageFigures {
        first_seen: time(used.first_seen_unix_ms),
        last_seen: time(used.last_seen_unix_ms),
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
        resources: Some(resources(used.resources)),
    }
}

fn resources(used: ResourceFigures) -> v1::UsageResources {
    v1::UsageResources {
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

fn reasons(reasons: BTreeMap<String, u64>) -> Vec<v1::UsageReason> {
    reasons.into_iter().map(|(reason, count)| v1::UsageReason { reason, count }).collect()
}

#[expect(clippy::unnecessary_wraps, reason = "a message inside another may always be missing")]
fn spread(Spread { count, sum, p50, p90, p99, max }: Spread) -> Option<v1::UsageSpread> {
    Some(v1::UsageSpread { count, sum, p50, p90, p99, max })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> v1::UsageReportRequest {
        v1::UsageReportRequest { environment: "dev".to_owned(), ..v1::UsageReportRequest::default() }
    }

    #[test]
    fn what_is_left_out_means_the_whole() {
        let (environment, query) = usage_query(asked()).unwrap();
        assert_eq!((environment.as_str(), query), ("dev", UsageQuery { top: Some(20), ..UsageQuery::default() }));
    }

    #[test]
    fn what_nobody_counts_by_is_refused_with_what_there_is() {
        let by = v1::UsageReportRequest { group_by: vec!["colour".to_owned()], ..asked() };
        let sort = v1::UsageReportRequest { sort: "colour".to_owned(), ..asked() };
        let step = v1::UsageReportRequest { step: "colour".to_owned(), ..asked() };
        let since = Some(Timestamp { seconds: -1, nanos: 0 });
        let past = v1::UsageReportRequest { since, ..asked() };
        let many = vec![v1::UsageFilter { dimension: "app".to_owned(), values: vec![String::new(); 101] }];
        let many = v1::UsageReportRequest { filters: many, ..asked() };
        for wrong in [by, sort, step, past, many] {
            assert!(usage_query(wrong.clone()).is_err(), "{wrong:?}");
        }
        let days = v1::UnusedGrantsRequest { environment: "dev".to_owned(), days: 3_651 };
        assert!(unused_grants(&days).is_err());
        assert_eq!(unused_grants(&v1::UnusedGrantsRequest { days: 0, ..days }).unwrap().1, 30);
    }
}
