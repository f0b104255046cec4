//! The steps of an explanation, as they come.

use airlock_model::Failure;

use super::Explanation;
use crate::LimitInForce;

/// What an explanation comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// It would be done.
    Permit,
    /// It would be refused.
    Deny,
    /// It would be refused until a person has approved it.
    NeedsApproval,
}

impl Ruling {
    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Deny => "deny",
            Self::NeedsApproval => "needs_approval",
        }
    }
}

/// What one step says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Permit,
    /// No: this decided.
    Deny,
    /// Nobody asked, because something before it said no.
    NotReached,
    /// It decides nothing.
    Info,
}

impl Verdict {
    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Deny => "deny",
            Self::NotReached => "not_reached",
            Self::Info => "info",
        }
    }
}

/// One question about a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedStep {
    /// Its stable name.
    pub name: &'static str,
    /// Its answer.
    pub verdict: Verdict,
    /// What decided, or what there is to know.
    pub rule: String,
    /// Where that is written; empty for what is built in.
    pub place: String,
    /// What to do about a no.
    pub hint: String,
}

/// A no, as a real call would be told it.
pub(super) struct No {
    pub(super) ruling: Ruling,
    pub(super) reason: String,
    pub(super) rule: String,
    pub(super) place: String,
    pub(super) hint: String,
}

/// The names of what can turn a call away before it runs, in order.
const OF_CALL: [&str; 3] = ["environment", "revision", "admission"];

/// The steps so far. After a no, nothing is asked any more.
#[derive(Default)]
pub(super) struct Tree {
    steps: Vec<ExplainedStep>,
    no: Option<(Ruling, String)>,
}

impl Tree {
    pub(super) fn permit(&mut self, name: &'static str, rule: String, place: String) {
        self.step(name, Verdict::Permit, rule, place);
    }

    pub(super) fn info(&mut self, name: &'static str, rule: String, place: String) {
        self.step(name, Verdict::Info, rule, place);
    }

    pub(super) fn deny(&mut self, name: &'static str, no: No) {
        let No { ruling, reason, rule, place, hint } = no;
        self.steps.push(ExplainedStep { name, verdict: Verdict::Deny, rule, place, hint });
        self.no = Some((ruling, reason));
    }

    /// Takes the answer to a question about the call; a no is the last.
    pub(super) fn ask<T>(&mut self, name: &'static str, answer: Result<T, Failure>) -> Option<T> {
        match answer {
            Ok(answer) => Some(answer),
            Err(why) => {
                let place = why.limit.map(|report| report.place).unwrap_or_default();
                let reason = why.reason.to_string();
                let no = No { ruling: Ruling::Deny, reason, rule: why.message, place, hint: why.hint };
                self.deny(name, no);
                self.not_reached(OF_CALL.into_iter());
                None
            }
        }
    }

    /// Says of every question that was not asked that it was not.
    pub(super) fn not_reached(&mut self, names: impl Iterator<Item = &'static str>) {
        for name in names {
            if !self.steps.iter().any(|step| step.name == name) {
                self.step(name, Verdict::NotReached, String::new(), String::new());
            }
        }
    }

    /// Whether something said no.
    pub(super) fn is_decided(&self) -> bool {
        self.no.is_some()
    }

    pub(super) fn explanation(self, revision: &str, limits: Vec<LimitInForce>) -> Explanation {
        let (ruling, reason) = self.no.unwrap_or((Ruling::Permit, String::new()));
        Explanation { ruling, reason, revision: revision.to_owned(), steps: self.steps, limits }
    }

    fn step(&mut self, name: &'static str, verdict: Verdict, rule: String, place: String) {
        self.steps.push(ExplainedStep { name, verdict, rule, place, hint: String::new() });
    }
}
