//! `google.rpc` error details: written for gRPC, read back for the JSON form.

use std::collections::HashMap;

use airlock_model::{Failure, Finding};
use airlock_proto::v1;
use bytes::Bytes;
use prost::Message;
use prost_types::Any;
use tonic::{Code, Status};
use tonic_types::pb;

use super::Refusal;
use crate::wire;

const DOMAIN: &str = "airlock";
const PREFIX: &str = "type.googleapis.com/";
/// All details together. They travel base64-encoded in one trailer, and clients take about 8 KiB of trailers.
const BYTES_MAX: usize = 5 << 10;

/// What the details say, for the JSON form.
#[derive(Debug, Default)]
pub(crate) struct Explained {
    pub(crate) reason: String,
    pub(crate) hint: String,
    pub(crate) metadata: HashMap<String, String>,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) findings: Vec<v1::Finding>,
    pub(crate) retry_after_ms: Option<u64>,
    pub(crate) request_id: String,
}

/// The details of a refusal, as `grpc-status-details-bin` carries them.
pub(super) fn encode(code: Code, refusal: &Refusal, request_id: &str) -> Bytes {
    let failure = &refusal.failure;
    let mut details = vec![request_info(request_id), help(&failure.hint)];
    details.extend(failure.retry_after.map(|after| {
        let retry_delay = prost_types::Duration::try_from(after).ok();
        any("google.rpc.RetryInfo", &pb::RetryInfo { retry_delay })
    }));
    details.extend(refusal.field.as_deref().map(|field| bad_request(field, &failure.message)));
    let shown = findings(&mut details, &failure.findings);
    let mut metadata = metadata(failure);
    if shown < failure.findings.len() {
        metadata.insert("findings_omitted".to_owned(), (failure.findings.len() - shown).to_string());
    }
    details.insert(0, error_info(failure.reason.as_str(), metadata));
    wrap(code, failure.message.clone(), details)
}

/// The details of an RPC that is not served here.
pub(super) fn encode_unimplemented(hint: &str, request_id: &str) -> Bytes {
    let metadata = HashMap::from([("hint".to_owned(), hint.to_owned())]);
    let details = vec![error_info("method_unknown", metadata), request_info(request_id), help(hint)];
    wrap(Code::Unimplemented, String::new(), details)
}

fn wrap(code: Code, message: String, details: Vec<Any>) -> Bytes {
    pb::Status { code: code as i32, message, details }.encode_to_vec().into()
}

fn any(name: &str, message: &impl Message) -> Any {
    Any { type_url: format!("{PREFIX}{name}"), value: message.encode_to_vec() }
}

fn metadata(failure: &Failure) -> HashMap<String, String> {
    let mut metadata = HashMap::from([("hint".to_owned(), failure.hint.clone())]);
    if let Some(report) = &failure.limit {
        metadata.extend(report.facts().map(|(key, value)| (key.to_owned(), value)));
    }
    metadata
}

fn error_info(reason: &str, metadata: HashMap<String, String>) -> Any {
    let info = pb::ErrorInfo { reason: reason.to_owned(), domain: DOMAIN.to_owned(), metadata };
    any("google.rpc.ErrorInfo", &info)
}

fn request_info(request_id: &str) -> Any {
    let info = pb::RequestInfo { request_id: request_id.to_owned(), serving_data: String::new() };
    any("google.rpc.RequestInfo", &info)
}

fn help(hint: &str) -> Any {
    let link = pb::help::Link { description: hint.to_owned(), url: "docs/errors.md".to_owned() };
    any("google.rpc.Help", &pb::Help { links: vec![link] })
}

fn bad_request(field: &str, description: &str) -> Any {
    let violation = pb::bad_request::FieldViolation {
        field: field.to_owned(),
        description: description.to_owned(),
        reason: "REQUEST_MALFORMED".to_owned(),
        localized_message: None,
    };
    any("google.rpc.BadRequest", &pb::BadRequest { field_violations: vec![violation] })
}

