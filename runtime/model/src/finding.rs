//! What analysis finds in a component or its source.

use serde::{Deserialize, Serialize};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The deploy is refused.
    Error,
    /// Worth a look.
    Warning,
}

/// One finding, written so that a person or an agent can act on it in one try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable id of the rule, for instance `import-undeclared`.
    pub rule: String,
    /// How bad.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// Where: a file with line and column, or a place in the component.
    pub location: String,
    /// What to do.
    pub fix: String,
}

impl Finding {
    /// A finding that refuses the deploy.
    #[must_use]
    pub fn error(rule: &str, message: impl Into<String>, location: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            rule: rule.to_owned(),
            severity: Severity::Error,
            message: message.into(),
            location: location.into(),
            fix: fix.into(),
        }
    }
}
