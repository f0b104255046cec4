//! One invocation: what is asked, who asks, how it ended and what it used.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{AliasName, AppName, EnvironmentName, Failure, FunctionName, TenantName};

/// Identifies one run of a function; also in logs, audit and replies.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InvocationId(pub Arc<str>);

impl fmt::Display for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who acts, as a verified token says it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Principal {
    /// Who pays.
    pub tenant: TenantName,
    /// Which application calls.
    pub app: AppName,
    /// The `sub` claim.
    pub subject: String,
    /// The `act.sub` claim: an agent acting for the subject (RFC 8693 section 4.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
}

/// A well-formed request. Nothing downstream checks the shape again.
#[derive(Debug, Clone)]
pub struct InvokeRequest {
    /// Which function.
    pub function: FunctionName,
    /// Where.
    pub environment: EnvironmentName,
    /// Which of its revisions; without one, what is live.
    pub alias: Option<AliasName>,
    /// JSON text.
    pub payload: String,
}

/// What a guest may know about its invocation. Never the token.
#[derive(Debug, Clone)]
pub struct InvocationContext {
    /// Identifies the run.
    pub id: InvocationId,
    /// Which function.
    pub function: FunctionName,
    /// Digest of the revision, as text.
    pub revision: Arc<str>,
    /// Where.
    pub environment: EnvironmentName,
    /// Who.
    pub principal: Arc<Principal>,
    /// Milliseconds since the Unix epoch at which the run is stopped.
    pub deadline_unix_ms: u64,
}

/// An error that the function itself declares; reaches the caller as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionError {
    /// The function's own code.
    pub code: String,
    /// The function's own text.
    pub message: String,
    /// JSON text.
    pub details: String,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// With JSON text.
    Returned(String),
    /// With an error of the function's own.
    FunctionError(FunctionError),
    /// Stopped by a limit, a trap or the caller.
    Failed(Failure),
}

impl Outcome {
    /// The stable name for audit and metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Returned(_) => "ok",
            Self::FunctionError(_) => "function_error",
            Self::Failed(failure) => failure.reason.as_str(),
        }
    }
}

/// What one invocation spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Wasmtime fuel units.
    pub fuel: u64,
    /// Highest sum of linear memories, in bytes.
    pub memory_bytes: u64,
    /// Wall time in microseconds, host waits included.
    pub wall_us: u64,
    /// Calls to resources.
    pub host_calls: u64,
    /// Bytes copied in host calls, both ways.
    pub host_bytes: u64,
    /// Log and standard output, in bytes.
    pub log_bytes: u64,
    /// HTTP requests sent.
    pub egress_requests: u64,
    /// HTTP bytes, both ways.
    pub egress_bytes: u64,
    /// SQL rows returned.
    pub result_rows: u64,
}
