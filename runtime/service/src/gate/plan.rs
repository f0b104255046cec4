//! From what a guest asks to what may be done: analysis, grants, policy.

use airlock_analysis::Dialect;
use airlock_model::{
    Access, AuditEvent, AuditKind, HostCall, HostError, Layer, Limit, Reason, ResourceName, SqlCall, SqlVerb,
    StatementClass, StatementLanguage, TransactionId,
};
use airlock_resources::{BeginRequest, HttpRequest, LlmRequest, Permitted, SqlRequest, StopNotice, StreamRequest};

use super::{CallGate, arguments_digest, llm::Paid, said::Said};
use crate::config::WritePolicy;

/// Characters of a statement or path that the trail keeps.
pub(super) const TARGET_CHARS_MAX: usize = 4_096;

/// What analysis, grants and policy made of one host call.
pub(super) struct Plan {
    /// Describes the call, for the trail.
    pub(super) event: AuditEvent,
    /// What may be done, or why nothing may.
    pub(super) decision: Result<Act, HostError>,
    /// Whether the world changes when it is performed.
    pub(super) has_effect: bool,
}

/// What is permitted.
pub(super) enum Act {
    /// A call by itself.
    Alone(Permitted),
    /// A query whose rows are taken in batches.
    Stream(StreamRequest),
    /// An HTTP request that is carried out step by step.
    Open(Box<HttpRequest>),
    /// A whole completion.
    Complete(LlmRequest, Paid),
    /// A completion that comes as it is made.
    CompleteInPieces(LlmRequest, Paid),
    /// Opening a transaction.
    Begin(BeginRequest),
    /// A statement of an open transaction.
    Within(TransactionId, SqlRequest),
    /// Ending one.
    Commit(TransactionId),
    Rollback(TransactionId),
}

impl Act {
    /// A statement that changes more rows than so many is to be undone.
    pub(super) fn cap_rows(&mut self, rows_max: Option<u64>) {
        if let Self::Alone(Permitted::Sql(request)) | Self::Within(_, request) = self {
            request.affected_max = rows_max;
        }
    }

    /// Where the word comes from that a statement was stopped; `None` for what stops by itself.
    pub(super) fn stop_notice(&self) -> Option<StopNotice> {
        match self {
            Self::Alone(Permitted::Sql(request)) | Self::Within(_, request) => Some(request.stop.clone()),
            Self::Alone(Permitted::Http(_) | Permitted::Kv(_) | Permitted::Blob(_) | Permitted::Graphql(_)) => None,
            Self::Stream(_)
            | Self::Open(_)
            | Self::Complete(..)
            | Self::CompleteInPieces(..)
            | Self::Begin(_)
            | Self::Commit(_)
            | Self::Rollback(_) => None,
        }
    }
}

impl CallGate {
    pub(super) fn plan(&self, call: HostCall) -> Plan {
        let mut event = self.facts.event(AuditKind::HostCallIntent);
        let mut has_effect = true;
        let decision = match call {
            HostCall::Sql(call) => self.plan_sql(call, &mut event, &mut has_effect),
            HostCall::Stream(call) => {
                self.plan_statement(call, &mut event, &mut has_effect).map(|query| self.in_batches(query))
            }
            HostCall::Transaction(call) => self.plan_transaction(call, &mut event, &mut has_effect),
            HostCall::Http(call) => {
                self.plan_http(call, &mut event, &mut has_effect).map(|request| Act::Alone(Permitted::Http(request)))
            }
            HostCall::Open(call) => {
                self.plan_http(call, &mut event, &mut has_effect).map(|request| Act::Open(Box::new(request)))
            }
            HostCall::Graphql(call) => self.plan_graphql(call, &mut event, &mut has_effect).map(Act::Alone),
            HostCall::Kv(call) => {
                describe(&mut event, &call.resource, call.action.target());
                self.plan_kv(call, &mut event, &mut has_effect).map(Act::Alone)
            }
            HostCall::Llm(call) => self.plan_llm(call, &mut event, &mut has_effect),
            HostCall::NextBatch(_)
            | HostCall::NextPiece(_)
            | HostCall::Exchange(_)
            | HostCall::Covers(_)
            | HostCall::Log(_) => Err(HostError::BadRequest("this touches no resource by itself".to_owned())),
            HostCall::Blob(call) => {
                describe(&mut event, &call.resource, call.action.target());
                self.plan_blob(call, &mut event, &mut has_effect).map(Act::Alone)
            }
        };
        Plan { event, decision, has_effect }
    }

    /// Which resource a call is about and what it asks, for the trail; judges nothing.
    pub(super) fn describe(&self, call: &HostCall) -> AuditEvent {
        let mut event = self.facts.event(AuditKind::HostCallIntent);
        let shown;
        let (resource, target) = match call {
            HostCall::Sql(call) | HostCall::Stream(call) => (&call.resource, call.statement.as_str()),
            HostCall::NextBatch(call) => (&call.resource, "the next batch"),
            HostCall::Transaction(call) => (&call.resource, call.step.as_str()),
            HostCall::Http(call) | HostCall::Open(call) => {
                shown = self.path_in_trail(&call.resource, &call.path);
                (&call.resource, shown.as_str())
            }
            HostCall::Exchange(call) => (&call.resource, "the next step"),
            HostCall::Covers(call) => {
                shown = self.path_in_trail(&call.resource, &call.url);
                (&call.resource, shown.as_str())
            }
            HostCall::Graphql(call) => (&call.resource, call.document.as_str()),
            HostCall::Llm(call) => (&call.resource, ""),
            HostCall::NextPiece(call) => (&call.resource, "the next piece"),
            HostCall::Kv(call) => (&call.resource, call.action.target()),
            HostCall::Blob(call) => (&call.resource, call.action.target()),
            HostCall::Log(_) => return event,
        };
        describe(&mut event, resource, target);
        event
    }

