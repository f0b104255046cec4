//! Messages of the audit service.

use std::sync::Arc;

use airlock_model::{
    AppName, AuditEvent, AuditKind, Decision, EnvironmentName, Erasure, FunctionName, ResourceName, ValueField,
};
use airlock_proto::v1;
use airlock_service::{
    AuditFilter, AuditOrder, AuditPage, AuditRecord, Erased, KeptValue, SignedCheckpoint, TrailReport,
};

use super::{name, optional_name, page_size, timestamp};
use crate::status::Refusal;

/// Longest name or id to look for.
const WORD_BYTES_MAX: usize = 512;
const CHECKPOINTS_MAX: usize = 100;
/// Longest reason for an erasure: the trail keeps it.
const REASON_BYTES_MAX: usize = 1_000;

/// Where to look, and what for.
pub(crate) struct AuditQuery {
    pub(crate) environment: EnvironmentName,
    pub(crate) filter: AuditFilter,
}

pub(crate) fn audit_query(asked: v1::AuditServiceQueryRequest) -> Result<AuditQuery, Refusal> {
    let function: Option<FunctionName> = optional_name("function", &asked.function)?;
    let app: Option<AppName> = optional_name("app", &asked.app)?;
    let resource: Option<ResourceName> = optional_name("resource", &asked.resource)?;
    let order = if asked.newest_first { AuditOrder::NewestFirst } else { AuditOrder::OldestFirst };
    let number = |seq: u64| (seq > 0).then_some(seq);
    let filter = AuditFilter {
        tenant: None,
        environment: None,
        principal: text("principal", asked.principal)?,
        app: app.map(String::from),
        function: function.map(String::from),
        resource: resource.map(String::from),
        table: text("table", asked.table)?,
        decision: decision(&asked.decision)?,
        kind: kind(&asked.kind)?,
        invocation: text("invocation_id", asked.invocation_id)?,
        token_id: text("token_id", asked.token_id)?,
        approval: text("approval_id", asked.approval_id)?,
        since_unix_ms: asked.since.map(|time| moment("since", time)).transpose()?,
        until_unix_ms: asked.until.map(|time| moment("until", time)).transpose()?,
        after_seq: number(asked.after_sequence),
        before_seq: number(asked.before_sequence),
        order,
        limit: Some(page_size(asked.page_size, 100, 1000)?),
        with_values: asked.with_values,
    };
    Ok(AuditQuery { environment: name("environment", &asked.environment)?, filter })
}

/// A query without an end.
pub(crate) fn audit_tail(asked: v1::AuditServiceTailRequest) -> Result<AuditQuery, Refusal> {
    let v1::AuditServiceTailRequest {
        environment,
        after_sequence,
        invocation_id,
        function,
        principal,
        app,
        resource,
        table,
        decision,
        kind,
        token_id,
        approval_id,
        with_values,
    } = asked;
    audit_query(v1::AuditServiceQueryRequest {
        environment,
        invocation_id,
        function,
        after_sequence,
        principal,
        app,
        resource,
        table,
        decision,
        kind,
        token_id,
        approval_id,
        with_values,
        ..Default::default()
    })
}

fn text(field: &'static str, text: String) -> Result<Option<String>, Refusal> {
    if text.len() > WORD_BYTES_MAX {
        let message = format!("field `{field}`: longer than {WORD_BYTES_MAX} bytes");
        return Err(Refusal::malformed(field, message, "send it as records write it"));
    }
    Ok((!text.is_empty()).then_some(text))
}

fn decision(text: &str) -> Result<Option<Decision>, Refusal> {
    match text {
        "" => Ok(None),
        "permit" => Ok(Some(Decision::Permit)),
        "deny" => Ok(Some(Decision::Deny)),
        _ => Err(Refusal::malformed("decision", "field `decision`: neither `permit` nor `deny`", "send one of them")),
    }
}

fn kind(text: &str) -> Result<Option<AuditKind>, Refusal> {
    let named = || serde_json::from_value(text.into()).ok();
    if text.is_empty() {
        return Ok(None);
    }
    let hint = "send one as records name it, for instance `invocation_finished`";
    named().map(Some).ok_or_else(|| Refusal::malformed("kind", "field `kind`: no kind of record", hint))
}

