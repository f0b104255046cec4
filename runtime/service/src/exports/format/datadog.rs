//! Datadog's standard attributes (<https://docs.datadoghq.com/standard-attributes>): what has none stands under `airlock`.

use airlock_store::AuditRecord;
use serde_json::{Map, Value, json};

use super::view::{About, Severity, View};

/// A record as a log event.
pub(super) fn event(record: &AuditRecord) -> Value {
    let mut view = View::of(record);
    let status = match view.severity {
        Severity::Info => "info",
        Severity::Warn => "warn",
        Severity::Error => "error",
    };
    let mut members = Map::new();
    let mut set = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
    set("ddsource", "airlock".into());
    set("service", "airlock".into());
    set("status", status.into());
    set("message", view.message().into());
    set("timestamp", record.event.time_unix_ms.into());
    set("evt", named(&mut view, &[("outcome", "reason")], ("name", view_kind(record))));
    if let Some(environment) = view.take("environment") {
        set("env", environment);
    }
    if let Some(user) = user(&mut view) {
        set("usr", user);
    }
    if let Some(duration_us) = record.event.duration_us {
        view.take("duration_us");
        set("duration", duration_us.saturating_mul(1_000).into());
    }
    if view.succeeded == Some(false) {
        let kind = record.event.reason.as_deref().unwrap_or("unknown");
        let message = view.take("message").unwrap_or_default();
        set("error", json!({ "kind": kind, "message": message }));
    }
    touched(&mut view, &mut set);
    let (seq, hash) = (view.seq, std::mem::take(&mut view.hash));
    let mut rest = view.rest();
    rest.insert("seq".to_owned(), seq.into());
    rest.insert("hash".to_owned(), hash.into());
    set("airlock", rest.into());
    members.into()
}

fn view_kind(record: &AuditRecord) -> Value {
    serde_json::to_value(record.event.kind).unwrap_or_default()
}

/// An object of members under other names, and of one more.
fn named(view: &mut View<'_>, pairs: &[(&str, &str)], (first, value): (&str, Value)) -> Value {
    let mut members = Map::from_iter([(first.to_owned(), value)]);
    for (name, from) in pairs {
        if let Some(value) = view.take(from) {
            members.insert((*name).to_owned(), value);
        }
    }
    members.into()
}

fn user(view: &mut View<'_>) -> Option<Value> {
    let principal = view.event.principal.as_ref()?;
    view.take("principal");
    let mut user =
        json!({ "id": principal.subject, "tenant": principal.tenant.as_str(), "app": principal.app.as_str() });
    if let (Value::Object(user), Some(actor)) = (&mut user, &principal.actor) {
        user.insert("actor".to_owned(), actor.as_str().into());
    }
    Some(user)
}

/// The backend that was touched.
fn touched(view: &mut View<'_>, set: &mut impl FnMut(&str, Value)) {
    let event = view.event;
    match view.about {
        About::Sql | About::KeyValue | About::Blob | About::Store => {
            let instance = view.take("resource").unwrap_or_default();
            let db = [("statement", "target"), ("operation", "operation"), ("row_count", "rows")];
            set("db", named(view, &db, ("instance", instance)));
        }
        About::Http => {
            let method = view.take("operation").unwrap_or_default();
            let mut http = named(view, &[("status_code", "status")], ("method", method));
            let mut url = Map::new();
            if let Some(path) = view.take("target") {
                url.insert("path".to_owned(), path);
            }
            if let Some(host) = event.hosts.last() {
                url.insert("host".to_owned(), host.as_str().into());
            }
            if let Value::Object(http) = &mut http {
                http.insert("url_details".to_owned(), url.into());
            }
            set("http", http);
        }
        About::Call | About::Control | About::Server | About::Graphql | About::Model | About::Unknown => {}
    }
    if let (Some(sent), Some(received)) = (event.sent_bytes, event.received_bytes) {
        view.take("sent_bytes");
        view.take("received_bytes");
        set("network", json!({ "bytes_written": sent, "bytes_read": received }));
    }
}
