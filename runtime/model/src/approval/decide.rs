//! What a person may decide, by the policy of the environment.

use serde::{Deserialize, Serialize};

use super::{Approval, ApprovalScope, ApprovalStep, Decided, IllegalStep};
use crate::{EnvironmentName, TenantName};

/// `[environments.<name>.approvals]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApprovalPolicy {
    /// Whether whoever wrote a revision may approve what it does.
    pub author_may_approve: bool,
    /// How long a request waits, and how long an approval of executions lasts at most, in seconds.
    pub expires_after_s: u64,
    /// How many executions one approval can be given for.
    pub repeats_max: u32,
    /// For how many seconds an execution can be approved as often as it is asked for; 0 for never.
    pub repeat_for_s: u64,
    /// Rows of the masked sample in a preview.
    pub sample_rows: u32,
    /// Whether parameters are kept for whoever decides.
    pub show_parameters: bool,
}

impl Default for ApprovalPolicy {
    fn default() -> Self {
        Self {
            author_may_approve: false,
            expires_after_s: 86_400,
            repeats_max: 1,
            repeat_for_s: 0,
            sample_rows: 5,
            show_parameters: true,
        }
    }
}

/// What a yes is limited to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Terms {
    /// More rows than this are rolled back.
    pub rows_max: Option<u64>,
    /// Ends after so many seconds.
    pub expires_after_s: Option<u64>,
    /// So many executions.
    pub times: Option<u32>,
    /// As often as it is asked for, for so many seconds.
    pub repeat_for_s: Option<u64>,
}

/// Whose word it is.
#[derive(Debug, Clone, Copy)]
pub struct Approver<'a> {
    /// The `sub` of the token.
    pub subject: &'a str,
    /// Of the token.
    pub tenant: &'a TenantName,
    /// Of the token.
    pub environment: &'a EnvironmentName,
}

/// Why a decision does not stand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// To others of another tenant or environment, an approval does not exist.
    #[error("there is no such approval in this environment")]
    NotYours,
    /// Authors do not decide on what they wrote.
    #[error("`{0}` wrote what is asked, and this environment wants another person to decide")]
    Author(String),
    /// The policy does not allow it.
    #[error("{0}")]
    Terms(String),
    /// It is too late, or too early.
    #[error(transparent)]
    Step(#[from] IllegalStep),
}

impl Approval {
    /// Says yes.
    ///
    /// # Errors
    /// When the approver may not, the policy does not allow the terms, or it is no longer pending. Nothing has changed then.
    pub fn approve(
        &mut self,
        by: Approver<'_>,
        terms: Terms,
        policy: &ApprovalPolicy,
        now_unix_ms: u64,
    ) -> Result<(), Refusal> {
        self.check_own(by)?;
        if let Some(author) = self.authors.iter().find(|author| *author == by.subject && !policy.author_may_approve) {
            return Err(Refusal::Author(author.clone()));
        }
        let step = self.step_of(terms, policy, now_unix_ms)?;
        self.progress = self.progress.after(step, now_unix_ms)?;
        self.rows_max = terms.rows_max;
        self.decided = Some(Decided { by: by.subject.to_owned(), time_unix_ms: now_unix_ms, reason: None });
        Ok(())
    }

    /// Says no, or takes an approval back: `step` is which. An author may do either.
    ///
    /// # Errors
    /// When the approver may not, or the state does not allow it. Nothing has changed then.
    pub fn withdraw(
        &mut self,
        by: Approver<'_>,
        step: ApprovalStep,
        reason: Option<String>,
        now_unix_ms: u64,
    ) -> Result<(), Refusal> {
        self.check_own(by)?;
        self.progress = self.progress.after(step, now_unix_ms)?;
        self.decided = Some(Decided { by: by.subject.to_owned(), time_unix_ms: now_unix_ms, reason });
        Ok(())
    }

    fn check_own(&self, by: Approver<'_>) -> Result<(), Refusal> {
        let is_own = *by.tenant == self.asked.tenant && *by.environment == self.asked.environment;
        if is_own { Ok(()) } else { Err(Refusal::NotYours) }
    }

    fn step_of(&self, terms: Terms, policy: &ApprovalPolicy, now_unix_ms: u64) -> Result<ApprovalStep, Refusal> {
        if terms.rows_max.is_some() && !self.effect.counts_rows {
            return refuse("a row cap binds one INSERT, UPDATE or DELETE without another inside, and this is none");
        }
        let end = |seconds: u64| now_unix_ms.saturating_add(seconds.saturating_mul(1_000));
        match self.progress.scope {
            ApprovalScope::Statement if terms.times.is_some() || terms.repeat_for_s.is_some() => {
                refuse("the approval of a statement holds for every execution: give an end with `expires_after_s`")
            }
            ApprovalScope::Statement if terms.expires_after_s == Some(0) => {
                refuse("`expires_after_s` is 0: give 1 or more")
            }
            ApprovalScope::Statement => {
                Ok(ApprovalStep::Approve { expires_unix_ms: terms.expires_after_s.map(end), times: None })
            }
            ApprovalScope::Execution => {
                let lasts = self.lasts_s(terms, policy)?;
                let times = if terms.repeat_for_s.is_some() { terms.times } else { terms.times.or(Some(1)) };
                Ok(ApprovalStep::Approve { expires_unix_ms: Some(end(lasts)), times })
            }
        }
    }

    /// For how long an approval of executions lasts, when the policy allows what is asked of it.
    fn lasts_s(&self, terms: Terms, policy: &ApprovalPolicy) -> Result<u64, Refusal> {
        let times = terms.times.unwrap_or(1);
        if self.effect.is_destructive && (times != 1 || terms.repeat_for_s.is_some()) {
            return refuse("a statement that changes a whole table or the schema is approved one execution at a time");
        }
        if times == 0 || times > policy.repeats_max.max(1) {
            let most = policy.repeats_max.max(1);
            return refuse(format!("`times` is {times}, and `repeats_max` of this environment is {most}"));
        }
        let lasts = terms.expires_after_s.unwrap_or(policy.expires_after_s);
        if lasts == 0 || lasts > policy.expires_after_s {
            let most = policy.expires_after_s;
            return refuse(format!("`expires_after_s` is {lasts}, and this environment allows 1 to {most}"));
        }
        match terms.repeat_for_s {
            Some(repeat) if repeat == 0 || repeat > policy.repeat_for_s => {
                let most = policy.repeat_for_s;
                refuse(format!("`repeat_for_s` is {repeat}, and `repeat_for_s` of this environment is {most}"))
            }
            Some(repeat) => Ok(repeat.min(lasts)),
            None => Ok(lasts),
        }
    }
}

fn refuse<T>(why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Terms(why.into()))
}
