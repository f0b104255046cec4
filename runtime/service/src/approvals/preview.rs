//! What a statement would change, seen in a transaction that is always rolled back.

use std::time::Duration;

use airlock_access::{Authorized, Control, Presented};
use airlock_analysis::rows_before;
use airlock_model::{
    Approval, ApprovalId, ApprovalState, AuditKind, ControlScope, EnvironmentName, Failure, HostError, HostReply,
    Reason, Rows, SqlVerb, StatementClass, StatementLanguage, ValueField,
};
use airlock_resources::{BeginRequest, Dialect, SqlRequest, StopNotice, Transaction, TransactionMode};
use serde_json::Value;
use tokio::time::Instant;

use super::{Outcome, counts, engines, mask, show::shown, unknown};
use crate::{
    App,
    app::store_failure,
    control::About,
    deploy::control_event,
    gate::{analysed_as, keep},
    settings::Settings,
};

pub use counts::AffectedTable;

/// How long a preview may take: it holds locks, and SQLite's only writer.
const TIME_MAX: Duration = Duration::from_secs(10);
/// Bytes of the rows that are masked.
const SAMPLE_BYTES_MAX: u64 = 256 << 10;
/// Rows of our own question about tables.
const TABLES_MAX: u64 = 1_000;

/// What a statement would change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preview {
    /// Rows that the database counts for the statement itself.
    pub affected: u64,
    /// By table.
    pub tables: Vec<AffectedTable>,
    /// Names of the columns of the sample.
    pub columns: Vec<String>,
    /// Rows as they are now, masked.
    pub sample: Vec<Vec<String>>,
}

impl App {
    /// Runs the statement of an approval, and rolls it back. Without parameters it takes those of the approval.
    ///
    /// # Errors
    /// When the token lacks `approval:decide`, `approval_unknown`, `approval_closed`, `request_malformed` for what cannot be
    /// previewed or fails, or calls what may have an effect that no rollback undoes, `resource_unavailable`.
    pub async fn preview_approval(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        id: ApprovalId,
        parameters: Option<String>,
    ) -> Result<Preview, Failure> {
        let permit =
            self.authorize(bearer, ControlScope::ApprovalDecide, About("ApprovalService.Preview", &environment, None))?;
        let tenant = permit.principal().tenant.clone();
        let found = self.backends.store.approval(id.clone(), tenant, environment).await;
        let found = found.map_err(|why| store_failure(&why))?;
        let covered = found.filter(|approval| permit.token().covers(&approval.asked.function));
        let approval = covered.ok_or_else(|| unknown(&id))?;
        let parameters = parameters.or_else(|| approval.parameters.clone()).unwrap_or_else(|| "[]".to_owned());
        let settings = self.settings();
        let trial = self.trial(&settings, &permit, &approval, parameters);
        let trial = trial.map_err(|failure| self.record_refused_decision(&permit, &id, failure))?;
        // Before it runs: whoever looks at data is on record.
        let mut event = control_event(&permit, AuditKind::ApprovalPreviewed, Outcome::Permit);
        event.environment = Some(permit.call().environment().into());
        event.function = Some((&approval.asked.function).into());
        event.resource = Some(approval.asked.resource.to_string());
        event.approval = Some(id.to_string());
        let policy = settings.environment(permit.call().environment())?.audit.parameters;
        keep(&mut event, ValueField::Arguments, policy, &trial.parameters).map_err(|why| store_failure(&why))?;
        self.backends.store.append(event).await.map_err(|why| store_failure(&why))?;
        trial.run().await.map_err(|why| failed(&why))
    }

