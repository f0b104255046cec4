//! What the server needs of the application behind it.

use std::{future::Future, time::Duration};

use airlock_model::{
    AuditEvent, Digest, EnvironmentName, Failure, Finding, FunctionError, FunctionName, InvocationId, InvokeRequest,
    LogLine, Usage,
};
use tokio::sync::mpsc;

/// The application: everything behind the wire. Dispatched statically, shared by all workers.
///
/// Requests arrive well-formed: names are parsed and the payload is JSON. A caller that goes away drops the future of
/// its call, so every method must leave things in order when it is dropped at an `await`.
pub trait Application: Send + Sync + 'static {
    /// Whether this bearer may use the server at all. Guards reflection.
    ///
    /// # Errors
    /// `token_invalid`, `keys_unavailable`.
    fn authenticate(&self, bearer: Option<&str>) -> Result<(), Failure>;

    /// Runs a function.
    ///
    /// # Errors
    /// Every refusal, and every way a run can fail; with the invocation's id once there is one.
    fn invoke(&self, call: InvokeCall) -> impl Future<Output = Result<InvokeReply, InvokeFailure>> + Send;

    /// Says what `deploy` would say.
    ///
    /// # Errors
    /// Refusals; findings are part of the reply.
    fn check(&self, call: ControlCall<DeployRequest>) -> impl Future<Output = Result<CheckReply, Failure>> + Send;

    /// Stores a revision and makes it live.
    ///
    /// # Errors
    /// Refusals, `component_rejected` with its findings among them.
    fn deploy(&self, call: ControlCall<DeployRequest>) -> impl Future<Output = Result<DeployReply, Failure>> + Send;

    /// One function.
    ///
    /// # Errors
    /// Refusals.
    fn get(&self, call: ControlCall<GetRequest>) -> impl Future<Output = Result<FunctionInfo, Failure>> + Send;

    /// The functions of an environment.
    ///
    /// # Errors
    /// Refusals.
    fn list(&self, call: ControlCall<ListRequest>)
    -> impl Future<Output = Result<Page<FunctionInfo>, Failure>> + Send;

    /// The revisions of a function, newest first.
    ///
    /// # Errors
    /// Refusals.
    fn list_revisions(
        &self,
        call: ControlCall<ListRevisionsRequest>,
    ) -> impl Future<Output = Result<Page<RevisionInfo>, Failure>> + Send;

    /// Records of the audit trail, oldest first.
    ///
    /// # Errors
    /// Refusals.
    fn audit_query(
        &self,
        call: ControlCall<AuditQuery>,
    ) -> impl Future<Output = Result<AuditRecords, Failure>> + Send;
}

/// One invocation as it came in.
#[derive(Debug)]
pub struct InvokeCall {
    /// The token's text, if there was one.
    pub bearer: Option<String>,
    /// What to run.
    pub request: InvokeRequest,
    /// What is left of the caller's own time (`grpc-timeout`). The application enforces it.
    pub deadline: Option<Duration>,
    /// Where log lines go while the run lasts. Use `try_send`: a caller that does not read must not hold up the run.
    pub log_sink: Option<mpsc::Sender<LogLine>>,
}

/// How a run ended well.
#[derive(Debug, Clone)]
pub struct InvokeReply {
    /// The run.
    pub invocation: InvocationId,
    /// Digest of the revision that ran.
    pub revision: String,
    /// What it answered.
    pub answer: Answer,
    /// What it spent.
    pub usage: Usage,
}

/// What a function answered.
#[derive(Debug, Clone)]
pub enum Answer {
    /// JSON text.
    Returned(String),
    /// An error of its own.
    FunctionError(FunctionError),
}

/// How a call ended otherwise.
#[derive(Debug, Clone)]
pub struct InvokeFailure {
    /// Why.
    pub failure: Failure,
    /// The run, if it had begun.
    pub invocation: Option<InvocationId>,
}

impl From<Failure> for InvokeFailure {
    fn from(failure: Failure) -> Self {
        Self { failure, invocation: None }
    }
}

