//! Approvals: what a person allows a function to change, and every step from the request to the end.
//!
//! An approval is bound to what was asked, byte for byte ([`Asked::binding`]). Its steps are those of [`Progress::after`] and
//! no others. Whoever stores them makes each durable before it takes effect.

mod decide;
mod progress;
#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    AppName, Digest, EnvironmentName, FunctionName, ResourceName, StatementClass, StatementLanguage, TenantName,
    fingerprint,
};

pub use decide::{ApprovalPolicy, Approver, Refusal as ApprovalRefusal, Terms};
pub use progress::{IllegalStep, Progress, Scope as ApprovalScope, State as ApprovalState, Step as ApprovalStep};

/// The name of one approval: `ap-` and 32 hexadecimal characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ApprovalId(Box<str>);

/// The text is not the name of an approval.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the name of an approval is `ap-` and 32 characters of 0-9 and a-f")]
pub struct ApprovalIdError;

const ID_PREFIX: &str = "ap-";
const ID_DIGITS: usize = 32;

impl ApprovalId {
    /// A name of a number that was never used before.
    #[must_use]
    pub fn new(number: u128) -> Self {
        Self(format!("{ID_PREFIX}{number:032x}").into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ApprovalId {
    type Err = ApprovalIdError;
    fn from_str(text: &str) -> Result<Self, ApprovalIdError> {
        let digits = text.strip_prefix(ID_PREFIX).ok_or(ApprovalIdError)?;
        let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        if digits.len() == ID_DIGITS && digits.chars().all(is_digit) {
            Ok(Self(text.into()))
        } else {
            Err(ApprovalIdError)
        }
    }
}

impl TryFrom<String> for ApprovalId {
    type Error = ApprovalIdError;
    fn try_from(text: String) -> Result<Self, ApprovalIdError> {
        text.parse()
    }
}

impl From<ApprovalId> for String {
    fn from(id: ApprovalId) -> Self {
        id.0.into()
    }
}

impl fmt::Display for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What somebody wants to do, as exactly as it is approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Whose call or deploy it is.
    pub tenant: TenantName,
    /// Where.
    pub environment: EnvironmentName,
    /// Which function.
    pub function: FunctionName,
    /// What is changed.
    pub resource: ResourceName,
    /// What the text is written in.
    pub language: StatementLanguage,
    /// Byte for byte.
    pub text: String,
    /// The one execution that is asked for; `None` where the statement itself is approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<Execution>,
}

/// One execution of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    /// Digest of the revision, as text.
    pub revision: String,
    /// The calling application.
    pub app: AppName,
    /// The `sub` of the call's token.
    pub subject: String,
    /// The `act.sub` of the call's token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// SHA-256 of the parameters or variables, exactly as they are sent.
    pub parameters_sha256: Digest,
}

impl Asked {
    /// What tells this from everything else that could be asked: one byte of difference is another binding.
    #[must_use]
    pub fn binding(&self) -> Digest {
        let statement = fingerprint(&self.resource, self.language, &self.text);
        let (tenant, environment, function) = (self.tenant.as_str(), self.environment.as_str(), self.function.as_str());
        let [tenant, environment, function] = [tenant, environment, function].map(str::as_bytes);
        match &self.execution {
            None => Digest::of_parts(&[b"statement", tenant, environment, function, statement.as_bytes()]),
            Some(execution) => Digest::of_parts(&[
                b"execution",
                tenant,
                environment,
                function,
                statement.as_bytes(),
                execution.revision.as_bytes(),
                execution.app.as_str().as_bytes(),
                execution.subject.as_bytes(),
                // Nobody and somebody without a name are not the same.
                if execution.actor.is_some() { b"actor" } else { b"" },
                execution.actor.as_deref().unwrap_or_default().as_bytes(),
                execution.parameters_sha256.as_bytes(),
            ]),
        }
    }

    /// Whether it is a statement or one execution that is approved.
    #[must_use]
    pub const fn scope(&self) -> ApprovalScope {
        if self.execution.is_some() { ApprovalScope::Execution } else { ApprovalScope::Statement }
    }
}

/// What a person who decides is shown beside the text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// By effect; a mutation is a write.
    pub class: Option<StatementClass>,
    /// Whether it changes all rows of a table, or the schema: approved one execution at a time, whatever the policy.
    #[serde(default)]
    pub is_destructive: bool,
    /// Whether the database counts all the rows that it changes: only then can they be capped.
    #[serde(default)]
    pub counts_rows: bool,
    /// Tables or fields named.
    #[serde(default)]
    pub tables: Vec<String>,
    /// Columns that are assigned, where the text says so.
    #[serde(default)]
    pub columns: Vec<String>,
}

/// Who decided, when, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The `sub` of the token.
    pub by: String,
    /// Milliseconds since the Unix epoch.
    pub time_unix_ms: u64,
    /// What it says to the author.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What came of an execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Executed {
    /// `ok`, or the stable name of the error.
    pub outcome: String,
    /// Rows changed, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

/// One request for an approval and everything that became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Its name.
    pub id: ApprovalId,
    /// What it is bound to.
    pub asked: Asked,
    /// What it does.
    pub effect: Effect,
    /// Parameters or variables as JSON text; `None` where the policy hides them or they are too long to keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<String>,
    /// Who wrote revisions that asked for it: none of them decides.
    pub authors: Vec<String>,
    /// Digest of the revision that asked first, as text; empty before it is stored.
    pub revision: String,
    /// Milliseconds since the Unix epoch.
    pub requested_unix_ms: u64,
    /// How far it has come.
    pub progress: Progress,
    /// More rows than this are rolled back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_max: Option<u64>,
    /// The last word of a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<Decided>,
    /// The last execution, of an approval of executions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executed: Option<Executed>,
    /// The approval of the same execution before this one, where nobody knows whether that took effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows_unknown: Option<ApprovalId>,
}

impl Approval {
    /// Its state at a moment: what is past its end has expired, whether or not anybody has written that down yet.
    #[must_use]
    pub fn state_at(&self, now_unix_ms: u64) -> ApprovalState {
        match self.progress.after(ApprovalStep::Expire, now_unix_ms) {
            Ok(expired) => expired.state,
            Err(_) => self.progress.state,
        }
    }

    /// Notes another author of what is asked.
    pub fn add_author(&mut self, author: &str) -> bool {
        let is_new = !self.authors.iter().any(|known| known == author);
        if is_new {
            self.authors.push(author.to_owned());
        }
        is_new
    }
}
