//! The WIT records and variants of `guest-sdk/wit`, as Wasmtime lifts and lowers them.

use airlock_model::{
    GraphqlError, GraphqlReply, HostError, HttpHead, HttpReply, LogLevel, ObjectInfo, ObjectPage, Piece, Rows,
};
use wasmtime::component::{ComponentType, Lift, Lower};

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Denied {
    reason: String,
    rule: String,
    hint: String,
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct LimitExceeded {
    limit: String,
    configured: f64,
    used: f64,
    hint: String,
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct BackendError {
    code: String,
    message: String,
}

/// `airlock:guest/types.host-error`.
#[derive(ComponentType, Lower)]
#[component(variant)]
pub(super) enum GuestHostError {
    #[component(name = "denied")]
    Denied(Denied),
    #[component(name = "limit")]
    Limit(LimitExceeded),
    #[component(name = "timeout")]
    Timeout(String),
    #[component(name = "unavailable")]
    Unavailable(String),
    #[component(name = "bad-request")]
    BadRequest(String),
    #[component(name = "backend")]
    Backend(BackendError),
}

impl From<HostError> for GuestHostError {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Denied { reason, rule, hint } => Self::Denied(Denied { reason, rule, hint }),
            HostError::Limit { limit, configured, used, hint } => {
                let (configured, used) = (as_number(configured), as_number(used));
                Self::Limit(LimitExceeded { limit: limit.name().to_owned(), configured, used, hint })
            }
            HostError::Timeout(message) => Self::Timeout(message),
            HostError::Unavailable(message) => Self::Unavailable(message),
            HostError::BadRequest(message) => Self::BadRequest(message),
            HostError::Backend { code, message } => Self::Backend(BackendError { code, message }),
        }
    }
}

/// Counters cross as `f64`, because a JavaScript guest has no other number; exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "documented in the WIT; limits stay far below 2^53")]
pub(super) fn as_number(value: u64) -> f64 {
    value as f64
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct GuestColumn {
    name: String,
    #[component(name = "database-type")]
    database_type: String,
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct GuestRows {
    columns: Vec<GuestColumn>,
    rows: String,
    truncated: bool,
}

impl From<Rows> for GuestRows {
    fn from(rows: Rows) -> Self {
        let column = |c: airlock_model::host::Column| GuestColumn { name: c.name, database_type: c.database_type };
        Self { columns: rows.columns.into_iter().map(column).collect(), rows: rows.rows, truncated: rows.truncated }
    }
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct GuestAffected {
    pub(super) rows: f64,
}

/// `kv.page`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct GuestKeyPage {
    pub(super) keys: Vec<String>,
    pub(super) cursor: Option<String>,
}

/// `blob.info`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct GuestObjectInfo {
    size: f64,
    #[component(name = "content-type")]
    content_type: String,
    etag: String,
}

impl From<ObjectInfo> for GuestObjectInfo {
    fn from(info: ObjectInfo) -> Self {
        Self { size: as_number(info.size_bytes), content_type: info.content_type, etag: info.etag }
    }
}

/// `blob.piece`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct GuestPiece {
    info: GuestObjectInfo,
    bytes: Vec<u8>,
}

impl From<Piece> for GuestPiece {
    fn from(piece: Piece) -> Self {
        Self { info: piece.info.into(), bytes: piece.bytes }
    }
}

/// `blob.entry`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct GuestObjectEntry {
    key: String,
    size: f64,
}

/// `blob.page`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct GuestObjectPage {
    entries: Vec<GuestObjectEntry>,
    cursor: Option<String>,
}

impl From<ObjectPage> for GuestObjectPage {
    fn from(page: ObjectPage) -> Self {
        let entry = |(key, size): (String, u64)| GuestObjectEntry { key, size: as_number(size) };
        Self { entries: page.objects.into_iter().map(entry).collect(), cursor: page.cursor }
    }
}

/// `graphql.problem`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct GuestProblem {
    message: String,
    code: String,
    path: String,
}

/// `graphql.answer`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct GuestAnswer {
    data: String,
    problems: Vec<GuestProblem>,
}

impl From<GraphqlReply> for GuestAnswer {
    fn from(reply: GraphqlReply) -> Self {
        let problem = |GraphqlError { message, code, path }| GuestProblem { message, code, path };
        Self { data: reply.data, problems: reply.errors.into_iter().map(problem).collect() }
    }
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct GuestRequest {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<Vec<u8>>,
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct GuestResponse {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl From<HttpReply> for GuestResponse {
    fn from(reply: HttpReply) -> Self {
        Self { status: reply.status, headers: reply.headers, body: reply.body }
    }
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct GuestHead {
    status: u16,
    headers: Vec<(String, String)>,
}

impl From<HttpHead> for GuestHead {
    fn from(head: HttpHead) -> Self {
        Self { status: head.status, headers: head.headers }
    }
}

#[derive(ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "only guests make these values")]
pub(super) enum GuestLevel {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}

impl From<GuestLevel> for LogLevel {
    fn from(level: GuestLevel) -> Self {
        match level {
            GuestLevel::Trace => Self::Trace,
            GuestLevel::Debug => Self::Debug,
            GuestLevel::Info => Self::Info,
            GuestLevel::Warn => Self::Warn,
            GuestLevel::Error => Self::Error,
        }
    }
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct GuestInvocation {
    pub(super) id: String,
    pub(super) function: String,
    pub(super) revision: String,
    pub(super) environment: String,
    pub(super) tenant: String,
    pub(super) principal: String,
    #[component(name = "deadline-unix-ms")]
    pub(super) deadline_unix_ms: f64,
}
