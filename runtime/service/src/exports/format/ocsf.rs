//! OCSF 1.8.0 (<https://schema.ocsf.io/1.8.0>): API Activity (6003), Datastore Activity (6005), HTTP Activity (4002).
//!
//! `metadata.uid` (the hash) and `metadata.sequence` tell one record from every other, also when it comes twice.

mod classes;

use airlock_model::Decision;
use airlock_store::AuditRecord;
use prost_types::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    VERSION,
    view::{Severity, View},
};

/// What [`event`] is written by.
const SCHEMA: &str = "1.8.0";

/// A record as an OCSF event.
pub(super) fn event(record: &AuditRecord) -> Value {
    let mut view = View::of(record);
    let classes::Mapped { class, activity, activity_name, mut members } = classes::map(&mut view);
    members.insert("class_uid".to_owned(), class.into());
    members.insert("category_uid".to_owned(), (class / 1_000).into());
    members.insert("activity_id".to_owned(), activity.into());
    members.insert("activity_name".to_owned(), activity_name.into());
    members.insert("type_uid".to_owned(), (u64::from(class) * 100 + u64::from(activity)).into());
    members.insert("time".to_owned(), record.event.time_unix_ms.into());
    members.insert("actor".to_owned(), actor(&mut view));
    members.insert("metadata".to_owned(), metadata(&mut view, class));
    outcome(&mut view, &mut members);
    let unmapped = view.rest();
    if !unmapped.is_empty() {
        members.insert("unmapped".to_owned(), unmapped.into());
    }
    members.into()
}

fn outcome(view: &mut View<'_>, members: &mut Map<String, Value>) {
    let severity = match view.severity {
        Severity::Info => 1,
        Severity::Warn => 3,
        Severity::Error => 4,
    };
    let status = match view.succeeded {
        None => 0,
        Some(true) => 1,
        Some(false) => 2,
    };
    members.insert("severity_id".to_owned(), severity.into());
    members.insert("status_id".to_owned(), status.into());
    members.insert("message".to_owned(), view.message().into());
    for (name, from) in [("status_code", "reason"), ("status_detail", "message")] {
        if let Some(value) = view.take(from) {
            members.insert(name.to_owned(), value);
        }
    }
    if let Some(duration_us) = view.event.duration_us {
        view.take("duration_us");
        members.insert("duration".to_owned(), (duration_us / 1_000).into());
    }
}

/// Who did it; Airlock itself where nobody else did.
fn actor(view: &mut View<'_>) -> Value {
    let event = view.event;
    let mut actor = Map::new();
    view.take("principal");
    match &event.principal {
        Some(principal) => {
            let user = json!({
                "name": principal.subject,
                "uid": principal.subject,
                "org": { "name": principal.tenant.as_str(), "uid": principal.tenant.as_str() },
            });
            actor.insert("user".to_owned(), user);
            actor.insert("app_name".to_owned(), principal.app.as_str().into());
            if let Some(delegate) = &principal.actor {
                actor.insert("invoked_by".to_owned(), delegate.as_str().into());
            }
        }
        None => drop(actor.insert("app_name".to_owned(), "airlock".into())),
    }
    if let Some(token) = view.take("token_id") {
        actor.insert("session".to_owned(), json!({ "uid": token, "is_remote": true }));
    }
    if let Some(decision) = event.decision {
        view.take("decision");
        let decision = match decision {
            Decision::Permit => "permit",
            Decision::Deny => "deny",
        };
        actor.insert("authorizations".to_owned(), json!([{ "decision": decision }]));
    }
    actor.into()
}

fn metadata(view: &mut View<'_>, class: u32) -> Value {
    let event = view.event;
    let milliseconds = i64::try_from(event.time_unix_ms).unwrap_or(i64::MAX);
    let nanos = i32::try_from(milliseconds % 1_000).unwrap_or(0).saturating_mul(1_000_000);
    let mut metadata = json!({
        "version": SCHEMA,
        "product": { "name": "Airlock", "vendor_name": "Airlock", "version": VERSION },
        "log_name": "audit",
        "event_code": view.kind,
        "uid": view.hash,
        "sequence": view.seq,
        "original_time": Timestamp { seconds: milliseconds / 1_000, nanos }.to_string(),
    });
    if let Value::Object(members) = &mut metadata {
        if let Some(principal) = &event.principal {
            members.insert("tenant_uid".to_owned(), principal.tenant.as_str().into());
        }
        if let Some(invocation) = view.take("invocation") {
            members.insert("correlation_uid".to_owned(), invocation);
        }
        if class == classes::HTTP {
            // Where network events have an actor.
            members.insert("profiles".to_owned(), json!(["host"]));
        }
    }
    metadata
}
