//! Which class of OCSF a record is of, and what that class asks for.

use airlock_model::{AuditEvent, AuditKind};
use serde_json::{Map, Value, json};

use super::super::{
    VERSION,
    view::{About, View},
};

const API: u32 = 6003;
const DATASTORE: u32 = 6005;
pub(super) const HTTP: u32 = 4002;

const OTHER: u32 = 99;

/// The part of an event that depends on its class.
pub(super) struct Mapped {
    pub(super) class: u32,
    pub(super) activity: u32,
    /// What it is called where we say it, also where OCSF has no number for it.
    pub(super) activity_name: String,
    pub(super) members: Map<String, Value>,
}

pub(super) fn map(view: &mut View<'_>) -> Mapped {
    let mut mapped = match view.about {
        About::Call | About::Control | About::Server | About::Graphql | About::Model | About::Unknown => api(view),
        About::Sql | About::KeyValue | About::Blob | About::Store => datastore(view),
        About::Http => http(view),
    };
    mapped.members.insert("src_endpoint".to_owned(), json!({ "svc_name": source(view) }));
    mapped
}

/// Where it came from: the application calls a function, the function calls everything else.
fn source(view: &View<'_>) -> String {
    let event = view.event;
    let app = || event.principal.as_ref().map(|principal| principal.app.as_str());
    let name = match view.about {
        About::Call | About::Control | About::Server => app(),
        _ => event.function.as_deref().or_else(app),
    };
    name.unwrap_or("airlock").to_owned()
}

fn api(view: &mut View<'_>) -> Mapped {
    let event = view.event;
    let (activity, name) = api_activity(event, view.about);
    let operation = view.take("operation").unwrap_or_else(|| view.kind.clone().into());
    let (service, mut members) = match event.resource.as_deref() {
        Some(resource) => {
            (resource.to_owned(), Map::from_iter([("dst_endpoint".to_owned(), json!({ "svc_name": resource }))]))
        }
        None => ("airlock".to_owned(), Map::new()),
    };
    let mut api = json!({ "operation": operation, "service": { "name": service } });
    if let Value::Object(api) = &mut api {
        if event.resource.is_none() {
            api.insert("version".to_owned(), VERSION.into());
        }
        if let Some(number) = view.take("call_number") {
            api.insert("request".to_owned(), json!({ "uid": number.to_string() }));
        }
    }
    members.insert("api".to_owned(), api);
    let mut resources = Vec::new();
    if let Some(function) = view.take("function") {
        let mut resource = json!({ "name": function, "type": "function" });
        if let (Value::Object(resource), Some(revision)) = (&mut resource, view.take("revision")) {
            resource.insert("version".to_owned(), revision);
        }
        resources.push(resource);
    }
    if let Some(resource) = view.take("resource") {
        resources.push(json!({ "name": resource, "type": "resource" }));
    }
    if !resources.is_empty() {
        members.insert("resources".to_owned(), resources.into());
    }
    Mapped { class: API, activity, activity_name: name.to_owned(), members }
}

fn api_activity(event: &AuditEvent, about: About) -> (u32, &'static str) {
    use AuditKind as Kind;
    match (about, event.operation.as_deref().unwrap_or_default()) {
        (About::Graphql, "query") => return (2, "Read"),
        (About::Graphql, _) => return (3, "Update"),
        (About::Model, _) => return (OTHER, "Complete"),
        (About::Unknown, _) => return (0, "Unknown"),
        _ => {}
    }
    match event.kind {
        Kind::InvocationRefused | Kind::InvocationFinished | Kind::InvocationAbandoned => (OTHER, "Invoke"),
        Kind::FunctionDeployed
        | Kind::FunctionPromoted
        | Kind::ApprovalRequested
        | Kind::TokenExchanged
        | Kind::TokenAttenuated
        | Kind::Revoked => (1, "Create"),
        Kind::SchemaDescribed | Kind::ApprovalPreviewed => (2, "Read"),
        Kind::FunctionRolledBack
        | Kind::FunctionDisabled
        | Kind::FunctionEnabled
        | Kind::AliasChanged
        | Kind::ConfigReloaded
        | Kind::ApprovalGranted
        | Kind::ApprovalRejected
        | Kind::ApprovalRevoked
        | Kind::ApprovalExpired => (3, "Update"),
        Kind::FunctionDeleted | Kind::RevocationLifted | Kind::TrailCut | Kind::ValuesErased => (4, "Delete"),
        Kind::ServerStarted => (OTHER, "Start"),
        Kind::DeployRefused | Kind::ControlRefused => (OTHER, "Refuse"),
        Kind::ApprovalExecuting | Kind::ApprovalUsed | Kind::ApprovalUnknown => (OTHER, "Execute"),
        Kind::HostCallIntent | Kind::HostCallOutcome | Kind::StatementStopped => (OTHER, "Host call"),
    }
}

