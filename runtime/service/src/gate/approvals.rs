//! What a person has to have approved: asked for before a statement is sent, and settled when it has ended.

use airlock_model::{
    Approval, ApprovalState, Asked, AuditEvent, Digest, Executed, Execution, HostError, Reason, ResourceName,
    StatementLanguage,
};
use airlock_resources::{Performed, Permitted};
use airlock_store::{Claim, Executing, PENDING_MAX};

use super::{
    CallGate,
    judge::{Judge, denied},
    plan::Act,
};
use crate::{
    approvals::{mutation_effect, new_request, sql_effect},
    clock,
    config::WritePolicy,
};

impl CallGate {
    /// Asks for the approval that an act needs and records that it is about to happen, in one step; without such a need only the
    /// latter. The act leaves with the cap of its approval.
    pub(super) async fn record_and_claim(
        &self,
        event: AuditEvent,
        has_effect: bool,
        act: &mut Act,
    ) -> Result<Option<Executing>, HostError> {
        let Some(new) = self.approval_for(act) else {
            return self.record_intent(event, has_effect).await.map(|()| None);
        };
        match self.backends.store.claim_approval(new, event.clone(), clock::now_unix_ms).await {
            Ok(Claim::Granted(mut executing)) => {
                act.cap_rows(executing.approval().rows_max);
                executing.begin();
                Ok(Some(*executing))
            }
            Ok(Claim::Refused(approval)) => {
                let event = AuditEvent { approval: Some(approval.id.to_string()), ..event };
                Err(self.deny_by_rule(event, refused(&approval)))
            }
            Ok(Claim::Full) => Err(self.deny_by_rule(event, too_many())),
            Err(error) => Err(self.unrecorded(&error)),
        }
    }

    /// What became of an approved execution.
    pub(super) fn settle_approval(executing: Option<Executing>, performed: &Performed) {
        let Some(executing) = executing else { return };
        if performed.is_outcome_unknown {
            return executing.lose();
        }
        let (outcome, rows) = match &performed.reply {
            Ok(airlock_model::HostReply::Affected(rows)) => ("ok", Some(*rows)),
            Ok(_) => ("ok", None),
            Err(error) => (error.reason(), None),
        };
        executing.finish(Executed { outcome: outcome.to_owned(), rows });
    }

    /// The request that stands for an act, where the environment wants a person to have seen it.
    fn approval_for(&self, act: &Act) -> Option<Approval> {
        let change = match act {
            Act::Alone(Permitted::Sql(request)) | Act::Within(_, request) => {
                if request.class == airlock_model::StatementClass::Read {
                    return None;
                }
                let (text, parameters) = (&request.statement, &request.parameters);
                Change { resource: &request.resource, language: StatementLanguage::Sql, text, parameters }
            }
            Act::Alone(Permitted::Graphql(request)) => {
                if request.class == airlock_model::OperationClass::Query {
                    return None;
                }
                let (text, parameters) = (&request.document, &request.variables);
                Change { resource: &request.resource, language: StatementLanguage::Graphql, text, parameters }
            }
            Act::Alone(Permitted::Http(_) | Permitted::Kv(_) | Permitted::Blob(_))
            | Act::Stream(_)
            | Act::Open(_)
            | Act::Complete(..)
            | Act::CompleteInPieces(..)
            | Act::Begin(_)
            | Act::Commit(_)
            | Act::Rollback(_) => return None,
        };
        self.judge().approval_for(&change)
    }
}

/// A text that changes something.
pub(crate) struct Change<'a> {
    pub(crate) resource: &'a ResourceName,
    pub(crate) language: StatementLanguage,
    pub(crate) text: &'a str,
    /// Parameters or variables, as they are sent.
    pub(crate) parameters: &'a str,
}

impl Judge<'_> {
    /// The request that stands for a change, where the environment wants a person to have seen it.
    pub(crate) fn approval_for(&self, change: &Change<'_>) -> Option<Approval> {
        // First, because what comes next reads the statement once more.
        let is_each = match self.write_policy() {
            WritePolicy::Allow | WritePolicy::Deny => return None,
            WritePolicy::ApproveStatement => false,
            WritePolicy::ApproveEach => true,
        };
        let place = (change.resource, &self.deployed.environment);
        let effect = match change.language {
            StatementLanguage::Graphql => mutation_effect(self.settings, place, change.text),
            StatementLanguage::Sql | StatementLanguage::Soql => {
                sql_effect(self.settings, &self.backends.classes, place, change.text)
            }
        };
        let execution = (is_each || effect.is_destructive).then(|| self.execution(change.parameters));
        let asked = Asked { execution, ..self.asked(change) };
        let environment = self.settings.environment(&self.deployed.environment).ok()?;
        let (author, revision) = (&self.deployed.author, &self.deployed.revision);
        Some(new_request(asked, effect, (author, revision), Some(change.parameters), &environment.approvals))
    }

    fn asked(&self, change: &Change<'_>) -> Asked {
        Asked {
            tenant: self.principal.tenant.clone(),
            environment: self.deployed.environment.clone(),
            function: self.deployed.function.clone(),
            resource: change.resource.clone(),
            language: change.language,
            text: change.text.to_owned(),
            execution: None,
        }
    }

    fn execution(&self, parameters: &str) -> Execution {
        Execution {
            revision: self.deployed.revision.to_string(),
            app: self.principal.app.clone(),
            subject: self.principal.subject.clone(),
            actor: self.principal.actor.clone(),
            parameters_sha256: Digest::of(parameters.as_bytes()),
        }
    }
}

/// What a guest is told, and through it the author.
pub(crate) fn refused(approval: &Approval) -> HostError {
    let (id, environment) = (&approval.id, &approval.asked.environment);
    let what = approval.asked.scope().as_str();
    match approval.progress.state {
        ApprovalState::Rejected => {
            let decided = approval.decided.as_ref();
            let (by, why) = decided.map_or(("somebody", ""), |decided| {
                (decided.by.as_str(), decided.reason.as_deref().unwrap_or_default())
            });
            let rule = format!("`{by}` rejected this {what} in `{environment}` (approval {id}): {why}");
            denied(Reason::ApprovalRejected, rule, "change what the reason names, and deploy again")
        }
        ApprovalState::Executing => {
            let rule =
                format!("approval {id} of this {what} is being executed, and executions come one after the other");
            denied(Reason::ApprovalPending, rule, "wait for the other execution to end")
        }
        _ => {
            let rule = format!("`{environment}` wants a person to approve this {what} first (approval {id})");
            denied(
                Reason::ApprovalPending,
                rule,
                &format!(
                    "have somebody run `airlock approvals approve {id} --environment {environment}`, then call again"
                ),
            )
        }
    }
}

/// What a guest is told when nobody can be asked.
pub(crate) fn too_many() -> HostError {
    let rule = format!("{PENDING_MAX} requests of this function wait for an approval already");
    let hint = "have them decided first: `airlock approvals list`; texts that differ in each call should be one text with \
                parameters";
    denied(Reason::ApprovalPending, rule, hint)
}
