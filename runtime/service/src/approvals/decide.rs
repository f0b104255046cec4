//! Yes, no, and no longer.

use airlock_model::{
    Approval, ApprovalId, ApprovalRefusal, AuditKind, ControlScope, EnvironmentName, Failure, Reason, Terms,
};
use airlock_store::{DecideError, Decider, Word};

use super::unknown;
use crate::{App, app::store_failure, deploy::control_event};

/// Characters of a reason.
const REASON_CHARS_MAX: usize = 500;

/// What a person says about an approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Yes, within these terms.
    Approve(Terms),
    /// No, because: the author is told.
    Reject(String),
    /// No longer.
    Revoke(String),
}

impl App {
    /// Decides on an approval of the token's tenant and environment, on record in the same step.
    ///
    /// # Errors
    /// When the token lacks `approval:decide`, `approval_unknown`, `approval_closed`, `not_granted` for authors,
    /// `request_malformed` for terms that the policy does not allow.
    pub async fn decide_approval(
        &self,
        bearer: Option<&str>,
        environment: EnvironmentName,
        id: ApprovalId,
        decision: Decision,
    ) -> Result<Approval, Failure> {
        let permit = self.authorize(bearer, ControlScope::ApprovalDecide, &environment, None)?;
        let settings = self.settings();
        let policy = &settings.environment(&environment)?.approvals;
        let word = match decision {
            Decision::Approve(terms) => Word::Approve(terms, (**policy).clone()),
            Decision::Reject(reason) => Word::Reject(checked(reason)?.ok_or_else(no_reason)?),
            Decision::Revoke(reason) => Word::Revoke(checked(reason)?),
        };
        let kind = match &word {
            Word::Approve(..) => AuditKind::ApprovalGranted,
            Word::Reject(_) => AuditKind::ApprovalRejected,
            Word::Revoke(_) => AuditKind::ApprovalRevoked,
        };
        let event = control_event(&permit, kind, airlock_model::Decision::Permit);
        let by = Decider { principal: (**permit.principal()).clone(), environment: environment.clone() };
        let decided = self.backends.store.decide_approval(id.clone(), by, word, event).await;
        decided.map_err(|why| match why {
            DecideError::Store(why) => store_failure(&why),
            DecideError::Refused(why) => self.record_refused_decision(&permit, &id, &refused(&why, &id)),
        })
    }
}

fn refused(why: &ApprovalRefusal, id: &ApprovalId) -> Failure {
    let (reason, hint) = match why {
        ApprovalRefusal::NotYours => return unknown(id),
        ApprovalRefusal::Author(_) => (
            Reason::NotGranted,
            "have another person decide; `[environments.<name>.approvals] author_may_approve` is the rule",
        ),
        ApprovalRefusal::Terms(_) => {
            (Reason::RequestMalformed, "ask for less; `[environments.<name>.approvals]` in airlock.toml has the bounds")
        }
        ApprovalRefusal::Step(_) => {
            (Reason::ApprovalClosed, "look at it with `airlock approvals show`; another call asks for a new one")
        }
    };
    Failure::new(reason, format!("approval {id}: {why}"), hint)
}

fn checked(reason: String) -> Result<Option<String>, Failure> {
    if reason.chars().count() > REASON_CHARS_MAX || reason.chars().any(|c| c.is_control() && c != '\n') {
        let message = format!("field `reason`: at most {REASON_CHARS_MAX} characters, and no control characters");
        return Err(Failure::new(Reason::RequestMalformed, message, "say it in fewer words"));
    }
    Ok(Some(reason).filter(|reason| !reason.trim().is_empty()))
}

fn no_reason() -> Failure {
    let hint = "say what has to change: the author of the function is told";
    Failure::new(Reason::RequestMalformed, "field `reason`: a rejection needs one", hint)
}
