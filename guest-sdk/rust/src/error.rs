//! How a host call fails, and how a function does.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::wit::airlock::guest::types;

/// Why a host call did not give a result. A refusal is a value: the function may handle it and go on.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum HostError {
    /// A rule said no.
    Denied {
        /// Stable snake_case name.
        reason: String,
        /// The rule that decided, and where it is written.
        rule: String,
        /// What to do about it.
        hint: String,
    },
    /// A budget of this invocation is spent.
    Limit {
        /// Name of the limit.
        limit: String,
        /// The value in force, in the unit of the limit's name.
        configured: f64,
        /// What the call would have brought the total to.
        used: f64,
        /// Where the value comes from and how to change it.
        hint: String,
    },
    /// The deadline of the call or of the invocation passed.
    Timeout {
        /// Which deadline it was.
        message: String,
    },
    /// The backend could not be reached.
    Unavailable {
        /// What the host can tell without naming an address.
        message: String,
    },
    /// The arguments do not make sense.
    BadRequest {
        /// What is wrong with them.
        message: String,
    },
    /// The backend answered with an error of its own.
    Backend {
        /// The backend's own code.
        code: String,
        /// The backend's text, cleaned.
        message: String,
    },
}

impl HostError {
    /// The name of the variant as callers see it, for instance `denied`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Denied { .. } => "denied",
            Self::Limit { .. } => "limit",
            Self::Timeout { .. } => "timeout",
            Self::Unavailable { .. } => "unavailable",
            Self::BadRequest { .. } => "bad_request",
            Self::Backend { .. } => "backend",
        }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::BadRequest { message: message.into() }
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied { reason, rule, hint } => write!(out, "denied (`{reason}`) by {rule}: {hint}"),
            Self::Limit { limit, configured, used, hint } => {
                write!(out, "limit `{limit}` is {configured}, this call would make it {used}: {hint}")
            }
            Self::Timeout { message } => write!(out, "timed out: {message}"),
            Self::Unavailable { message } => write!(out, "unavailable: {message}"),
            Self::BadRequest { message } => write!(out, "bad request: {message}"),
            Self::Backend { code, message } => write!(out, "backend error `{code}`: {message}"),
        }
    }
}

impl std::error::Error for HostError {}

impl From<types::HostError> for HostError {
    fn from(error: types::HostError) -> Self {
        match error {
            types::HostError::Denied(types::Denied { reason, rule, hint }) => Self::Denied { reason, rule, hint },
            types::HostError::Limit(types::LimitExceeded { limit, configured, used, hint }) => {
                Self::Limit { limit, configured, used, hint }
            }
            types::HostError::Timeout(message) => Self::Timeout { message },
            types::HostError::Unavailable(message) => Self::Unavailable { message },
            types::HostError::BadRequest(message) => Self::BadRequest { message },
            types::HostError::Backend(types::BackendError { code, message }) => Self::Backend { code, message },
        }
    }
}

/// The error a function answers its caller with. It reaches the caller as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Error {
    code: Cow<'static, str>,
    message: Cow<'static, str>,
    details: Value,
}

impl Error {
    /// An error without details. `code` is for programs and should stay stable; `message` is for people.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: code.into(), message: message.into(), details: Value::Null }
    }

    /// The same error with something for programs to read. What does not serialise becomes `null`.
    #[must_use]
    pub fn with_details(mut self, details: impl Serialize) -> Self {
        self.details = serde_json::to_value(details).unwrap_or(Value::Null);
        self
    }

    /// The name for programs.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The text for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What was added for programs; `null` when nothing was.
    #[must_use]
    pub fn details(&self) -> &Value {
        &self.details
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Error {}

/// An unhandled host error: the code is the variant's name, the details are the whole error.
impl From<HostError> for Error {
    fn from(error: HostError) -> Self {
        Self::new(error.kind(), error.to_string()).with_details(error)
    }
}

/// JSON that is not what the function expects, under the code `json_invalid`.
impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::new("json_invalid", error.to_string())
    }
}

impl From<Error> for types::FunctionError {
    fn from(error: Error) -> Self {
        Self { code: error.code.into_owned(), message: error.message.into_owned(), details: error.details.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unhandled_denial_keeps_reason_and_hint_for_programs() {
        let denied = HostError::Denied { reason: "not_granted".into(), rule: "scope".into(), hint: "ask".into() };
        let error = Error::from(denied);
        assert_eq!(error.code(), "denied");
        assert_eq!(
            error.details(),
            &serde_json::json!({"kind": "denied", "reason": "not_granted", "rule": "scope", "hint": "ask"})
        );
    }

    #[test]
    fn error_without_details_says_null() {
        let wire = types::FunctionError::from(Error::new("empty_cart", "nothing to order"));
        assert_eq!((wire.code.as_str(), wire.details.as_str()), ("empty_cart", "null"));
    }
}
