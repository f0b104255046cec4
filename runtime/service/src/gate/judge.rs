//! What decides about a host call: the configuration, the revision and the grants, and nothing of one run.
//!
//! The gate asks it before every host call, and `Explain` asks it about host calls that nobody makes: there is no second
//! opinion. Judging takes nothing and sends nothing.

use std::sync::Arc;

use airlock_analysis::Dialect;
use airlock_model::{
    Access, Grants, HostError, Layer, Principal, Reason, ResourceName, SqlCall, SqlVerb, StatementClass,
    StatementLanguage, StatementReport,
};
use airlock_resources::TransactionMode;

use super::{
    notes::{Notes, Stage},
    said::Said,
};
use crate::{app::Backends, config::WritePolicy, registry::Deployed, settings::Settings};

/// Who judges the host calls of one function for one principal. Borrows everything: made anew for each call.
#[derive(Clone, Copy)]
pub(crate) struct Judge<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) backends: &'a Arc<Backends>,
    pub(crate) deployed: &'a Deployed,
    pub(crate) principal: &'a Principal,
    pub(crate) grants: &'a Grants,
    pub(crate) unlisted: Unlisted,
}

/// What becomes of a text that a revision does not list, where it need not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unlisted {
    /// It is kept, as a candidate: a function said it.
    Kept,
    /// Nobody said it.
    Forgotten,
}

/// Tables of one statement that a record names.
const TABLES_MAX: usize = 32;

impl Judge<'_> {
    /// Whether a statement may be sent, and what it is.
    pub(crate) fn statement(&self, call: &SqlCall, notes: &mut Notes) -> Result<Arc<StatementReport>, HostError> {
        notes.at(Stage::Resource);
        let dialect = self.dialect(&call.resource)?;
        notes.passed(|| self.bound(&call.resource));
        notes.at(Stage::Analysis);
        let listed = self.settings.listed(&call.resource, &self.deployed.environment);
        let report = self.backends.classes.classify(dialect, listed, &call.statement).map_err(|why| {
            denied(
                Reason::StatementRefused,
                why.to_string(),
                "send one statement the analysis understands, with placeholders for values",
            )
        })?;
        notes.event.class = Some(report.class);
        notes.event.operation = Some(report.class.as_str().to_owned());
        notes.event.tables = few(&report.tables);
        let access = access_of(report.class, &report.because)?;
        notes.has_effect = access != Access::Read;
        notes.passed(|| described(&report));
        self.check_grant(&call.resource, &access, notes)?;
        let said = Said { resource: &call.resource, language: StatementLanguage::Sql, text: &call.statement };
        self.hold_to_manifest(&said, (report.class, &report.tables), notes)?;
        if notes.has_effect {
            self.check_writes(notes)?;
        }
        check_verb(call.verb, report.class)?;
        Ok(report)
    }

    /// One that may write where a statement that writes would be let through, and else one that reads.
    pub(crate) fn transaction(&self, resource: &ResourceName, notes: &mut Notes) -> Result<TransactionMode, HostError> {
        notes.at(Stage::Resource);
        self.dialect(resource)?;
        notes.at(Stage::Transaction);
        let may = |access: &Access| self.grants.check(resource, access).is_ok();
        let changes = [Access::Write, Access::Ddl].iter().any(may);
        if changes && self.may_write().is_ok() {
            notes.passed(|| (format!("a transaction on `{resource}` may write"), self.grant_places(resource)));
            return Ok(TransactionMode::Write);
        }
        self.grants.check(resource, &Access::Read).map_err(|layer| {
            notes.blame(|| self.grant_place(layer, resource));
            not_granted(layer, resource, &Access::Read)
        })?;
        notes.passed(|| (format!("a transaction on `{resource}` only reads"), self.grant_places(resource)));
        Ok(TransactionMode::Read)
    }

    pub(super) fn dialect(&self, resource: &ResourceName) -> Result<Dialect, HostError> {
        let dialect = self.settings.resources.dialect(resource, &self.deployed.environment);
        dialect.map(analysed_as).ok_or_else(|| self.unbound(resource))
    }

    /// A binding may have gone since the function was deployed.
    pub(super) fn check_bound(&self, resource: &ResourceName) -> Result<(), HostError> {
        let bound = self.settings.resources.kind_of(resource, &self.deployed.environment);
        bound.map(drop).ok_or_else(|| self.unbound(resource))
    }

    pub(super) fn unbound(&self, resource: &ResourceName) -> HostError {
        let rule = format!("environment `{}` does not bind `{resource}`", self.deployed.environment);
        let hint = "ask the operator for [resources.<name>.<environment>] in airlock.toml";
        denied(Reason::ResourceUnbound, rule, hint)
    }

    pub(super) fn check_grant(
        &self,
        resource: &ResourceName,
        access: &Access,
        notes: &mut Notes,
    ) -> Result<(), HostError> {
        notes.at(Stage::Grants);
        self.grants.check(resource, access).map_err(|layer| {
            notes.blame(|| self.grant_place(layer, resource));
            not_granted(layer, resource, access)
        })?;
        notes.passed(|| {
            let rule = format!("token, function and environment all cover `{resource}:{access}`");
            (rule, self.grant_places(resource))
        });
        Ok(())
    }

    pub(super) fn write_policy(&self) -> WritePolicy {
        let environment = self.settings.environment(&self.deployed.environment);
        environment.map_or(WritePolicy::Deny, |environment| environment.writes)
    }

    /// Whether statements may write at all. One that needs an approval asks for it when everything else about it is permitted.
    pub(super) fn check_writes(&self, notes: &mut Notes) -> Result<(), HostError> {
        notes.at(Stage::Writes);
        notes.blame(|| self.environment_place("writes"));
        self.may_write()?;
        notes.passed(|| {
            let rule = format!("functions may write here: writes = {:?}", self.write_policy().as_str());
            (rule, self.environment_place("writes"))
        });
        Ok(())
    }

    fn may_write(&self) -> Result<(), HostError> {
        match self.write_policy() {
            WritePolicy::Allow | WritePolicy::ApproveStatement | WritePolicy::ApproveEach => Ok(()),
            WritePolicy::Deny => {
                let environment = &self.deployed.environment;
                let place = self.settings.origin(&format!("environments.{environment}.writes"));
                Err(denied(
                    Reason::WritesDenied,
                    format!("[environments.{environment}] writes = \"deny\" ({place})"),
                    "only read here, or ask the operator to change the policy in airlock.toml",
                ))
            }
        }
    }

    /// Whether stores may be written. Their calls have no text that a person could approve.
    pub(super) fn check_store_writes(&self, notes: &mut Notes) -> Result<(), HostError> {
        self.check_writes(notes)?;
        match self.write_policy() {
            WritePolicy::Allow | WritePolicy::Deny => Ok(()),
            WritePolicy::ApproveStatement | WritePolicy::ApproveEach => {
                let environment = &self.deployed.environment;
                notes.at(Stage::Approval);
                notes.blame(|| self.environment_place("writes"));
                Err(denied(
                    Reason::ApprovalPending,
                    format!(
                        "[environments.{environment}] lets only approved statements write, and calls to stores are none"
                    ),
                    "write to a database or a GraphQL API, or ask the operator for another policy",
                ))
            }
        }
    }
}

