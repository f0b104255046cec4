//! What people are asked to approve, and what they say.

mod counts;
mod decide;
mod engines;
mod mask;
mod preview;
mod show;
mod similar;

use airlock_access::{Authorized, Control};
use airlock_analysis::effect;
use airlock_model::{
    Approval, ApprovalId, ApprovalPolicy, Asked, AuditKind, Decision as Outcome, Effect, EnvironmentName, Failure,
    Progress, Reason, ResourceName, StatementClass, StatementLanguage, StatementManifest,
};
use airlock_store::Revision;
use uuid::Uuid;

use crate::{
    App,
    app::store_failure,
    clock,
    config::WritePolicy,
    deploy::control_event,
    gate::{Classes, analysed_as},
    settings::Settings,
};

pub use decide::Decision;
pub use preview::{AffectedTable, Preview};
pub use show::{Shown, SimilarApproval};

/// Longest parameters that are kept for whoever decides.
const PARAMETERS_BYTES_MAX: usize = 16 << 10;

/// A resource in an environment.
type Place<'a> = (&'a ResourceName, &'a EnvironmentName);

impl App {
    /// Makes a request for every statement of a new revision that writes and that nothing stands for yet, where the environment
    /// approves statements. What is approved one execution at a time is asked for when it is called.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(crate) async fn request_for_statements(
        &self,
        permit: &Authorized<Control>,
        settings: &Settings,
        new: &Revision,
    ) -> Result<(), Failure> {
        let environment = settings.environment(&new.environment)?;
        if environment.writes != WritePolicy::ApproveStatement {
            return Ok(());
        }
        let revision = new.digest.to_string();
        for asked in asked_by(permit, new.statements.as_ref(), new) {
            let place = (&asked.resource, &asked.environment);
            let effect = match asked.language {
                StatementLanguage::Sql => sql_effect(settings, &self.backends.classes, place, &asked.text),
                StatementLanguage::Graphql => mutation_effect(settings, place, &asked.text),
                StatementLanguage::Soql => continue,
            };
            if effect.is_destructive {
                continue;
            }
            let request = new_request(asked, effect, (&new.author, &revision), None, &environment.approvals);
            let event = control_event(permit, AuditKind::ApprovalRequested, Outcome::Permit);
            let asked = self.backends.store.request_approval(request, event).await;
            if asked.map_err(|why| store_failure(&why))?.is_none() {
                // Too many wait: a call asks for what is left.
                break;
            }
        }
        Ok(())
    }
}

/// What the statements of a revision that write would ask for.
fn asked_by<'a>(
    permit: &'a Authorized<Control>,
    statements: Option<&'a StatementManifest>,
    new: &'a Revision,
) -> impl Iterator<Item = Asked> + 'a {
    let writes = |class: StatementClass| matches!(class, StatementClass::Write | StatementClass::Ddl);
    let statements = statements.into_iter().flat_map(|statements| &statements.0);
    statements.filter(move |statement| writes(statement.class)).map(|statement| Asked {
        tenant: permit.principal().tenant.clone(),
        environment: new.environment.clone(),
        function: new.function.clone(),
        resource: statement.resource.clone(),
        language: statement.language,
        text: statement.text.clone(),
        execution: None,
    })
}

/// A request as it is stored when nothing stands for the same yet.
pub(crate) fn new_request(
    asked: Asked,
    effect: Effect,
    (author, revision): (&str, &str),
    parameters: Option<&str>,
    policy: &ApprovalPolicy,
) -> Approval {
    let now = clock::now_unix_ms();
    let expires_unix_ms = now.saturating_add(policy.expires_after_s.saturating_mul(1_000));
    let is_kept =
        |text: &&str| policy.show_parameters && asked.execution.is_some() && text.len() <= PARAMETERS_BYTES_MAX;
    Approval {
        id: ApprovalId::new(Uuid::now_v7().as_u128()),
        parameters: parameters.filter(is_kept).map(str::to_owned),
        progress: Progress::requested(asked.scope(), expires_unix_ms),
        effect,
        authors: vec![author.to_owned()],
        revision: revision.to_owned(),
        requested_unix_ms: now,
        rows_max: None,
        decided: None,
        executed: None,
        follows_unknown: None,
        asked,
    }
}

/// What a SQL statement does. One that is not understood counts as the worst: it is approved each time.
pub(crate) fn sql_effect(
    settings: &Settings,
    classes: &Classes,
    (resource, environment): Place<'_>,
    statement: &str,
) -> Effect {
    let worst = Effect { is_destructive: true, ..Effect::default() };
    let Some(dialect) = settings.resources.dialect(resource, environment).map(analysed_as) else { return worst };
    let Ok(report) = classes.classify(dialect, settings.listed(resource, environment), statement) else { return worst };
    effect(dialect, statement, &report).unwrap_or(worst)
}

/// What a mutation does, as far as its text tells.
pub(crate) fn mutation_effect(settings: &Settings, (resource, environment): Place<'_>, document: &str) -> Effect {
    let read = settings.documents(resource, environment).and_then(|documents| documents.read(document).ok());
    let tables = read.map(|document| document.report().root_fields.clone()).unwrap_or_default();
    Effect { class: Some(StatementClass::Write), tables, ..Effect::default() }
}

/// Which approvals there are is not told to others.
fn unknown(id: &ApprovalId) -> Failure {
    let message = format!("there is no approval {id} of this tenant in this environment");
    Failure::new(Reason::ApprovalUnknown, message, "`airlock approvals list` shows what there is")
}

impl App {
    /// A decision that was not accepted is on record like any other refusal.
    fn record_refused_decision(&self, permit: &Authorized<Control>, id: &ApprovalId, failure: Failure) -> Failure {
        let mut event = control_event(permit, AuditKind::ControlRefused, Outcome::Deny);
        event.environment = Some(permit.call().environment().into());
        event.approval = Some(id.to_string());
        event.reason = Some(failure.reason.to_string());
        event.message = Some(failure.message.clone());
        if let Err(error) = self.backends.store.enqueue(event) {
            tracing::error!(%error, "a refused decision could not be recorded");
        }
        failure
    }
}
