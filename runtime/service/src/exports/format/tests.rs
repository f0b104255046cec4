//! What others are told, held against what they say that they read.

use std::sync::Arc;

use airlock_model::{AuditEvent, AuditKind, Decision, Digest, Principal, StatementClass, Usage};
use airlock_store::AuditRecord;
use opentelemetry_proto::tonic::{
    collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse},
    common::v1::any_value::Value as Any,
    logs::v1::LogRecord,
};
use prost::Message as _;
use serde_json::{Value, json};

use super::{export_line, rejected, request};
use crate::config::ExportFormat;

/// Attributes, requirements and constraints of OCSF 1.8.0, from <https://github.com/ocsf/ocsf-schema>.
const SCHEMA: &str = include_str!("tests/ocsf-1.8.0.json");

const KINDS: [AuditKind; 33] = [
    AuditKind::ServerStarted,
    AuditKind::InvocationRefused,
    AuditKind::InvocationFinished,
    AuditKind::InvocationAbandoned,
    AuditKind::HostCallIntent,
    AuditKind::HostCallOutcome,
    AuditKind::FunctionDeployed,
    AuditKind::FunctionPromoted,
    AuditKind::FunctionRolledBack,
    AuditKind::FunctionDisabled,
    AuditKind::FunctionEnabled,
    AuditKind::FunctionDeleted,
    AuditKind::AliasChanged,
    AuditKind::DeployRefused,
    AuditKind::ControlRefused,
    AuditKind::ConfigReloaded,
    AuditKind::SchemaDescribed,
    AuditKind::StatementStopped,
    AuditKind::ApprovalRequested,
    AuditKind::ApprovalGranted,
    AuditKind::ApprovalRejected,
    AuditKind::ApprovalRevoked,
    AuditKind::ApprovalExpired,
    AuditKind::ApprovalExecuting,
    AuditKind::ApprovalUsed,
    AuditKind::ApprovalUnknown,
    AuditKind::ApprovalPreviewed,
    AuditKind::TokenExchanged,
    AuditKind::TokenAttenuated,
    AuditKind::Revoked,
    AuditKind::RevocationLifted,
    AuditKind::TrailCut,
    AuditKind::ValuesErased,
];

const OPERATIONS: [&str; 16] = [
    "read",
    "write",
    "ddl",
    "commit",
    "get",
    "set",
    "increment",
    "list",
    "put",
    "signed-url",
    "GET",
    "PATCH",
    "PURGE",
    "query",
    "mutation",
    "complete",
];

fn record(seq: u64, event: AuditEvent) -> AuditRecord {
    AuditRecord { seq, hash: Digest::of(&seq.to_le_bytes()), event, values: Vec::new() }
}

/// A record that says all that one can.
fn full(kind: AuditKind, operation: &str) -> AuditRecord {
    let mut event = AuditEvent::new(kind, 1_795_410_000_123);
    let principal = Principal {
        tenant: "acme".parse().expect("a tenant"),
        app: "shop".parse().expect("an app"),
        subject: "ada".to_owned(),
        actor: Some("agent-7".to_owned()),
    };
    event.call_number = Some(7);
    event.invocation = Some("inv-7".into());
    event.principal = Some(Arc::new(principal));
    event.token_id = Some("jti-7".into());
    event.function = Some("order-summary".into());
    event.revision = Some("abc".into());
    event.environment = Some("prod".into());
    event.resource = Some("orders-db".to_owned());
    event.operation = Some(operation.to_owned());
    event.target = Some("SELECT id FROM orders".to_owned());
    event.arguments_sha256 = Some("00ff".to_owned());
    event.class = Some(StatementClass::Read);
    event.tables = vec!["orders".to_owned(), "customers".to_owned()];
    event.decision = Some(Decision::Permit);
    event.reason = Some("ok".to_owned());
    event.message = Some("as it should be".to_owned());
    event.rows = Some(3);
    event.bytes = Some(90);
    event.status = Some(200);
    event.hosts = vec!["api.example".to_owned()];
    event.attempts = Some(1);
    (event.sent_bytes, event.received_bytes) = (Some(10), Some(20));
    event.duration_us = Some(1_500);
    event.usage = Some(Usage { fuel: u64::MAX, ..Usage::default() });
    record(9, event)
}

fn all() -> Vec<AuditRecord> {
    let of_kinds =
        KINDS.iter().flat_map(|kind| [full(*kind, "AuditService.Query"), record(1, AuditEvent::new(*kind, 5))]);
    let host_calls = [AuditKind::HostCallIntent, AuditKind::HostCallOutcome, AuditKind::StatementStopped];
    let touched = host_calls.iter().flat_map(|kind| OPERATIONS.map(|operation| full(*kind, operation)));
    of_kinds.chain(touched).collect()
}

