//! OTLP logs (<https://opentelemetry.io/docs/specs/otlp>): a log record for each record of the trail.

use airlock_store::AuditRecord;
use opentelemetry_proto::tonic::{
    collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse},
    common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value as Any},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber},
    resource::v1::Resource,
};
use prost::Message as _;
use serde_json::Value;

use super::{
    VERSION,
    view::{About, Severity, View},
};

/// A request with these records; `instance` is the name of this installation.
pub(in crate::exports) fn request(records: &[AuditRecord], instance: &str, now_unix_ms: u64) -> Vec<u8> {
    let attributes = [("service.name", "airlock"), ("service.version", VERSION), ("service.instance.id", instance)];
    let attributes = attributes.map(|(key, value)| pair(key, value.into()));
    let log_records = records.iter().map(|record| log_record(record, now_unix_ms)).collect();
    let scope =
        InstrumentationScope { name: "airlock.audit".to_owned(), version: VERSION.to_owned(), ..Default::default() };
    let scope_logs = vec![ScopeLogs { scope: Some(scope), log_records, ..Default::default() }];
    let resource = Resource { attributes: attributes.into(), ..Default::default() };
    let resource_logs = vec![ResourceLogs { resource: Some(resource), scope_logs, ..Default::default() }];
    ExportLogsServiceRequest { resource_logs }.encode_to_vec()
}

/// What a collector that took a request did not take of it: how many, and why. `None` when the answer is none of a collector.
pub(in crate::exports) fn rejected(answer: &[u8]) -> Option<(u64, String)> {
    let partial = ExportLogsServiceResponse::decode(answer).ok()?.partial_success.unwrap_or_default();
    Some((u64::try_from(partial.rejected_log_records).unwrap_or(0), partial.error_message))
}

fn log_record(record: &AuditRecord, now_unix_ms: u64) -> LogRecord {
    let mut view = View::of(record);
    let (number, text) = match view.severity {
        Severity::Info => (SeverityNumber::Info, "INFO"),
        Severity::Warn => (SeverityNumber::Warn, "WARN"),
        Severity::Error => (SeverityNumber::Error, "ERROR"),
    };
    let nanos = |unix_ms: u64| unix_ms.saturating_mul(1_000_000);
    let body = Some(AnyValue { value: Some(Any::StringValue(view.message())) });
    let event_name = format!("airlock.audit.{}", view.kind);
    let attributes = attributes(&mut view);
    let rest = attributes_of_rest(view);
    LogRecord {
        time_unix_nano: nanos(record.event.time_unix_ms),
        observed_time_unix_nano: nanos(now_unix_ms),
        severity_number: number.into(),
        severity_text: text.to_owned(),
        body,
        attributes: attributes.into_iter().chain(rest).collect(),
        event_name,
        ..Default::default()
    }
}

/// Members that the semantic conventions have a name for.
fn attributes(view: &mut View<'_>) -> Vec<KeyValue> {
    let event = view.event;
    let mut attributes = vec![pair("airlock.seq", view.seq.into()), pair("airlock.hash", view.hash.as_str().into())];
    if let Some(principal) = &event.principal {
        view.take("principal");
        attributes.push(pair("user.id", principal.subject.as_str().into()));
        attributes.push(pair("airlock.tenant", principal.tenant.as_str().into()));
        attributes.push(pair("airlock.app", principal.app.as_str().into()));
        attributes.extend(principal.actor.as_deref().map(|actor| pair("airlock.actor", actor.into())));
    }
    if view.succeeded == Some(false)
        && let Some(reason) = &event.reason
    {
        attributes.push(pair("error.type", reason.as_str().into()));
    }
    let conventions = [
        ("deployment.environment.name", "environment"),
        ("faas.invocation_id", "invocation"),
        ("faas.name", "function"),
        ("faas.version", "revision"),
    ];
    let backend: &[(&str, &str)] = match view.about {
        About::Sql | About::KeyValue | About::Blob | About::Store => &[
            ("db.namespace", "resource"),
            ("db.operation.name", "operation"),
            ("db.query.text", "target"),
            ("db.response.returned_rows", "rows"),
        ],
        About::Http => &[
            ("peer.service", "resource"),
            ("http.request.method", "operation"),
            ("url.path", "target"),
            ("http.response.status_code", "status"),
            ("http.request.size", "sent_bytes"),
            ("http.response.size", "received_bytes"),
        ],
        About::Graphql => {
            &[("peer.service", "resource"), ("graphql.operation.type", "operation"), ("graphql.document", "target")]
        }
        About::Model => &[("peer.service", "resource"), ("gen_ai.operation.name", "operation")],
        About::Call | About::Control | About::Server | About::Unknown => &[],
    };
    for (name, from) in conventions.iter().chain(backend) {
        attributes.extend(view.take(from).map(|value| pair(name, value)));
    }
    attributes
}

fn attributes_of_rest(view: View<'_>) -> Vec<KeyValue> {
    view.rest().into_iter().map(|(key, value)| pair(&format!("airlock.{key}"), value)).collect()
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(any(value)), ..Default::default() }
}

fn any(value: Value) -> AnyValue {
    let value = match value {
        Value::Null => return AnyValue { value: None },
        Value::Bool(value) => Any::BoolValue(value),
        // Numbers of 64 bits without a sign are texts, as OTLP has no place for them.
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => Any::IntValue(number),
            (None, Some(number)) if !number.is_finite() || number.fract() != 0.0 => Any::DoubleValue(number),
            (None, _) => Any::StringValue(number.to_string()),
        },
        Value::String(text) => Any::StringValue(text),
        Value::Array(values) => Any::ArrayValue(ArrayValue { values: values.into_iter().map(any).collect() }),
        Value::Object(members) => {
            let values = members.into_iter().map(|(key, value)| pair(&key, value)).collect();
            Any::KvlistValue(KeyValueList { values })
        }
    };
    AnyValue { value: Some(value) }
}
