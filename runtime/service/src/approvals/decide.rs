//! Yes, no, and no longer.

use std::time::Duration;

use airlock_access::{Authorized, Control, Presented};
use airlock_model::{
    Approval, ApprovalId, ApprovalRefusal, AuditKind, ControlScope, EnvironmentName, Failure, HostReply, Reason, Terms,
};
use airlock_resources::{Dialect, Permitted};
use airlock_store::{DecideError, Decider, Word};
use tokio::time::Instant;

use super::{engines, unknown};
use crate::{App, app::store_failure, control::About, deploy::control_event, settings::Settings};

/// How long a database may take to say which of its tables can be rolled back.
const ENGINES_TIME_MAX: Duration = Duration::from_secs(10);

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

impl Decision {
    const fn rpc(&self) -> &'static str {
        match self {
            Self::Approve(_) => "ApprovalService.Approve",
            Self::Reject(_) => "ApprovalService.Reject",
            Self::Revoke(_) => "ApprovalService.Revoke",
        }
    }
}

impl App {
    /// Decides on an approval of the token's tenant and environment, on record in the same step.
    ///
    /// # Errors
    /// When the token lacks `approval:decide`, `approval_unknown`, `approval_closed`, `not_granted` for authors,
    /// `request_malformed` for terms that the policy does not allow.
    pub async fn decide_approval(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        id: ApprovalId,
        decision: Decision,
    ) -> Result<Approval, Failure> {
        let about = About(decision.rpc(), &environment, None);
        let permit = self.authorize(bearer, ControlScope::ApprovalDecide, about)?;
        let decided = self.decide(&permit, &id, decision).await;
        decided.map_err(|failure| self.record_refused_decision(&permit, &id, failure))
    }
}

impl App {
    async fn decide(
        &self,
        permit: &Authorized<Control>,
        id: &ApprovalId,
        decision: Decision,
    ) -> Result<Approval, Failure> {
        self.check_decider(permit, id, &decision).await?;
        let (settings, environment) = (self.settings(), permit.call().environment());
        let policy = &settings.environment(environment)?.approvals;
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
        if let Word::Approve(Terms { rows_max: Some(_), .. }, _) = &word {
            self.check_cap(&settings, permit, id).await?;
        }
        let event = control_event(permit, kind, airlock_model::Decision::Permit);
        let by = Decider { principal: (**permit.principal()).clone(), environment: environment.clone() };
        let decided = self.backends.store.decide_approval(id.clone(), by, word, event).await;
        decided.map_err(|why| match why {
            DecideError::Store(why) => store_failure(&why),
            DecideError::Refused(why) => refused(&why, id),
        })
    }

    /// An approval is of a function that the token is for, and a person gives it: an agent that acts for one asks for approvals.
    async fn check_decider(
        &self,
        permit: &Authorized<Control>,
        id: &ApprovalId,
        decision: &Decision,
    ) -> Result<(), Failure> {
        if matches!(decision, Decision::Approve(_)) && permit.principal().actor.is_some() {
            let message = "the token is of an agent that acts for somebody, and approvals are given by people";
            let hint = "have a person approve it with a token of their own";
            return Err(Failure::new(Reason::NotGranted, message, hint));
        }
        let (environment, tenant) = (permit.call().environment().clone(), permit.principal().tenant.clone());
        let found = self.backends.store.approval(id.clone(), tenant, environment).await;
        match found.map_err(|why| store_failure(&why))? {
            Some(approval) if !permit.token().covers(&approval.asked.function) => Err(unknown(id)),
            // That there is none is said by whoever decides.
            _ => Ok(()),
        }
    }

    /// MySQL and MariaDB have tables that no rollback undoes: there a cap would promise what it cannot hold.
    async fn check_cap(
        &self,
        settings: &Settings,
        permit: &Authorized<Control>,
        id: &ApprovalId,
    ) -> Result<(), Failure> {
        let (environment, tenant) = (permit.call().environment(), &permit.principal().tenant);
        let found = self.backends.store.approval(id.clone(), tenant.clone(), environment.clone()).await;
        // That there is none is said by whoever decides.
        let Some(approval) = found.map_err(|why| store_failure(&why))? else { return Ok(()) };
        let resource = &approval.asked.resource;
        if settings.resources.dialect(resource, environment) != Some(Dialect::Mysql) {
            return Ok(());
        }
        self.check_resource(permit, resource)?;
        let deadline = Instant::now() + ENGINES_TIME_MAX;
        let question = engines::question((resource, tenant), &approval.effect.tables, deadline);
        let answered = settings.resources.perform(environment, Permitted::Sql(question)).await.reply;
        let rows = if let Ok(HostReply::Rows(rows)) = answered { Some(rows) } else { None };
        engines::check(rows.as_ref(), &approval.effect.tables).map_err(|why| {
            let message = format!("approval {id}: a row cap does not hold here: {why}");
            Failure::new(Reason::RequestMalformed, message, "approve without a cap, after a look at the data")
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
