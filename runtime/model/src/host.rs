//! Everything a guest asks of the world, as one value, and everything it can be told.

use serde::{Deserialize, Serialize};

use crate::{
    BatchCall, BlobCall, BlobReply, Completion, CompletionPiece, CoverCall, ExchangeCall, ExchangeId, ExchangeStep,
    GraphqlCall, GraphqlReply, KvCall, KvReply, Limit, LlmCall, PieceCall, ResourceName, StreamId, TransactionCall,
    TransactionId,
};

/// One request from a guest. Goes through the gate, and only through the gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum HostCall {
    /// A SQL statement.
    Sql(SqlCall),
    /// The beginning or the end of a transaction.
    Transaction(TransactionCall),
    /// A query whose rows are taken in batches.
    Stream(SqlCall),
    /// The next batch.
    NextBatch(BatchCall),
    /// An HTTP request.
    Http(HttpCall),
    /// An HTTP request that is carried out step by step.
    Open(HttpCall),
    /// One of its steps.
    Exchange(ExchangeCall),
    /// Whether an API covers a URL.
    Covers(CoverCall),
    /// A GraphQL document.
    Graphql(GraphqlCall),
    /// A request to a language model.
    Llm(LlmCall),
    /// The next piece of a completion.
    NextPiece(PieceCall),
    /// A call to a key-value store.
    Kv(KvCall),
    /// A call to an object store.
    Blob(BlobCall),
    /// A log line.
    Log(LogLine),
}

/// What a header or query parameter costs besides its text: an empty one is not free.
const PAIR_OVERHEAD_BYTES: usize = 32;

impl HostCall {
    /// What it touches; nothing when it is a log line.
    #[must_use]
    pub const fn resource(&self) -> Option<&ResourceName> {
        Some(match self {
            Self::Sql(call) | Self::Stream(call) => &call.resource,
            Self::Transaction(call) => &call.resource,
            Self::NextBatch(call) => &call.resource,
            Self::Http(call) | Self::Open(call) => &call.resource,
            Self::Exchange(call) => &call.resource,
            Self::Covers(call) => &call.resource,
            Self::Graphql(call) => &call.resource,
            Self::Llm(call) => &call.resource,
            Self::NextPiece(call) => &call.resource,
            Self::Kv(call) => &call.resource,
            Self::Blob(call) => &call.resource,
            Self::Log(_) => return None,
        })
    }

    /// Bytes that the guest handed over: what the host had to copy.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        let pair = |(name, value): &(String, String)| name.len() + value.len() + PAIR_OVERHEAD_BYTES;
        let pairs = |pairs: &[(String, String)]| pairs.iter().map(pair).sum::<usize>();
        let size = match self {
            Self::Sql(call) | Self::Stream(call) => call.statement.len() + call.parameters.len(),
            Self::Transaction(_) | Self::NextBatch(_) | Self::NextPiece(_) => 0,
            Self::Llm(call) => call.request.len(),
            Self::Http(call) | Self::Open(call) => {
                call.path.len() + pairs(&call.query) + pairs(&call.headers) + call.body.as_ref().map_or(0, Vec::len)
            }
            Self::Exchange(ExchangeCall { step: ExchangeStep::Write(bytes), .. }) => bytes.len(),
            Self::Exchange(_) => 0,
            Self::Covers(call) => call.url.len(),
            Self::Graphql(call) => call.document.len() + call.variables.len(),
            Self::Kv(call) => call.action.size_bytes(),
            Self::Blob(call) => call.action.size_bytes(),
            Self::Log(line) => line.size_bytes(),
        };
        size as u64
    }
}

/// Which of the two SQL functions the guest called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SqlVerb {
    /// `query`: wants rows, may only read.
    Query,
    /// `execute`: wants a count, may write.
    Execute,
}

/// One SQL statement with its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlCall {
    /// The database.
    pub resource: ResourceName,
    /// The transaction it belongs to; none of its own.
    pub within: Option<TransactionId>,
    /// Which function the guest called.
    pub verb: SqlVerb,
    /// Exactly one statement.
    pub statement: String,
    /// JSON array as text; values are bound, never spliced.
    pub parameters: String,
}

/// One HTTP request. Scheme, host, port and credential are not the guest's to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpCall {
    /// The API.
    pub resource: ResourceName,
    /// As the guest wrote it.
    pub method: String,
    /// As the guest wrote it: a path, or a whole URL.
    pub path: String,
    /// Names and values, not yet encoded.
    pub query: Vec<(String, String)>,
    /// Names and values, not yet filtered.
    pub headers: Vec<(String, String)>,
    /// The body, if any.
    pub body: Option<Vec<u8>>,
}

/// Severity of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl LogLevel {
    /// The level in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// One log line of a guest: hostile text until it has been capped and escaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Severity.
    pub level: LogLevel,
    /// Text.
    pub message: String,
    /// JSON object as text, or empty.
    pub fields: String,
}

impl LogLine {
    /// What the line costs of `log_bytes`. An empty line is not free.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        const OVERHEAD: usize = 16;
        self.message.len() + self.fields.len() + OVERHEAD
    }
}