fn written(format: ExportFormat, record: &AuditRecord) -> Value {
    let line = export_line(format, record);
    assert!(!line.contains('\n'), "one line: {line}");
    serde_json::from_str(&line).expect("JSON")
}

/// Every rule that an object breaks.
fn broken(schema: &Value, rules: &Value, object: &Value, place: &str) -> Vec<String> {
    let mut found = Vec::new();
    let Some(members) = object.as_object() else { return vec![format!("{place} is no object")] };
    let attributes = rules["attributes"].as_object().expect("attributes");
    for (name, kind) in attributes {
        if kind.as_str().expect("text").ends_with('!') && !members.contains_key(name) {
            found.push(format!("{place}.{name} is missing"));
        }
    }
    if let Some(one_of) = rules["at_least_one"].as_array()
        && !one_of.iter().any(|name| members.contains_key(name.as_str().expect("text")))
    {
        found.push(format!("{place} has none of {one_of:?}"));
    }
    for (name, value) in members {
        let place = format!("{place}.{name}");
        let Some(kind) = attributes.get(name) else {
            found.push(format!("{place} is no attribute"));
            continue;
        };
        let kind = kind.as_str().expect("text").trim_end_matches('!');
        match (kind.strip_suffix("[]"), value) {
            (Some(kind), Value::Array(values)) => {
                values.iter().for_each(|value| found.extend(wrong(schema, kind, value, &place)));
            }
            (Some(_), _) => found.push(format!("{place} is no array")),
            (None, value) => found.extend(wrong(schema, kind, value, &place)),
        }
    }
    found
}

fn wrong(schema: &Value, kind: &str, value: &Value, place: &str) -> Vec<String> {
    let fits = match kind {
        "integer_t" | "long_t" | "timestamp_t" | "port_t" => value.is_i64() || value.is_u64(),
        "boolean_t" => value.is_boolean(),
        "object" => value.is_object(),
        kind if kind.ends_with("_t") => value.is_string(),
        kind => return broken(schema, &schema["objects"][kind], value, place),
    };
    if fits { Vec::new() } else { vec![format!("{place} is {value}, not {kind}")] }
}

#[test]
fn every_record_keeps_the_rules_of_its_ocsf_class() {
    let schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
    let mut classes = std::collections::BTreeSet::new();
    for record in all() {
        let event = written(ExportFormat::Ocsf, &record);
        let class = event["class_uid"].as_u64().expect("a class");
        classes.insert(class);
        let rules = &schema["classes"][class.to_string()];
        let mut checked = event.clone();
        if class == 4002 {
            // Of the profile `host`, which the event says that it follows.
            assert_eq!(event["metadata"]["profiles"], json!(["host"]));
        }
        let unmapped = checked.as_object_mut().expect("an object").remove("unmapped");
        assert!(unmapped.is_none_or(|unmapped| unmapped.is_object()));
        assert_eq!(broken(&schema, rules, &checked, "event"), Vec::<String>::new(), "{event:#}");
        let activity = event["activity_id"].as_u64().expect("an activity");
        let known = rules["activities"].as_array().expect("a list");
        assert!(known.contains(&activity.into()), "{event:#}");
        assert_eq!(event["type_uid"], class * 100 + activity);
        assert_eq!(event["category_uid"], class / 1_000);
        assert_eq!(event["metadata"]["version"], schema["version"]);
        assert!([0, 1, 2].contains(&event["status_id"].as_u64().expect("a status")));
        assert!([1, 3, 4].contains(&event["severity_id"].as_u64().expect("a severity")));
    }
    assert_eq!(classes.into_iter().collect::<Vec<_>>(), [4002, 6003, 6005]);
}

#[test]
fn every_format_says_all_that_a_record_says_and_which_one_it_is() {
    for record in all() {
        let plain = written(ExportFormat::Airlock, &record);
        for (format, seq, hash) in [
            (ExportFormat::Airlock, "/seq", "/hash"),
            (ExportFormat::Ocsf, "/metadata/sequence", "/metadata/uid"),
            (ExportFormat::Datadog, "/airlock/seq", "/airlock/hash"),
        ] {
            let event = written(format, &record);
            assert_eq!(event.pointer(seq), plain.pointer("/seq"), "{event:#}");
            assert_eq!(event.pointer(hash), plain.pointer("/hash"), "{event:#}");
            let said = event.to_string();
            for word in
                ["shop", "\"ada\"", "agent-7", "jti-7", "inv-7", "order-summary", "orders-db", "00ff", "customers"]
            {
                assert!(said.contains(word) || !plain.to_string().contains(word), "{word}: {event:#}");
            }
        }
    }
}

