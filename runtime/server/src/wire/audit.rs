//! Messages of the audit service.

use std::sync::Arc;

use airlock_model::{AuditEvent, AuditKind, Decision, EnvironmentName, FunctionName};
use airlock_proto::v1;
use airlock_service::{AuditFilter, AuditRecord, SignedCheckpoint, TrailReport};

use super::{name, optional_name, page_size, timestamp};
use crate::status::Refusal;

const INVOCATION_BYTES_MAX: usize = 64;
const CHECKPOINTS_MAX: usize = 100;

/// What to look for, and how many at most.
pub(crate) struct AuditQuery {
    pub(crate) environment: EnvironmentName,
    pub(crate) filter: AuditFilter,
    pub(crate) limit: u32,
}

pub(crate) fn audit_query(asked: v1::AuditServiceQueryRequest) -> Result<AuditQuery, Refusal> {
    if asked.invocation_id.len() > INVOCATION_BYTES_MAX {
        let hint = "send an `invocation_id` as a reply or error gave it";
        return Err(Refusal::malformed("invocation_id", "field `invocation_id`: too long", hint));
    }
    let limit = page_size(asked.page_size, 100, 1000)?;
    let function: Option<FunctionName> = optional_name("function", &asked.function)?;
    let filter = AuditFilter {
        invocation: (!asked.invocation_id.is_empty()).then_some(asked.invocation_id),
        function: function.map(String::from),
        after_seq: Some(asked.after_sequence),
        limit: Some(limit),
        ..AuditFilter::default()
    };
    Ok(AuditQuery { environment: name("environment", &asked.environment)?, filter, limit })
}

pub(crate) fn audit_response(
    found: Vec<AuditRecord>,
    limit: u32,
) -> Result<v1::AuditServiceQueryResponse, serde_json::Error> {
    let more = u32::try_from(found.len()).is_ok_and(|count| count >= limit);
    let records = found.into_iter().map(record).collect::<Result<_, _>>()?;
    Ok(v1::AuditServiceQueryResponse { records, more })
}

/// The environment, and checkpoints that the caller kept.
pub(crate) fn audit_verify(asked: v1::AuditServiceVerifyRequest) -> Result<(EnvironmentName, Vec<String>), Refusal> {
    if asked.checkpoints.len() > CHECKPOINTS_MAX {
        let hint = "send the last ones: each covers all before it";
        return Err(Refusal::malformed("checkpoints", "field `checkpoints`: more than 100", hint));
    }
    Ok((name("environment", &asked.environment)?, asked.checkpoints))
}

pub(crate) fn checkpoint_response(made: SignedCheckpoint) -> v1::AuditServiceCheckpointResponse {
    let SignedCheckpoint { signed, seq, hash, time_unix_ms, .. } = made;
    v1::AuditServiceCheckpointResponse { checkpoint: signed, sequence: seq, hash, time: Some(timestamp(time_unix_ms)) }
}

pub(crate) fn verify_response(report: &TrailReport) -> v1::AuditServiceVerifyResponse {
    let (first_bad_sequence, first_bad_reason) = report.first_bad().unwrap_or_default();
    v1::AuditServiceVerifyResponse {
        integrity: report.integrity(),
        first_bad_sequence,
        first_bad_reason,
        complete: report.trail.calls.complete,
        unfinished_calls: report.trail.calls.unfinished_count,
        sequence: report.trail.head.seq,
        hash: report.trail.head.hash.to_string(),
        proven_to_sequence: report.proven_to.unwrap_or_default(),
    }
}

fn record(record: AuditRecord) -> Result<v1::AuditRecord, serde_json::Error> {
    let text = serde_json::to_vec(&record.event)?;
    let AuditEvent { kind, time_unix_ms, invocation, function, environment, resource, decision, reason, .. } =
        record.event;
    let decision = decision.map(|decision| match decision {
        Decision::Permit => "permit".to_owned(),
        Decision::Deny => "deny".to_owned(),
    });
    Ok(v1::AuditRecord {
        sequence: record.seq,
        hash: record.hash.to_string(),
        time: Some(timestamp(time_unix_ms)),
        kind: snake_name(kind)?,
        invocation_id: text_of(invocation),
        function: text_of(function),
        environment: text_of(environment),
        resource: resource.unwrap_or_default(),
        decision: decision.unwrap_or_default(),
        reason: reason.unwrap_or_default(),
        event: text,
    })
}

fn text_of(shared: Option<Arc<str>>) -> String {
    shared.map(|text| text.to_string()).unwrap_or_default()
}

/// The name that the kind has in the event's JSON.
fn snake_name(kind: AuditKind) -> Result<String, serde_json::Error> {
    serde_json::to_value(kind).map(|name| name.as_str().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use airlock_model::Digest;

    use super::*;

    #[test]
    fn the_typed_fields_repeat_the_event() {
        let mut event = AuditEvent::new(AuditKind::HostCallOutcome, 1_700_000_000_001);
        event.decision = Some(Decision::Deny);
        event.resource = Some("crm".into());
        let found = vec![AuditRecord { seq: 7, hash: Digest::of(b"x"), event: event.clone() }];
        let response = audit_response(found, 1).unwrap();
        let record = response.records.first().unwrap();
        assert_eq!((record.kind.as_str(), record.decision.as_str()), ("host_call_outcome", "deny"));
        assert_eq!(serde_json::from_slice::<AuditEvent>(&record.event).unwrap(), event);
        assert!(response.more);
    }
}