/// What a guest gets for a permitted call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum HostReply {
    /// For [`SqlVerb::Query`].
    Rows(Rows),
    /// For [`SqlVerb::Execute`]: rows changed.
    Affected(u64),
    /// For [`TransactionStep::Begin`](crate::TransactionStep::Begin).
    Begun(TransactionId),
    /// For [`HostCall::Stream`].
    Streaming(StreamId),
    /// For [`HostCall::NextBatch`]; `None` after the last rows.
    Batch(Option<Rows>),
    /// For [`HostCall::Transaction`], when it has ended, and for [`ExchangeStep::Write`].
    Ended,
    /// For [`HostCall::Http`].
    Http(HttpReply),
    /// For [`HostCall::Open`].
    Opened(ExchangeId),
    /// For [`ExchangeStep::Head`].
    Head(HttpHead),
    /// For [`ExchangeStep::Next`]; `None` after the last piece.
    Piece(Option<Vec<u8>>),
    /// For [`HostCall::Covers`].
    Covered(bool),
    /// For [`HostCall::Graphql`].
    Graphql(GraphqlReply),
    /// For [`LlmVerb::Complete`](crate::LlmVerb::Complete).
    Completion(Completion),
    /// For [`LlmVerb::Stream`](crate::LlmVerb::Stream).
    Completing(StreamId),
    /// For [`HostCall::NextPiece`]; `None` after the last.
    Completed(Option<CompletionPiece>),
    /// For [`HostCall::Kv`].
    Kv(KvReply),
    /// For [`HostCall::Blob`].
    Blob(BlobReply),
    /// For [`HostCall::Log`].
    Logged,
}

impl HostReply {
    /// Bytes that the host hands to the guest.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        let size = match self {
            Self::Rows(rows) | Self::Batch(Some(rows)) => {
                rows.rows.len() + rows.columns.iter().map(|c| c.name.len() + c.database_type.len()).sum::<usize>()
            }
            Self::Http(reply) => reply.body.len() + lengths(&reply.headers),
            Self::Head(head) => lengths(&head.headers),
            Self::Piece(piece) => piece.as_ref().map_or(0, Vec::len),
            Self::Graphql(reply) => reply.size_bytes(),
            Self::Completion(completion) => completion.size_bytes(),
            Self::Completed(Some(piece)) => piece.size_bytes(),
            Self::Kv(reply) => reply.size_bytes(),
            Self::Blob(reply) => reply.size_bytes(),
            Self::Affected(_)
            | Self::Begun(_)
            | Self::Streaming(_)
            | Self::Completing(_)
            | Self::Completed(None)
            | Self::Batch(None)
            | Self::Opened(_)
            | Self::Covered(_)
            | Self::Ended
            | Self::Logged => 0,
        };
        size as u64
    }
}

fn lengths(headers: &[(String, String)]) -> usize {
    headers.iter().map(|(name, value)| name.len() + value.len()).sum()
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// As the statement names it.
    pub name: String,
    /// The database's own name of the type.
    pub database_type: String,
}

/// A SQL result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// Columns in order.
    pub columns: Vec<Column>,
    /// JSON text: an array with one array of values per row.
    pub rows: String,
    /// Number of rows in `rows`.
    pub row_count: u64,
    /// True when a cap cut the result.
    pub truncated: bool,
}

/// An HTTP response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpReply {
    /// Status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body, within the caps.
    pub body: Vec<u8>,
}

/// The head of an HTTP response whose body is read in pieces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpHead {
    /// Status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
}

/// Every way a host call can fail, as the guest sees it. A value, never a trap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
pub enum HostError {
    /// A rule said no.
    #[error("denied ({reason}): {rule}; {hint}")]
    Denied {
        /// Stable name, see `docs/errors.md`.
        reason: String,
        /// The rule and where it is written.
        rule: String,
        /// What to do.
        hint: String,
    },
    /// A budget is spent.
    #[error("limit `{limit}` reached: configured {configured}, needed {used}; {hint}")]
    Limit {
        /// Which one.
        limit: Limit,
        /// Value in force.
        configured: u64,
        /// What the call would have brought the total to.
        used: u64,
        /// Where the value comes from.
        hint: String,
    },
    /// The deadline passed while waiting.
    #[error("timeout: {0}")]
    Timeout(String),
    /// The backend could not be reached.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The arguments make no sense.
    #[error("bad request: {0}")]
    BadRequest(String),
    /// The backend answered with an error.
    #[error("backend error `{code}`: {message}")]
    Backend {
        /// The backend's code.
        code: String,
        /// Cleaned text.
        message: String,
    },
}

impl HostError {
    /// The stable name for audit and metrics.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Denied { reason, .. } => reason,
            Self::Limit { limit, .. } => limit.reason().as_str(),
            Self::Timeout(_) => "backend_timeout",
            Self::Unavailable(_) => "backend_unavailable",
            Self::BadRequest(_) => "host_call_malformed",
            Self::Backend { .. } => "backend_error",
        }
    }
}
