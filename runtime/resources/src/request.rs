//! What the gate hands in once it has permitted a host call, and what comes back.

use airlock_model::{
    BlobCommand, Grants, HostError, HostReply, HttpMethod, KvCommand, OperationClass, Prompt, Reason, RequestPath,
    ResourceName, SqlVerb, StatementClass, TenantName, WebOrigin,
};
use tokio::time::Instant;

use crate::{EgressBudget, StopNotice, failed::Failed};

/// A host call that the gate has permitted. Everything in it is parsed; nothing in it is trusted further than that.
#[derive(Debug)]
pub enum Permitted {
    /// A SQL statement.
    Sql(SqlRequest),
    /// An HTTP request.
    Http(HttpRequest),
    /// A command to a key-value store.
    Kv(KvRequest),
    /// A command to an object store.
    Blob(BlobRequest),
    /// A GraphQL document.
    Graphql(GraphqlRequest),
}

/// One SQL statement.
#[derive(Debug)]
pub struct SqlRequest {
    /// The database.
    pub resource: ResourceName,
    /// Who is charged with the connection.
    pub tenant: TenantName,
    /// Which function the guest called.
    pub verb: SqlVerb,
    /// Class that analysis found. Only `Read`, `Write` and `Ddl` are ever carried out.
    pub class: StatementClass,
    /// Exactly one statement.
    pub statement: String,
    /// JSON array as text.
    pub parameters: String,
    /// Rows that it may change: one that changes more is undone and refused.
    pub affected_max: Option<u64>,
    /// When waiting for a connection is given up, if that is before the deadline: where the call holds connections already.
    pub connection_by: Instant,
    /// When the statement is interrupted.
    pub deadline: Instant,
    /// Rows of the result; the rest is cut and marked.
    pub rows_max: u64,
    /// Bytes of the result, column names included; the rest is cut and marked.
    pub bytes_max: u64,
    /// Told when the statement was stopped because nobody waits for it any more.
    pub stop: StopNotice,
}

/// A query whose rows are taken in batches. Its `rows_max` and `bytes_max` are those of one batch.
#[derive(Debug)]
pub struct StreamRequest {
    /// The query.
    pub query: SqlRequest,
    /// Rows of all batches together; the rest is cut and marked.
    pub rows_total_max: u64,
}

/// A transaction to be opened.
#[derive(Debug)]
pub struct BeginRequest {
    /// The database.
    pub resource: ResourceName,
    /// Who is charged with the connection.
    pub tenant: TenantName,
    /// What it may do.
    pub mode: TransactionMode,
    /// As in [`SqlRequest`].
    pub connection_by: Instant,
    /// When opening it is given up.
    pub deadline: Instant,
}

/// What a transaction may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionMode {
    /// Read one state of the database.
    Read,
    /// Change it as well, as the role for changes.
    Write,
}

impl SqlRequest {
    /// Whether it changed no more than it may.
    ///
    /// # Errors
    /// `Denied` with the cap. What was changed has to be undone then.
    pub(crate) fn check_affected(&self, affected: u64) -> Result<u64, HostError> {
        match self.affected_max {
            Some(allowed) if affected > allowed => Err(HostError::Denied {
                reason: Reason::ApprovalRowsExceeded.to_string(),
                rule: format!(
                    "the statement changes {affected} rows and its approval allows {allowed}; it was rolled back"
                ),
                hint: "change fewer rows, or ask for an approval with a higher row cap".to_owned(),
            }),
            _ => Ok(affected),
        }
    }
}

/// Nothing became free for a statement or a transaction.
pub(crate) fn no_connection(resource: &ResourceName, connection_by: Instant, deadline: Instant) -> HostError {
    if connection_by < deadline {
        return HostError::Unavailable(format!(
            "no further connection to `{resource}` became free, and this call holds a transaction: run the statement in \
             it, or end it first"
        ));
    }
    HostError::Timeout(format!("no connection to `{resource}` became free before the deadline"))
}