    /// Judges the statement as it would be judged now.
    fn trial<'a>(
        &self,
        settings: &'a Settings,
        permit: &'a Authorized<Control>,
        approval: &'a Approval,
        parameters: String,
    ) -> Result<Trial<'a>, Failure> {
        let state = shown(approval.clone()).state;
        if !matches!(state, ApprovalState::Pending | ApprovalState::Approved) {
            let message = format!("approval {} is {}", approval.id, state.as_str());
            return Err(Failure::new(Reason::ApprovalClosed, message, "only what can still be executed is previewed"));
        }
        let (asked, environment) = (&approval.asked, permit.call().environment());
        self.check_resource(permit, &asked.resource)?;
        self.backends.revocations.check_function(&asked.tenant, environment, &asked.function)?;
        let none = |why: &str| Failure::new(Reason::RequestMalformed, why, "decide without a preview, or reject it");
        if asked.language != StatementLanguage::Sql {
            return Err(none("only SQL statements can be tried and rolled back"));
        }
        let dialect = settings.resources.dialect(&asked.resource, environment);
        let dialect = dialect.ok_or_else(|| none("the environment no longer binds the database"))?;
        let listed = settings.listed(&asked.resource, environment);
        let report = self.backends.classes.classify(analysed_as(dialect), listed, &asked.text);
        let report = report.map_err(|why| none(&why.to_string()))?;
        if !matches!(report.class, StatementClass::Write | StatementClass::Ddl) {
            return Err(none("the statement is never accepted from a function"));
        }
        // Whoever previews may not be allowed to approve, and what reaches beyond the transaction would happen without a yes.
        if !report.unknown_calls.is_empty() {
            let called = report.unknown_calls.join("`, `");
            return Err(none(&format!("the statement calls `{called}`: a rollback may not undo what that does")));
        }
        let sample =
            rows_before(analysed_as(dialect), &asked.text, settings.environment(environment)?.approvals.sample_rows);
        let sample = sample.filter(|(text, _)| {
            let class = self.backends.classes.classify(analysed_as(dialect), listed, text).map(|report| report.class);
            class == Ok(StatementClass::Read)
        });
        let deadline = Instant::now() + TIME_MAX;
        Ok(Trial { settings, permit, approval, dialect, class: report.class, parameters, sample, deadline })
    }
}

/// A statement about to be tried.
struct Trial<'a> {
    settings: &'a Settings,
    permit: &'a Authorized<Control>,
    approval: &'a Approval,
    dialect: Dialect,
    class: StatementClass,
    parameters: String,
    /// A query for the rows that it would change, and the parameters that takes.
    sample: Option<(String, Vec<usize>)>,
    deadline: Instant,
}

impl Trial<'_> {
    /// Whatever ends this, the transaction is rolled back: it is never committed.
    async fn run(&self) -> Result<Preview, HostError> {
        let mut open = self.begin().await?;
        let mut preview = Preview::default();
        if let Some((text, parameters)) = self.question() {
            let (still_open, rows) = self.read(open, text, parameters, self.sample_rows()).await;
            (preview.columns, preview.sample) = rows.as_ref().map(mask::sample).unwrap_or_default();
            open = match still_open {
                Some(open) => open,
                // The role for changes may not be allowed to look.
                None => self.begin().await?,
            };
        }
        let open = self.check_engines(open).await?;
        let (open, before) = self.counted(open).await?;
        let (open, affected) = perform(open, self.statement()).await;
        // First what the database says: PostgreSQL ends the transaction of a statement that fails.
        preview.affected = match affected.map_err(without_values)? {
            HostReply::Affected(rows) => rows,
            _ => 0,
        };
        let open = open.ok_or_else(ended)?;
        let (open, after) = self.counted(open).await?;
        preview.tables = counts::between(&before, &after);
        if preview.tables.is_empty() {
            preview.tables = counts::of_one(&self.approval.effect.tables, preview.affected, &self.approval.asked.text);
        }
        open.rollback().await;
        Ok(preview)
    }

    async fn begin(&self) -> Result<Transaction, HostError> {
        let request = BeginRequest {
            resource: self.approval.asked.resource.clone(),
            tenant: self.permit.principal().tenant.clone(),
            mode: TransactionMode::Write,
            connection_by: self.deadline,
            deadline: self.deadline,
        };
        self.settings.resources.begin(self.permit.call().environment(), request).await
    }

    /// The query for the sample with its parameters.
    fn question(&self) -> Option<(String, String)> {
        let (text, taken) = self.sample.clone()?;
        let given: Vec<Value> = serde_json::from_str(&self.parameters).ok()?;
        let taken: Option<Vec<&Value>> = taken.iter().map(|index| given.get(*index)).collect();
        Some((text, serde_json::to_string(&taken?).ok()?))
    }

    fn sample_rows(&self) -> u64 {
        let environment = self.settings.environment(self.permit.call().environment());
        environment.map_or(0, |environment| u64::from(environment.approvals.sample_rows))
    }

    /// How often each table was changed in this session, where the database tells.
    async fn counted(&self, open: Transaction) -> Result<(Transaction, Option<Rows>), HostError> {
        if self.dialect != Dialect::Postgres {
            return Ok((open, None));
        }
        let (open, rows) = self.read(open, counts::QUESTION.to_owned(), "[]".to_owned(), TABLES_MAX).await;
        Ok((open.ok_or_else(ended)?, rows))
    }

    /// MySQL and MariaDB have tables that no rollback undoes: a statement on one of them is not tried.
    async fn check_engines(&self, open: Transaction) -> Result<Transaction, HostError> {
        if self.dialect != Dialect::Mysql {
            return Ok(open);
        }
        let (asked, tenant) = (&self.approval.asked, &self.permit.principal().tenant);
        let (open, reply) =
            perform(open, engines::question((&asked.resource, tenant), &self.approval.effect.tables, self.deadline))
                .await;
        let rows = if let Ok(HostReply::Rows(rows)) = reply { Some(rows) } else { None };
        engines::check(rows.as_ref(), &self.approval.effect.tables)?;
        open.ok_or_else(ended)
    }

    async fn read(
        &self,
        open: Transaction,
        text: String,
        parameters: String,
        rows_max: u64,
    ) -> (Option<Transaction>, Option<Rows>) {
        let request = SqlRequest {
            verb: SqlVerb::Query,
            class: StatementClass::Read,
            statement: text,
            parameters,
            rows_max,
            bytes_max: SAMPLE_BYTES_MAX,
            ..self.statement()
        };
        let (open, reply) = perform(open, request).await;
        let rows = match reply {
            Ok(HostReply::Rows(rows)) => Some(rows),
            Ok(_) => None,
            Err(why) => {
                tracing::debug!(approval = %self.approval.id, %why, "a preview has less to show");
                None
            }
        };
        (open, rows)
    }

    fn statement(&self) -> SqlRequest {
        SqlRequest {
            resource: self.approval.asked.resource.clone(),
            tenant: self.permit.principal().tenant.clone(),
            verb: SqlVerb::Execute,
            class: self.class,
            statement: self.approval.asked.text.clone(),
            parameters: self.parameters.clone(),
            affected_max: None,
            connection_by: self.deadline,
            deadline: self.deadline,
            rows_max: 0,
            bytes_max: 0,
            stop: StopNotice::default(),
        }
    }
}

