//! How a call ends when it does not end well: one public text, one text for the log.

use std::time::Duration;

use serde::Serialize;

use crate::{EffectiveLimits, Finding, Limit, LimitName, LimitSource, Reason, place::BUILT_IN};

/// The facts of a limit that was reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LimitReport {
    /// Which one.
    pub limit: LimitName,
    /// The value in force, in the unit of the limit's name.
    pub configured: u64,
    /// The value reached or asked for.
    pub used: u64,
    /// Who set the value in force.
    pub source: LimitSource,
    /// Where it was written.
    pub place: String,
}

impl LimitReport {
    /// The facts as texts, with the names they have on the wire.
    #[must_use]
    pub fn facts(&self) -> [(&'static str, String); 4] {
        [
            ("limit", self.limit.name().to_owned()),
            ("configured", self.configured.to_string()),
            ("used", self.used.to_string()),
            ("source", self.place.clone()),
        ]
    }
}

/// A refusal or failure that a caller is told about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct Failure {
    /// Stable name.
    pub reason: Reason,
    /// Public text: what happened, with the values.
    pub message: String,
    /// Public text: what to do.
    pub hint: String,
    /// Set when a limit was reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Box<LimitReport>>,
    /// Set when a component was rejected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// When to try again, for refusals that pass.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
    /// For the log only; may name internals, never secrets.
    #[serde(skip)]
    pub log: Option<String>,
}

impl Failure {
    /// A failure with its two public texts.
    #[must_use]
    pub fn new(reason: Reason, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            hint: hint.into(),
            limit: None,
            findings: Vec::new(),
            retry_after: None,
            log: None,
        }
    }

    /// Adds the text for the log.
    #[must_use]
    pub fn with_log(mut self, log: impl std::fmt::Display) -> Self {
        self.log = Some(log.to_string());
        self
    }

    /// Adds findings.
    #[must_use]
    pub fn with_findings(mut self, findings: Vec<Finding>) -> Self {
        self.findings = findings;
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// A reached limit: which, the value in force, the value reached, and where the setting comes from.
    #[must_use]
    pub fn limit(limit: Limit, limits: &EffectiveLimits, used: u64) -> Self {
        let (configured, source) = (limits.get(limit), limits.source(limit));
        let message = format!("limit `{limit}` reached: {configured} allowed, {used} used or asked for");
        let place = limits.place(limit).to_owned();
        let hint = if place == BUILT_IN {
            format!(
                "configured by the {BUILT_IN}; the operator raises it with `{limit}` in [limits.default] of airlock.toml, \
                 or make the function need less"
            )
        } else {
            format!("configured by {place}; raise it there, or make the function need less")
        };
        let report = LimitReport { limit: limit.into(), configured, used, source, place };
        Self { limit: Some(Box::new(report)), ..Self::new(limit.reason(), message, hint) }
    }

    /// A bug of ours: the public text is fixed, the cause goes to the log.
    #[must_use]
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        let hint = "this is a fault in Airlock; report it with the request id";
        Self::new(Reason::Internal, "something went wrong inside Airlock", hint).with_log(cause)
    }
}
