//! What a person has to have approved: asked for before a statement is sent, and settled when it has ended.

use airlock_model::{
    Approval, ApprovalState, Asked, AuditEvent, Digest, Effect, Executed, Execution, HostError, Reason, ResourceName,
    StatementLanguage,
};
use airlock_resources::{Performed, Permitted};
use airlock_store::{Claim, Executing, PENDING_MAX};

use super::{
    CallGate,
    plan::{Act, denied},
};
use crate::{
    approvals::{new_request, sql_effect},
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
        // First, because what comes next reads the statement once more.
        let is_each = match self.write_policy() {
            WritePolicy::Allow | WritePolicy::Deny => return None,
            WritePolicy::ApproveStatement => false,
            WritePolicy::ApproveEach => true,
        };
        let (resource, language, text, parameters, effect) = match act {
            Act::Alone(Permitted::Sql(request)) | Act::Within(_, request) => {
                if request.class == airlock_model::StatementClass::Read {
                    return None;
                }
                let effect = self.sql_effect(&request.resource, &request.statement);
                (&request.resource, StatementLanguage::Sql, &request.statement, &request.parameters, effect)
            }
            Act::Alone(Permitted::Graphql(request)) => {
                if request.class == airlock_model::OperationClass::Query {
                    return None;
                }
                let effect = self.mutation_effect(&request.resource, &request.document);
                (&request.resource, StatementLanguage::Graphql, &request.document, &request.variables, effect)
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
        let execution = (is_each || effect.is_destructive).then(|| self.execution(parameters));
        let asked = Asked { execution, ..self.asked(resource, language, text) };
        let environment = self.facts.settings.environment(&self.facts.deployed.environment).ok()?;
        let (author, revision) = (&self.facts.deployed.author, &self.facts.deployed.revision);
        Some(new_request(asked, effect, (author, revision), Some(parameters), &environment.approvals))
    }

    fn asked(&self, resource: &ResourceName, language: StatementLanguage, text: &str) -> Asked {
        let deployed = &self.facts.deployed;
        Asked {
            tenant: self.facts.principal.tenant.clone(),
            environment: deployed.environment.clone(),
            function: deployed.function.clone(),
            resource: resource.clone(),
            language,
            text: text.to_owned(),
            execution: None,
        }
    }

    fn execution(&self, parameters: &str) -> Execution {
        let principal = &self.facts.principal;
        Execution {
            revision: self.facts.deployed.revision.to_string(),
            app: principal.app.clone(),
            subject: principal.subject.clone(),
            actor: principal.actor.clone(),
            parameters_sha256: Digest::of(parameters.as_bytes()),
        }
    }

    fn sql_effect(&self, resource: &ResourceName, statement: &str) -> Effect {
        let settings = &self.facts.settings;
        sql_effect(settings, &self.backends.classes, (resource, &self.facts.deployed.environment), statement)
    }

    fn mutation_effect(&self, resource: &ResourceName, document: &str) -> Effect {
        crate::approvals::mutation_effect(&self.facts.settings, (resource, &self.facts.deployed.environment), document)
    }
}

/// What a guest is told, and through it the author.
fn refused(approval: &Approval) -> HostError {
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
                &format!("have somebody run `airlock approvals approve {id}`, then call again"),
            )
        }
    }
}

fn too_many() -> HostError {
    let rule = format!("{PENDING_MAX} requests of this function wait for an approval already");
    let hint = "have them decided first: `airlock approvals list`; texts that differ in each call should be one text with \
                parameters";
    denied(Reason::ApprovalPending, rule, hint)
}