/// Adds as many findings as fit, each as a precondition for standard clients and in our own type; tells how many.
fn findings(details: &mut Vec<Any>, findings: &[Finding]) -> usize {
    let mut room = BYTES_MAX.saturating_sub(details.iter().map(Message::encoded_len).sum());
    let mut violations = Vec::new();
    for finding in findings {
        let typed = any("airlock.v1.Finding", &wire::finding(finding));
        let violation = pb::precondition_failure::Violation {
            r#type: finding.rule.clone(),
            subject: finding.location.clone(),
            description: format!("{}: {}", finding.message, finding.fix),
        };
        let Some(left) = room.checked_sub(typed.encoded_len() + violation.encoded_len()) else { break };
        room = left;
        details.push(typed);
        violations.push(violation);
    }
    let shown = violations.len();
    if shown > 0 {
        details.push(any("google.rpc.PreconditionFailure", &pb::PreconditionFailure { violations }));
    }
    shown
}

/// Reads back what [`encode`] wrote.
pub(crate) fn explain(status: &Status) -> Explained {
    let mut explained = Explained::default();
    let Ok(wrapped) = pb::Status::decode(status.details()) else { return explained };
    for detail in wrapped.details {
        absorb(&mut explained, &detail);
    }
    explained
}

fn absorb(explained: &mut Explained, detail: &Any) {
    let value = detail.value.as_slice();
    match detail.type_url.strip_prefix(PREFIX).unwrap_or_default() {
        "google.rpc.ErrorInfo" => {
            let mut info = pb::ErrorInfo::decode(value).unwrap_or_default();
            explained.hint = info.metadata.remove("hint").unwrap_or_default();
            explained.reason = info.reason;
            explained.metadata = info.metadata;
        }
        "google.rpc.RequestInfo" => {
            explained.request_id = pb::RequestInfo::decode(value).unwrap_or_default().request_id;
        }
        "google.rpc.RetryInfo" => {
            let delay = pb::RetryInfo::decode(value).ok().and_then(|info| info.retry_delay);
            let after = delay.and_then(|delay| std::time::Duration::try_from(delay).ok());
            explained.retry_after_ms = after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
        }
        "google.rpc.BadRequest" => {
            let violations = pb::BadRequest::decode(value).unwrap_or_default().field_violations;
            explained.fields = violations.into_iter().map(|one| (one.field, one.description)).collect();
        }
        "airlock.v1.Finding" => explained.findings.extend(v1::Finding::decode(value)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use airlock_model::{EffectiveLimits, Limit, Limits, Reason};
    use tonic_types::StatusExt as _;

    use super::*;
    use crate::status::status;

    #[test]
    fn standard_clients_read_reason_limit_retry_and_field() {
        let limits = EffectiveLimits::new(Limits::BUILT_IN);
        let failure = Failure::limit(Limit::HostCalls, &limits, 1001).with_retry_after(Duration::from_millis(1500));
        let status = status(Refusal::field("payload", failure), "r-9");
        let details = status.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("host_calls_exhausted", "airlock"));
        for (key, value) in [("limit", "host_calls"), ("configured", "1000"), ("used", "1001")] {
            assert_eq!(info.metadata.get(key).map(String::as_str), Some(value));
        }
        assert!(info.metadata.get("source").is_some_and(|source| source.contains("airlock.toml")));
        assert_eq!(details.retry_info().unwrap().retry_delay, Some(Duration::from_millis(1500)));
        assert_eq!(details.bad_request().unwrap().field_violations.first().unwrap().field, "payload");
        assert_eq!(details.request_info().unwrap().request_id, "r-9");
        assert!(!details.help().unwrap().links.is_empty());
    }

    #[test]
    fn findings_travel_until_the_trailer_is_full_and_the_rest_is_counted() {
        let finding = Finding::error("import-undeclared", "m".repeat(200), "src/main.ts:3:1", "declare it");
        let few = Failure::new(Reason::ComponentRejected, "rejected", "fix").with_findings(vec![finding.clone(); 3]);
        let read = explain(&status(few, "r"));
        assert_eq!((read.findings.len(), read.metadata.get("findings_omitted")), (3, None));

        let many = Failure::new(Reason::ComponentRejected, "rejected", "fix").with_findings(vec![finding; 500]);
        let full = status(many, "r");
        let read = explain(&full);
        let omitted: usize = read.metadata.get("findings_omitted").unwrap().parse().unwrap();
        assert_eq!(read.findings.len() + omitted, 500);
        assert!(!read.findings.is_empty() && full.details().len() < 6 << 10);
        let violations = full.get_error_details().precondition_failure().unwrap().violations.len();
        assert_eq!(violations, read.findings.len());
    }
}
