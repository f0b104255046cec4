//! The vocabulary of Airlock: names, limits, grants, host calls, reasons and audit events.
//!
//! Pure by contract: no I/O, no async, no clock. Every type is owned and serialisable where it crosses a boundary,
//! so that a boundary can become a process boundary without changing what is said across it.

pub mod approval;
pub mod audit;
pub mod blob;
pub mod digest;
pub mod failure;
pub mod finding;
pub mod grant;
pub mod graphql;
pub mod held;
pub mod host;
pub mod invoke;
pub mod key;
pub mod kv;
pub mod limits;
pub mod llm;
pub mod manifest;
pub mod name;
pub mod path;
pub mod place;
pub mod quantity;
pub mod quota;
pub mod reason;
pub mod revocation;
pub mod statement;
pub mod web;

pub use approval::{
    Approval, ApprovalId, ApprovalPolicy, ApprovalRefusal, ApprovalScope, ApprovalState, ApprovalStep, Approver, Asked,
    Decided, Effect, Executed, Execution, IllegalStep, Progress, Terms,
};
pub use audit::{
    AuditEvent, AuditKind, AuditValue, Decision, Erasure, KEPT_BYTES_MAX, StatementPolicy, TrailCut, ValueField,
    ValuePolicy,
};
pub use blob::{BlobAction, BlobCall, BlobCommand, BlobReply, ObjectInfo, ObjectKey, ObjectPage, Piece};
pub use digest::{Digest, DigestError, DigestPrefix, DigestPrefixError};
pub use failure::{Failure, LimitReport};
pub use finding::{Finding, Severity};
pub use grant::{Access, ControlScope, Grant, Grants, HttpMethod, Layer, Operation, Scope};
pub use graphql::{DocumentReport, GraphqlCall, GraphqlError, GraphqlReply, GraphqlVerb, OperationClass};
pub use held::{
    BatchCall, CoverCall, ExchangeCall, ExchangeId, ExchangeStep, Kept, StreamId, TransactionCall, TransactionId,
    TransactionStep,
};
pub use host::{
    HostCall, HostError, HostReply, HttpCall, HttpHead, HttpReply, LogLevel, LogLine, Rows, SqlCall, SqlVerb,
};
pub use invoke::{FunctionError, InvocationContext, InvocationId, InvokeRequest, Outcome, Principal, Usage};
pub use key::{Cursor, KeyError, KeyPrefix, StoreKey};
pub use kv::{KeyPage, KvAction, KvCall, KvCommand, KvReply};
pub use limits::{EffectiveLimits, Limit, LimitCaps, LimitSource, Limits};
pub use llm::{
    Completion, Finish, LlmCall, LlmVerb, Message, Piece as CompletionPiece, PieceCall, Prompt, PromptError, Spending,
    Spent, TokenUsage, Tool, ToolCall, ToolChoice,
};
pub use manifest::{FunctionManifest, Language, ResourceKind, ResourceUse};
pub use name::{AliasName, AppName, EnvironmentName, FunctionName, NameError, ResourceName, TenantName};
pub use path::{PathError, PathPattern, RequestPath};
pub use place::{LimitPlaces, PlaceTable};
pub use quota::{LimitName, Quota, TenantQuotas};
pub use reason::Reason;
pub use revocation::{Bearer, Revocation, RevocationId, Revoked};
pub use statement::{
    DeclaredText, ManifestStatement, STATEMENTS_FILE, StatementClass, StatementLanguage, StatementManifest,
    StatementReport, fingerprint, parse_statements, print_statements,
};
pub use web::{OriginPattern, Scheme, UrlError, WebOrigin, WebUrl};