/// One HTTP request. Scheme, host, port and credential come from the binding.
#[derive(Debug)]
pub struct HttpRequest {
    /// The API.
    pub resource: ResourceName,
    /// Who is charged with the connection.
    pub tenant: TenantName,
    /// Method.
    pub method: HttpMethod,
    /// Path below the binding's base URL, as the policy saw it.
    pub path: RequestPath,
    /// Names and values, not yet encoded.
    pub query: Vec<(String, String)>,
    /// Names and values, not yet filtered.
    pub headers: Vec<(String, String)>,
    /// The body, if any.
    pub body: Option<Vec<u8>>,
    /// When the request is given up.
    pub deadline: Instant,
    /// What the call may still send and receive.
    pub egress: EgressBudget,
    /// Milliseconds since the Unix epoch: what requests are signed for.
    pub now_unix_ms: u64,
    /// An origin of the binding's `origins`, as it located one; `None` for its own.
    pub origin: Option<WebOrigin>,
    /// What each hop of a redirect must be covered by; without it none is followed.
    pub hops: Option<Grants>,
    /// What goes along where the binding sends it.
    pub trace: Option<TraceHeaders>,
}

/// Where a request stands in a trace (W3C Trace Context).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceHeaders {
    /// `traceparent`.
    pub parent: String,
    /// `tracestate`, as the caller sent it.
    pub state: Option<String>,
}

/// One command to a key-value store.
#[derive(Debug)]
pub struct KvRequest {
    /// The store.
    pub resource: ResourceName,
    /// Whose keys they are, and who is charged with the connection.
    pub tenant: TenantName,
    /// What to do.
    pub command: KvCommand,
    /// When it is given up.
    pub deadline: Instant,
}

/// One command to an object store.
#[derive(Debug)]
pub struct BlobRequest {
    /// The store.
    pub resource: ResourceName,
    /// Whose objects they are, and who is charged with the connection.
    pub tenant: TenantName,
    /// What to do.
    pub command: BlobCommand,
    /// When it is given up.
    pub deadline: Instant,
    /// Milliseconds since the Unix epoch: what requests are signed for, and files are old by.
    pub now_unix_ms: u64,
}

/// One GraphQL document. Host, path and credential come from the binding.
#[derive(Debug)]
pub struct GraphqlRequest {
    /// The API.
    pub resource: ResourceName,
    /// Who is charged with the connection.
    pub tenant: TenantName,
    /// What analysis found that it does.
    pub class: OperationClass,
    /// Exactly one operation.
    pub document: String,
    /// JSON object as text.
    pub variables: String,
    /// When the request is given up.
    pub deadline: Instant,
    /// What the call may still send and receive.
    pub egress: EgressBudget,
    /// Milliseconds since the Unix epoch: what requests are signed for.
    pub now_unix_ms: u64,
    /// What goes along where the binding sends it.
    pub trace: Option<TraceHeaders>,
}

/// What crossed the network for one exchange, for the trail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Where it went: one host, and one more for each redirect that was followed.
    pub hosts: Vec<String>,
    /// Requests that were sent.
    pub attempts: u32,
    /// Bytes that left: heads and bodies, without TLS and framing.
    pub sent_bytes: u64,
    /// Bytes that came in.
    pub received_bytes: u64,
}

/// One request to a language model. Host, path and key come from the binding.
#[derive(Debug)]
pub struct LlmRequest {
    /// The model's resource.
    pub resource: ResourceName,
    /// Who is charged with the connection.
    pub tenant: TenantName,
    /// What is asked.
    pub prompt: Prompt,
    /// Most tokens of the completion, whatever the prompt says.
    pub max_tokens: u64,
    /// When the request is given up.
    pub deadline: Instant,
    /// What the call may still send and receive.
    pub egress: EgressBudget,
    /// Milliseconds since the Unix epoch.
    pub now_unix_ms: u64,
    /// What goes along where the binding sends it.
    pub trace: Option<TraceHeaders>,
}

/// What came of a permitted call.
///
/// The bytes stand beside the result, not inside it, because a request that fails has been paid for as well.
#[derive(Debug)]
pub struct Performed {
    /// For the guest.
    pub reply: Result<HostReply, HostError>,
    /// Bytes that left and entered the host over HTTP for this call: heads and bodies, without TLS and framing.
    pub egress_bytes: u64,
    /// Where they went.
    pub traffic: Option<Traffic>,
    /// Whether the backend may have done what was asked although the reply is an error.
    pub is_outcome_unknown: bool,
}

impl Performed {
    /// What came of a call that needed no HTTP.
    #[must_use]
    pub fn without_egress(reply: Result<HostReply, HostError>) -> Self {
        Self { reply, egress_bytes: 0, traffic: None, is_outcome_unknown: false }
    }

    /// The same of a call that may have taken effect although it failed.
    pub(crate) fn ended(ended: Result<HostReply, Failed>) -> Self {
        let is_outcome_unknown = matches!(ended, Err(Failed::Unknown(_)));
        Self { is_outcome_unknown, ..Self::without_egress(ended.map_err(Failed::into_error)) }
    }
}
