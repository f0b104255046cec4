//! What all formats ask of a record: what it is about, how it ended, and the members that nobody has taken yet.

use airlock_model::{AuditEvent, AuditKind, Decision};
use airlock_store::AuditRecord;
use serde_json::{Map, Value};

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// A call of a function.
    Call,
    /// The control plane, an approval, a token.
    Control,
    /// The server itself.
    Server,
    /// A statement or a transaction.
    Sql,
    /// A key-value store.
    KeyValue,
    /// An object store.
    Blob,
    /// One of the two: the trail does not say which.
    Store,
    /// An HTTP API.
    Http,
    /// A GraphQL API.
    Graphql,
    /// A language model.
    Model,
    /// A host call that was refused before it was known what it does.
    Unknown,
}

/// How much somebody should care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    /// As it should be.
    Info,
    /// Refused, or failed.
    Warn,
    /// Nobody knows whether it took effect.
    Error,
}

/// One record.
pub(super) struct View<'a> {
    pub(super) seq: u64,
    pub(super) hash: String,
    pub(super) event: &'a AuditEvent,
    pub(super) about: About,
    /// `None` where it is not over.
    pub(super) succeeded: Option<bool>,
    pub(super) severity: Severity,
    pub(super) kind: String,
    members: Map<String, Value>,
}

impl<'a> View<'a> {
    pub(super) fn of(record: &'a AuditRecord) -> Self {
        let event = &record.event;
        let mut members = match serde_json::to_value(event) {
            Ok(Value::Object(members)) => members,
            Ok(_) | Err(_) => Map::new(),
        };
        let kind = match members.remove("kind") {
            Some(Value::String(kind)) => kind,
            Some(_) | None => String::new(),
        };
        members.remove("time_unix_ms");
        let succeeded = succeeded(event);
        Self {
            seq: record.seq,
            hash: record.hash.to_string(),
            event,
            about: about(event),
            succeeded,
            severity: severity(event, succeeded),
            kind,
            members,
        }
    }

    /// A member that stands elsewhere from now on.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name)
    }

    /// What nobody has taken.
    pub(super) fn rest(self) -> Map<String, Value> {
        self.members
    }

    /// A line for people.
    pub(super) fn message(&self) -> String {
        let event = self.event;
        let words = [
            Some(self.kind.as_str()),
            event.function.as_deref(),
            event.resource.as_deref(),
            event.operation.as_deref(),
            event.reason.as_deref(),
        ];
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

fn about(event: &AuditEvent) -> About {
    use AuditKind as Kind;
    match event.kind {
        Kind::InvocationRefused | Kind::InvocationFinished | Kind::InvocationAbandoned => About::Call,
        Kind::HostCallIntent | Kind::HostCallOutcome | Kind::StatementStopped => touched(event),
        Kind::ServerStarted | Kind::ConfigReloaded | Kind::TrailCut => About::Server,
        Kind::FunctionDeployed
        | Kind::FunctionPromoted
        | Kind::FunctionRolledBack
        | Kind::FunctionDisabled
        | Kind::FunctionEnabled
        | Kind::FunctionDeleted
        | Kind::AliasChanged
        | Kind::DeployRefused
        | Kind::ControlRefused
        | Kind::SchemaDescribed
        | Kind::ApprovalRequested
        | Kind::ApprovalGranted
        | Kind::ApprovalRejected
        | Kind::ApprovalRevoked
        | Kind::ApprovalExpired
        | Kind::ApprovalExecuting
        | Kind::ApprovalUsed
        | Kind::ApprovalUnknown
        | Kind::ApprovalPreviewed
        | Kind::TokenExchanged
        | Kind::TokenAttenuated
        | Kind::Revoked
        | Kind::RevocationLifted
        | Kind::ValuesErased => About::Control,
    }
}

/// Operations are the words of one kind of resource, but for a few that both kinds of stores have.
fn touched(event: &AuditEvent) -> About {
    match event.operation.as_deref().unwrap_or_default() {
        "complete" | "complete-stream" => About::Model,
        "query" | "mutation" | "subscription" => About::Graphql,
        "read" | "write" | "ddl" | "session" | "admin" | "forbidden" | "begin" | "commit" | "rollback" => About::Sql,
        "set" | "increment" | "compare-and-set" => About::KeyValue,
        "head" | "put" | "signed-url" => About::Blob,
        "get" | "delete" | "list" => About::Store,
        method if !method.is_empty() && method.chars().all(|c| c.is_ascii_uppercase()) => About::Http,
        _ => About::Unknown,
    }
}

fn succeeded(event: &AuditEvent) -> Option<bool> {
    use AuditKind as Kind;
    match event.kind {
        Kind::HostCallIntent | Kind::ApprovalExecuting | Kind::ApprovalUnknown => None,
        Kind::InvocationRefused | Kind::InvocationAbandoned | Kind::DeployRefused | Kind::ControlRefused => Some(false),
        _ if event.decision == Some(Decision::Deny) => Some(false),
        Kind::InvocationFinished | Kind::HostCallOutcome => {
            Some(event.reason.as_deref().is_none_or(|reason| reason == "ok"))
        }
        _ => Some(true),
    }
}

fn severity(event: &AuditEvent, succeeded: Option<bool>) -> Severity {
    let in_doubt = matches!(event.kind, AuditKind::ApprovalUnknown | AuditKind::InvocationAbandoned)
        || event.reason.as_deref() == Some("outcome_unknown");
    match succeeded {
        _ if in_doubt => Severity::Error,
        Some(false) => Severity::Warn,
        Some(true) | None => Severity::Info,
    }
}
