//! The state machine: every legal step, and no other.

use serde::{Deserialize, Serialize};

/// How far an approval has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waits for a person.
    Pending,
    /// May be executed.
    Approved,
    /// Is being executed: recorded before the statement is sent.
    Executing,
    /// Was executed as often as was approved.
    Used,
    /// Was being executed when the process or the database was lost: whether it took effect is not known.
    Unknown,
    /// A person said no.
    Rejected,
    /// Its time has passed.
    Expired,
    /// A person took it back.
    Revoked,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Approved,
        Self::Executing,
        Self::Used,
        Self::Unknown,
        Self::Rejected,
        Self::Expired,
        Self::Revoked,
    ];

    /// The state in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Executing => "executing",
            Self::Used => "used",
            Self::Unknown => "unknown",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }

    /// Whether nothing can follow.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Approved | Self::Executing)
    }
}

/// What an approval covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// A statement, with whatever parameters, until it is revoked or ends.
    Statement,
    /// Executions of one statement with one set of parameters.
    Execution,
}

impl Scope {
    /// The scope in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Statement => "statement",
            Self::Execution => "execution",
        }
    }
}

/// What can happen to an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// A person says yes: until then, and so often. Without a number as often as it is asked for.
    Approve {
        /// Milliseconds since the Unix epoch.
        expires_unix_ms: Option<u64>,
        /// How often.
        times: Option<u32>,
    },
    /// A person says no.
    Reject,
    /// A person takes the approval back.
    Revoke,
    /// Its time has passed.
    Expire,
    /// It is about to be executed.
    Execute,
    /// The execution has ended, and how is known.
    Finish,
    /// The execution has ended, and how is not known.
    Lose,
}

impl Step {
    /// What is tried, for messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve { .. } => "approve",
            Self::Reject => "reject",
            Self::Revoke => "revoke",
            Self::Expire => "expire",
            Self::Execute => "execute",
            Self::Finish => "finish",
            Self::Lose => "lose",
        }
    }
}

/// A step that cannot follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an approval that is {} cannot {}", from.as_str(), step.as_str())]
pub struct IllegalStep {
    /// The state.
    pub from: State,
    /// What was tried.
    pub step: Step,
}

/// State, end and number of executions left: all that decides what may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Progress {
    /// How far it has come.
    pub state: State,
    /// What it covers.
    pub scope: Scope,
    /// Milliseconds since the Unix epoch; without it the approval does not end by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_unix_ms: Option<u64>,
    /// Executions that may still begin; without a number any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses_left: Option<u32>,
}

impl Progress {
    /// A request that waits for a person until then.
    #[must_use]
    pub const fn requested(scope: Scope, expires_unix_ms: u64) -> Self {
        Self { state: State::Pending, scope, expires_unix_ms: Some(expires_unix_ms), uses_left: Some(0) }
    }

    /// Where a step leads.
    ///
    /// # Errors
    /// When the step is not legal in this state or at this time. Nothing has happened then.
    pub fn after(self, step: Step, now_unix_ms: u64) -> Result<Self, IllegalStep> {
        let is_over = self.expires_unix_ms.is_some_and(|end| end <= now_unix_ms);
        let to = |state| Ok(Self { state, ..self });
        match (self.state, step) {
            (State::Pending, Step::Approve { expires_unix_ms, times }) if !is_over && times != Some(0) => {
                Ok(Self { state: State::Approved, expires_unix_ms, uses_left: times, ..self })
            }
            (State::Pending, Step::Reject) if !is_over => to(State::Rejected),
            (State::Pending | State::Approved, Step::Expire) if is_over => to(State::Expired),
            (State::Approved, Step::Revoke) => to(State::Revoked),
            // The execution under way is not stopped; none follows it.
            (State::Executing, Step::Revoke) if self.uses_left != Some(0) => Ok(Self { uses_left: Some(0), ..self }),
            (State::Approved, Step::Execute) if !is_over => self.execute(step),
            (State::Executing, Step::Finish) if self.uses_left == Some(0) => to(State::Used),
            (State::Executing, Step::Finish) => to(State::Approved),
            (State::Executing, Step::Lose) => to(State::Unknown),
            (
                State::Pending
                | State::Approved
                | State::Executing
                | State::Used
                | State::Unknown
                | State::Rejected
                | State::Expired
                | State::Revoked,
                Step::Approve { .. }
                | Step::Reject
                | Step::Revoke
                | Step::Expire
                | Step::Execute
                | Step::Finish
                | Step::Lose,
            ) => Err(IllegalStep { from: self.state, step }),
        }
    }

    fn execute(self, step: Step) -> Result<Self, IllegalStep> {
        match (self.scope, self.uses_left) {
            // It stands for every execution, and many run at the same time.
            (Scope::Statement, _) => Ok(self),
            (Scope::Execution, None) => Ok(Self { state: State::Executing, ..self }),
            (Scope::Execution, Some(left)) => {
                let left = left.checked_sub(1).ok_or(IllegalStep { from: self.state, step })?;
                Ok(Self { state: State::Executing, uses_left: Some(left), ..self })
            }
        }
    }
}