/// One control-plane request with the token's text.
#[derive(Debug)]
pub struct ControlCall<R> {
    /// The token's text, if there was one.
    pub bearer: Option<String>,
    /// What is asked.
    pub request: R,
}

/// For `check` and `deploy`.
#[derive(Debug)]
pub struct DeployRequest {
    /// Where it goes.
    pub environment: EnvironmentName,
    /// The text of `function.toml`, not yet parsed.
    pub manifest_toml: String,
    /// The component's bytes, not yet looked at.
    pub component: Vec<u8>,
    /// Source files, if the caller sent any.
    pub sources: Vec<SourceText>,
}

/// One source file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceText {
    /// Relative path with `/`, without `..`.
    pub path: String,
    /// UTF-8 text.
    pub text: String,
}

/// For `get`.
#[derive(Debug)]
pub struct GetRequest {
    /// Where.
    pub environment: EnvironmentName,
    /// Which.
    pub function: FunctionName,
}

/// For `list`.
#[derive(Debug)]
pub struct ListRequest {
    /// Where.
    pub environment: EnvironmentName,
    /// Which part.
    pub page: PageRequest,
}

/// For `list_revisions`.
#[derive(Debug)]
pub struct ListRevisionsRequest {
    /// Where.
    pub environment: EnvironmentName,
    /// Of which function.
    pub function: FunctionName,
    /// Which part.
    pub page: PageRequest,
}

/// Which part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// At most this many, 1 to 500.
    pub size: u32,
    /// The token of the page before, as the application gave it.
    pub token: Option<String>,
}

/// One part of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// In the list's order.
    pub items: Vec<T>,
    /// For the next part, if there is one.
    pub next: Option<String>,
}

/// For `audit_query`. Conditions are joined by "and".
#[derive(Debug)]
pub struct AuditQuery {
    /// Of this environment.
    pub environment: EnvironmentName,
    /// Of this run.
    pub invocation: Option<InvocationId>,
    /// Of this function.
    pub function: Option<FunctionName>,
    /// Written after this record; 0 is the beginning.
    pub after_sequence: u64,
    /// At most this many, 1 to 1000.
    pub limit: u32,
}

/// What `check` found.
#[derive(Debug, Clone)]
pub struct CheckReply {
    /// Digest that the revision would have.
    pub digest: Digest,
    /// Everything found.
    pub findings: Vec<Finding>,
}

/// What `deploy` stored.
#[derive(Debug, Clone)]
pub struct DeployReply {
    /// Now live.
    pub revision: RevisionInfo,
    /// Warnings.
    pub findings: Vec<Finding>,
}

/// One function.
#[derive(Debug, Clone)]
pub struct FunctionInfo {
    /// Its name.
    pub name: FunctionName,
    /// Where.
    pub environment: EnvironmentName,
    /// What runs when it is called.
    pub live: RevisionInfo,
}

/// One immutable upload.
#[derive(Debug, Clone)]
pub struct RevisionInfo {
    /// Its name.
    pub digest: Digest,
    /// Of which function.
    pub function: FunctionName,
    /// Milliseconds since the Unix epoch.
    pub created_unix_ms: u64,
    /// The `sub` of the token that deployed it.
    pub created_by: String,
    /// SHA-256 of the component.
    pub component_digest: Digest,
    /// What it may do at most, as grants are written.
    pub grants: Vec<String>,
    /// The description of `function.toml`.
    pub description: Option<String>,
    /// Counts uploads, from 1.
    pub number: u64,
}

/// Part of the audit trail.
#[derive(Debug, Clone)]
pub struct AuditRecords {
    /// In the order they were written.
    pub records: Vec<AuditRecord>,
    /// Whether there may be more.
    pub more: bool,
}

/// One link of the chain.
#[derive(Debug, Clone)]
pub struct AuditRecord {
    /// Place in the chain.
    pub sequence: u64,
    /// Hash over the record before and the event.
    pub hash: Digest,
    /// What happened.
    pub event: AuditEvent,
}