/// The name that analysis has for a dialect.
pub(crate) fn analysed_as(dialect: airlock_resources::Dialect) -> Dialect {
    match dialect {
        airlock_resources::Dialect::Sqlite => Dialect::Sqlite,
        airlock_resources::Dialect::Postgres => Dialect::Postgres,
        airlock_resources::Dialect::Mysql => Dialect::Mysql,
    }
}

pub(super) fn denied(reason: Reason, rule: impl Into<String>, hint: &str) -> HostError {
    HostError::Denied { reason: reason.as_str().to_owned(), rule: rule.into(), hint: hint.to_owned() }
}

fn not_granted(layer: Layer, resource: &ResourceName, access: &Access) -> HostError {
    let rule = format!("`{resource}:{access}` is not covered by {}", layer.place());
    let hint = match layer {
        Layer::Token => "ask for a token whose scope covers it",
        Layer::Manifest => "declare the operation in function.toml and deploy again",
        Layer::Environment => "ask the operator to allow the operation in this environment",
    };
    denied(Reason::NotGranted, rule, hint)
}

/// The three classes that a grant can allow; the others have no grant at all.
pub(crate) fn access_of(class: StatementClass, because: &[String]) -> Result<Access, HostError> {
    match class {
        StatementClass::Read => Ok(Access::Read),
        StatementClass::Write => Ok(Access::Write),
        StatementClass::Ddl => Ok(Access::Ddl),
        StatementClass::Session | StatementClass::Admin | StatementClass::Forbidden => {
            let rule = format!(
                "statements of class `{}` are never accepted from a function ({})",
                class.as_str(),
                because.join("; ")
            );
            Err(denied(Reason::StatementRefused, rule, "send a statement that reads or changes rows"))
        }
    }
}

fn check_verb(verb: SqlVerb, class: StatementClass) -> Result<(), HostError> {
    match (verb, class) {
        (SqlVerb::Query, StatementClass::Read) => Ok(()),
        (SqlVerb::Query, _) => {
            Err(HostError::BadRequest("`query` only reads: use `execute` for this statement".to_owned()))
        }
        (SqlVerb::Execute, StatementClass::Read) => {
            Err(HostError::BadRequest("`execute` is for statements that write: use `query` for this one".to_owned()))
        }
        (SqlVerb::Execute, _) => Ok(()),
    }
}

fn described(report: &StatementReport) -> (String, String) {
    let tables = if report.tables.is_empty() { "no table".to_owned() } else { quoted(&report.tables) };
    let because = if report.because.is_empty() { String::new() } else { format!(" ({})", report.because.join("; ")) };
    (format!("a statement of class `{}` that names {tables}{because}", report.class.as_str()), String::new())
}

/// Names for the trail, which nobody fills with them.
fn few(tables: &[String]) -> Vec<String> {
    let mut few: Vec<_> = tables.iter().take(TABLES_MAX).cloned().collect();
    let more = tables.len().saturating_sub(TABLES_MAX);
    few.extend((more > 0).then(|| format!("({more} more)")));
    few
}

/// Names for people.
pub(super) fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