async fn perform(open: Transaction, request: SqlRequest) -> (Option<Transaction>, Result<HostReply, HostError>) {
    let (open, performed) = open.perform(request).await;
    (open, performed.reply)
}

/// What the database says of a statement can have values of any row in it, which a preview does not show.
fn without_values(why: HostError) -> HostError {
    match why {
        HostError::Backend { code, .. } => {
            HostError::Backend { code, message: "what the database says of it is not shown in previews".to_owned() }
        }
        HostError::BadRequest(_) => HostError::BadRequest("the parameters do not fit the statement".to_owned()),
        HostError::Denied { .. } | HostError::Limit { .. } | HostError::Timeout(_) | HostError::Unavailable(_) => why,
    }
}

fn ended() -> HostError {
    HostError::Unavailable("the database ended the transaction of the preview".to_owned())
}

fn failed(why: &HostError) -> Failure {
    match why {
        HostError::Timeout(_) | HostError::Unavailable(_) => {
            let hint = "try again later; operators see the cause in the server's log";
            Failure::new(Reason::ResourceUnavailable, why.to_string(), hint)
        }
        HostError::Denied { .. } | HostError::Limit { .. } | HostError::BadRequest(_) | HostError::Backend { .. } => {
            let message = format!("the statement fails in the preview: {why}");
            Failure::new(Reason::RequestMalformed, message, "give the parameters of a call, with `--parameters`")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_database_is_told_without_its_text() {
        let message = "invalid input syntax for type integer: \"ada@example.com\"".to_owned();
        let told = failed(&without_values(HostError::Backend { code: "22P02".to_owned(), message: message.clone() }));
        assert!(told.message.contains("22P02") && !told.message.contains("ada"), "{told:?}");
        let told = failed(&without_values(HostError::BadRequest(message)));
        assert!(told.reason == Reason::RequestMalformed && !told.message.contains("ada"), "{told:?}");
        let ours = HostError::Unavailable("the database of `orders-db` is locked".to_owned());
        assert_eq!(without_values(ours.clone()), ours, "the twin: our own words");
    }
}