fn datastore(view: &mut View<'_>) -> Mapped {
    let event = view.event;
    let operation = event.operation.clone().unwrap_or_default();
    let (activity, name) = match operation.as_str() {
        "get" | "head" => (1, "Read"),
        "read" => (4, "Query"),
        "increment" | "compare-and-set" => (2, "Update"),
        "write" | "set" | "put" => (5, "Write"),
        "delete" => (7, "Delete"),
        "list" => (8, "List"),
        other => (OTHER, other),
    };
    let resource = view.take("resource").unwrap_or_else(|| "unknown".into());
    let (member, kind_id, kind) = match view.about {
        About::Sql => ("database", 1, "Relational"),
        About::KeyValue => ("database", 6, "NoSQL"),
        About::Blob => ("databucket", 99, "object store"),
        _ => ("database", 99, "key-value or object store"),
    };
    let mut members = Map::new();
    let type_id = if member == "database" { 1 } else { 2 };
    members.insert("type_id".to_owned(), type_id.into());
    members.insert("dst_endpoint".to_owned(), json!({ "svc_name": resource }));
    members.insert(member.to_owned(), json!({ "name": resource, "type_id": kind_id, "type": kind }));
    if let Some(target) = view.take("target") {
        let mut query = json!({ "query_string": target, "name": operation });
        if let (Value::Object(query), Some(bytes)) = (&mut query, view.take("bytes")) {
            query.insert("bytes".to_owned(), bytes);
        }
        members.insert("query_info".to_owned(), query);
    }
    if let Some(table) = event.tables.first() {
        members.insert("table".to_owned(), json!({ "name": table }));
    }
    Mapped { class: DATASTORE, activity, activity_name: name.to_owned(), members }
}

fn http(view: &mut View<'_>) -> Mapped {
    let event = view.event;
    let method = event.operation.clone().unwrap_or_default();
    view.take("operation");
    let (activity, name) = match method.as_str() {
        "CONNECT" => (1, "Connect"),
        "DELETE" => (2, "Delete"),
        "GET" => (3, "Get"),
        "HEAD" => (4, "Head"),
        "OPTIONS" => (5, "Options"),
        "POST" => (6, "Post"),
        "PUT" => (7, "Put"),
        "TRACE" => (8, "Trace"),
        "PATCH" => (9, "Patch"),
        other => (OTHER, other),
    };
    let resource = view.take("resource").unwrap_or_else(|| "unknown".into());
    let mut members = Map::new();
    let mut request = json!({ "http_method": method });
    if let (Value::Object(request), Some(target)) = (&mut request, view.take("target")) {
        request.insert("url".to_owned(), json!({ "path": target }));
    }
    members.insert("http_request".to_owned(), request);
    let mut to = json!({ "svc_name": resource });
    if let (Value::Object(to), Some(host)) = (&mut to, event.hosts.last()) {
        to.insert("hostname".to_owned(), host.as_str().into());
    }
    members.insert("dst_endpoint".to_owned(), to);
    if let Some(status) = view.take("status") {
        members.insert("http_response".to_owned(), json!({ "code": status }));
    }
    if let (Some(sent), Some(received)) = (event.sent_bytes, event.received_bytes) {
        view.take("sent_bytes");
        view.take("received_bytes");
        let traffic = json!({ "bytes_out": sent, "bytes_in": received, "bytes": sent.saturating_add(received) });
        members.insert("traffic".to_owned(), traffic);
    }
    Mapped { class: HTTP, activity, activity_name: name.to_owned(), members }
}