#[test]
fn what_a_record_is_about_decides_where_it_stands() {
    let ocsf = |kind, operation| {
        let event = written(ExportFormat::Ocsf, &full(kind, operation));
        (event["class_uid"].as_u64().expect("a class"), event["activity_id"].as_u64().expect("an activity"))
    };
    let host = AuditKind::HostCallOutcome;
    assert_eq!(ocsf(AuditKind::InvocationFinished, "x"), (6003, 99));
    assert_eq!(ocsf(AuditKind::FunctionDeleted, "x"), (6003, 4));
    assert_eq!(ocsf(host, "read"), (6005, 4));
    assert_eq!(ocsf(host, "set"), (6005, 5));
    assert_eq!(ocsf(host, "PATCH"), (4002, 9));
    assert_eq!(ocsf(host, "mutation"), (6003, 3));
    assert_eq!(ocsf(host, "complete"), (6003, 99));
    let sql = written(ExportFormat::Datadog, &full(host, "read"));
    assert_eq!(
        (&sql["db"]["statement"], &sql["db"]["instance"]),
        (&"SELECT id FROM orders".into(), &"orders-db".into())
    );
    assert_eq!((&sql["usr"]["id"], &sql["duration"]), (&"ada".into(), &1_500_000.into()));
    let http = written(ExportFormat::Datadog, &full(host, "GET"));
    assert_eq!((&http["http"]["method"], &http["http"]["status_code"]), (&"GET".into(), &200.into()));
    assert_eq!(http["network"], json!({ "bytes_written": 10, "bytes_read": 20 }));
    let mut denied = full(host, "read");
    (denied.event.decision, denied.event.reason) = (Some(Decision::Deny), Some("table_denied".to_owned()));
    let told = written(ExportFormat::Datadog, &denied);
    assert_eq!((&told["status"], &told["error"]["kind"]), (&"warn".into(), &"table_denied".into()));
    assert_eq!(written(ExportFormat::Ocsf, &denied)["status_id"], 2);
}

fn text(record: &LogRecord, key: &str) -> String {
    let found = record.attributes.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.clone()?.value);
    match found {
        Some(Any::StringValue(text)) => text,
        Some(Any::IntValue(number)) => number.to_string(),
        other => panic!("{key}: {other:?}"),
    }
}

#[test]
fn a_log_record_has_its_time_its_name_and_its_attributes() {
    let record = full(AuditKind::HostCallOutcome, "read");
    let sent = ExportLogsServiceRequest::decode(request(&[record], "airlock", 1_795_410_000_200).as_slice());
    let sent = sent.expect("a request");
    let logs = &sent.resource_logs[0];
    let names: Vec<_> = logs.resource.as_ref().expect("one").attributes.iter().map(|pair| pair.key.as_str()).collect();
    assert_eq!(names, ["service.name", "service.version", "service.instance.id"]);
    let log = &logs.scope_logs[0].log_records[0];
    assert_eq!(
        (log.time_unix_nano, log.observed_time_unix_nano),
        (1_795_410_000_123_000_000, 1_795_410_000_200_000_000)
    );
    assert_eq!((log.severity_number, log.event_name.as_str()), (9, "airlock.audit.host_call_outcome"));
    for (key, value) in [
        ("airlock.seq", "9"),
        ("user.id", "ada"),
        ("deployment.environment.name", "prod"),
        ("db.query.text", "SELECT id FROM orders"),
        ("db.response.returned_rows", "3"),
        ("faas.name", "order-summary"),
    ] {
        assert_eq!(text(log, key), value);
    }
    let usage = log.attributes.iter().find(|pair| pair.key == "airlock.usage").expect("kept");
    assert!(format!("{usage:?}").contains(&u64::MAX.to_string()), "no number is bent: {usage:?}");
}

#[test]
fn an_answer_of_a_collector_is_told_from_a_page_for_people() {
    assert_eq!(rejected(b""), Some((0, String::new())));
    let partial = ExportLogsPartialSuccess { rejected_log_records: 3, error_message: "too old".to_owned() };
    let answer = ExportLogsServiceResponse { partial_success: Some(partial) }.encode_to_vec();
    assert_eq!(rejected(&answer), Some((3, "too old".to_owned())));
    for page in ["<!doctype html><p>Sign in</p>", "{\"partialSuccess\":{}}", "OK\n", "\u{0}\u{1}"] {
        assert_eq!(rejected(page.as_bytes()), None, "{page}");
    }
}