fn moment(field: &'static str, time: prost_types::Timestamp) -> Result<u64, Refusal> {
    let ms = u64::try_from(time.seconds).ok().and_then(|seconds| {
        let nanos = u64::try_from(time.nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
        seconds.checked_mul(1_000)?.checked_add(nanos / 1_000_000)
    });
    let message = format!("field `{field}`: not a time since 1970");
    ms.ok_or_else(|| Refusal::malformed(field, message, "send it as `2026-11-21T08:00:00Z`"))
}

pub(crate) fn audit_response(page: AuditPage) -> Result<v1::AuditServiceQueryResponse, serde_json::Error> {
    let AuditPage { records, position, is_last } = page;
    let records = records.into_iter().map(record).collect::<Result<_, _>>()?;
    Ok(v1::AuditServiceQueryResponse { records, more: !is_last, position })
}

pub(crate) fn tail_response(page: AuditPage) -> Result<v1::AuditServiceTailResponse, serde_json::Error> {
    let v1::AuditServiceQueryResponse { records, position, .. } = audit_response(page)?;
    Ok(v1::AuditServiceTailResponse { records, position })
}

/// The environment, and checkpoints that the caller kept.
pub(crate) fn audit_verify(asked: v1::AuditServiceVerifyRequest) -> Result<(EnvironmentName, Vec<String>), Refusal> {
    if asked.checkpoints.len() > CHECKPOINTS_MAX {
        let hint = "send the last ones: each covers all before it";
        return Err(Refusal::malformed("checkpoints", "field `checkpoints`: more than 100", hint));
    }
    Ok((name("environment", &asked.environment)?, asked.checkpoints))
}

/// Which values to erase, and why.
pub(crate) struct EraseRequest {
    pub(crate) environment: EnvironmentName,
    pub(crate) erasure: Erasure,
    pub(crate) why: String,
}

pub(crate) fn audit_erase(asked: v1::AuditServiceEraseRequest) -> Result<EraseRequest, Refusal> {
    let (principal, invocation) = (text("principal", asked.principal)?, text("invocation_id", asked.invocation_id)?);
    if principal.is_none() && invocation.is_none() && asked.last_sequence == 0 {
        let message = "field `principal`: neither a principal, nor an invocation, nor a last record is given";
        return Err(Refusal::malformed("principal", message, "say whose values, or of which records"));
    }
    let why = asked.reason.trim();
    if why.is_empty() || why.len() > REASON_BYTES_MAX {
        let message = format!("field `reason`: 1 to {REASON_BYTES_MAX} bytes are needed");
        return Err(Refusal::malformed("reason", message, "say why, not what: the trail keeps it"));
    }
    let erasure = Erasure {
        tenant: None,
        environment: None,
        principal,
        invocation,
        first_seq: asked.first_sequence.max(1),
        last_seq: if asked.last_sequence == 0 { u64::MAX } else { asked.last_sequence },
        until_unix_ms: asked.until.map(|time| moment("until", time)).transpose()?,
        fields: fields(&asked.field)?,
        values: 0,
    };
    Ok(EraseRequest { environment: name("environment", &asked.environment)?, erasure, why: why.to_owned() })
}

fn fields(text: &str) -> Result<Vec<ValueField>, Refusal> {
    if text.is_empty() {
        return Ok(ValueField::ALL.to_vec());
    }
    let named = ValueField::ALL.into_iter().find(|field| field.as_str() == text);
    let unknown = || {
        Refusal::malformed("field", "field `field`: neither `arguments` nor `statement`", "send one of them, or none")
    };
    named.map(|field| vec![field]).ok_or_else(unknown)
}

pub(crate) fn erase_response(Erased { values, seq, more, log_is_cut }: Erased) -> v1::AuditServiceEraseResponse {
    v1::AuditServiceEraseResponse { values, sequence: seq.unwrap_or_default(), log_is_cut, more }
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
        begins_after_sequence: report.trail.cut.as_ref().map_or(0, |cut| cut.seq),
        values_kept: report.trail.values_kept,
        values_erased: report.trail.values_erased,
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
        values: record.values.into_iter().map(kept).collect(),
    })
}

fn kept(value: KeptValue) -> v1::AuditValue {
    v1::AuditValue {
        field: value.field.as_str().to_owned(),
        policy: value.policy.as_str().to_owned(),
        bytes: value.bytes,
        value: value.value.unwrap_or_default(),
    }
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
        let records = vec![AuditRecord { seq: 7, hash: Digest::of(b"x"), event: event.clone(), values: Vec::new() }];
        let response = audit_response(AuditPage { records, position: 9, is_last: false }).unwrap();
        let record = response.records.first().unwrap();
        assert_eq!((record.kind.as_str(), record.decision.as_str()), ("host_call_outcome", "deny"));
        assert_eq!(serde_json::from_slice::<AuditEvent>(&record.event).unwrap(), event);
        assert_eq!((response.more, response.position), (true, 9));
    }

    fn refused(change: impl FnOnce(&mut v1::AuditServiceQueryRequest)) -> bool {
        let mut asked = v1::AuditServiceQueryRequest { environment: "dev".to_owned(), ..Default::default() };
        change(&mut asked);
        audit_query(asked).is_err()
    }

    #[test]
    fn an_erasure_says_of_what_and_why() {
        let asked = |change: fn(&mut v1::AuditServiceEraseRequest)| {
            let (environment, principal, reason) = ("dev".to_owned(), "ada".to_owned(), "she asked".to_owned());
            let mut asked = v1::AuditServiceEraseRequest { environment, principal, reason, ..Default::default() };
            change(&mut asked);
            audit_erase(asked)
        };
        let all = asked(|_| ()).ok().unwrap().erasure;
        assert_eq!((all.first_seq, all.last_seq, all.fields), (1, u64::MAX, ValueField::ALL.to_vec()));
        assert!(asked(|asked| (asked.principal, asked.last_sequence) = (String::new(), 9)).is_ok());
        assert!(asked(|asked| asked.principal = String::new()).is_err(), "everything there is");
        assert!(asked(|asked| asked.reason = " ".to_owned()).is_err());
        assert!(asked(|asked| asked.reason = "x".repeat(REASON_BYTES_MAX + 1)).is_err());
        assert!(asked(|asked| asked.field = "body".to_owned()).is_err());
        assert!(asked(|asked| asked.field = "statement".to_owned()).is_ok());
    }

    #[test]
    fn conditions_that_mean_nothing_are_refused() {
        assert!(!refused(|_| ()));
        assert!(refused(|asked| asked.decision = "perhaps".to_owned()));
        assert!(refused(|asked| asked.kind = "no_such_kind".to_owned()));
        assert!(refused(|asked| asked.app = "No App".to_owned()));
        assert!(refused(|asked| asked.principal = "x".repeat(WORD_BYTES_MAX + 1)));
        assert!(refused(|asked| asked.since = Some(prost_types::Timestamp { seconds: -1, nanos: 0 })));
        assert!(refused(|asked| asked.until = Some(prost_types::Timestamp { seconds: 0, nanos: -1 })));
        assert!(refused(|asked| asked.until = Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 })));
    }
}