    fn plan_sql(&self, call: SqlCall, event: &mut AuditEvent, has_effect: &mut bool) -> Result<Act, HostError> {
        let within = call.within;
        let request = self.plan_statement(call, event, has_effect)?;
        Ok(match within {
            None => Act::Alone(Permitted::Sql(request)),
            Some(transaction) => Act::Within(transaction, request),
        })
    }

    fn in_batches(&self, query: SqlRequest) -> Act {
        Act::Stream(StreamRequest { query, rows_total_max: self.budget.limits().get(Limit::StreamRows) })
    }

    fn plan_statement(
        &self,
        call: SqlCall,
        event: &mut AuditEvent,
        has_effect: &mut bool,
    ) -> Result<SqlRequest, HostError> {
        event.resource = Some(call.resource.to_string());
        event.transaction = call.within.map(|TransactionId(number)| number);
        event.target = Some(call.statement.chars().take(TARGET_CHARS_MAX).collect());
        event.arguments_sha256 = arguments_digest(&[call.parameters.as_bytes()]);
        let dialect = self.dialect(&call.resource)?;
        let listed = self.facts.settings.listed(&call.resource, &self.facts.deployed.environment);
        let report = self.backends.classes.classify(dialect, listed, &call.statement).map_err(|why| {
            denied(
                Reason::StatementRefused,
                why.to_string(),
                "send one statement the analysis understands, with placeholders for values",
            )
        })?;
        event.class = Some(report.class);
        event.operation = Some(report.class.as_str().to_owned());
        event.tables.clone_from(&report.tables);
        let access = access_of(report.class, &report.because)?;
        *has_effect = access != Access::Read;
        self.check_grant(&call.resource, &access)?;
        let said = Said { resource: &call.resource, language: StatementLanguage::Sql, text: &call.statement };
        self.hold_to_manifest(&said, report.class, &report.tables)?;
        if *has_effect {
            self.check_writes()?;
        }
        check_verb(call.verb, report.class)?;
        let limits = self.budget.limits();
        Ok(SqlRequest {
            resource: call.resource,
            tenant: self.facts.principal.tenant.clone(),
            verb: call.verb,
            class: report.class,
            statement: call.statement,
            parameters: call.parameters,
            affected_max: None,
            connection_by: self.connection_by(),
            deadline: self.deadline,
            rows_max: limits.get(Limit::ResultRows),
            bytes_max: limits.get(Limit::ResultBytes),
            stop: StopNotice::default(),
        })
    }

    pub(super) fn dialect(&self, resource: &ResourceName) -> Result<Dialect, HostError> {
        let dialect = self.facts.settings.resources.dialect(resource, &self.facts.deployed.environment);
        dialect.map(analysed_as).ok_or_else(|| self.unbound(resource))
    }

    /// A binding may have gone since the function was deployed.
    pub(super) fn check_bound(&self, resource: &ResourceName) -> Result<(), HostError> {
        let bound = self.facts.settings.resources.kind_of(resource, &self.facts.deployed.environment);
        bound.map(drop).ok_or_else(|| self.unbound(resource))
    }

    pub(super) fn unbound(&self, resource: &ResourceName) -> HostError {
        let rule = format!("environment `{}` does not bind `{resource}`", self.facts.deployed.environment);
        let hint = "ask the operator for [resources.<name>.<environment>] in airlock.toml";
        denied(Reason::ResourceUnbound, rule, hint)
    }

    pub(super) fn check_grant(&self, resource: &ResourceName, access: &Access) -> Result<(), HostError> {
        self.admitted.grants().check(resource, access).map_err(|layer| not_granted(layer, resource, access))
    }

    pub(super) fn write_policy(&self) -> WritePolicy {
        let environment = self.facts.settings.environment(&self.facts.deployed.environment);
        environment.map_or(WritePolicy::Deny, |environment| environment.writes)
    }

    /// Whether statements may write at all. One that needs an approval asks for it when everything else about it is permitted.
    pub(super) fn check_writes(&self) -> Result<(), HostError> {
        match self.write_policy() {
            WritePolicy::Allow | WritePolicy::ApproveStatement | WritePolicy::ApproveEach => Ok(()),
            WritePolicy::Deny => {
                let environment = &self.facts.deployed.environment;
                let place = self.facts.settings.origin(&format!("environments.{environment}.writes"));
                Err(denied(
                    Reason::WritesDenied,
                    format!("[environments.{environment}] writes = \"deny\" ({place})"),
                    "only read here, or ask the operator to change the policy in airlock.toml",
                ))
            }
        }
    }

    /// Whether stores may be written. Their calls have no text that a person could approve.
    pub(super) fn check_store_writes(&self) -> Result<(), HostError> {
        self.check_writes()?;
        match self.write_policy() {
            WritePolicy::Allow | WritePolicy::Deny => Ok(()),
            WritePolicy::ApproveStatement | WritePolicy::ApproveEach => {
                let environment = &self.facts.deployed.environment;
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

pub(super) fn describe(event: &mut AuditEvent, resource: &ResourceName, target: &str) {
    event.resource = Some(resource.to_string());
    event.target = Some(target.chars().take(TARGET_CHARS_MAX).collect());
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
