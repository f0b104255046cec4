//! From what a guest asks to what may be done: the judgement, and what the permitted call needs.

use airlock_model::{
    AuditEvent, AuditKind, HostCall, HostError, Limit, ResourceName, SqlCall, StatementLanguage, TransactionId,
};
use airlock_resources::{BeginRequest, HttpRequest, LlmRequest, Permitted, SqlRequest, StopNotice, StreamRequest};

use super::{
    CallGate,
    judge::{Judge, Unlisted},
    kept::of_json,
    llm::Paid,
    notes::Notes,
};

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

    /// Where the word comes from that a statement was sent, and stopped; `None` for what is no statement.
    pub(super) fn stop_notice(&self) -> Option<StopNotice> {
        match self {
            Self::Alone(Permitted::Sql(request)) | Self::Within(_, request) => Some(request.stop.clone()),
            Self::Stream(request) => Some(request.query.stop.clone()),
            Self::Alone(Permitted::Http(_) | Permitted::Kv(_) | Permitted::Blob(_) | Permitted::Graphql(_)) => None,
            Self::Open(_)
            | Self::Complete(..)
            | Self::CompleteInPieces(..)
            | Self::Begin(_)
            | Self::Commit(_)
            | Self::Rollback(_) => None,
        }
    }
}

impl CallGate {
    /// Who judges the host calls of this call.
    pub(super) fn judge(&self) -> Judge<'_> {
        Judge {
            settings: &self.facts.settings,
            backends: &self.backends,
            deployed: &self.facts.deployed,
            principal: &self.facts.principal,
            grants: self.admitted.grants(),
            unlisted: Unlisted::Kept,
        }
    }

    pub(super) fn plan(&self, call: HostCall) -> Plan {
        let mut notes = Notes::for_trail(self.facts.event(AuditKind::HostCallIntent));
        let decision = self.decide(call, &mut notes);
        Plan { event: notes.event, decision, has_effect: notes.has_effect }
    }

    fn decide(&self, call: HostCall, notes: &mut Notes) -> Result<Act, HostError> {
        match call {
            HostCall::Sql(call) => self.plan_sql(call, notes),
            HostCall::Stream(call) => self.plan_statement(call, notes).map(|query| self.in_batches(query)),
            HostCall::Transaction(call) => self.plan_transaction(call, notes),
            HostCall::Http(call) => self.plan_http(call, notes).map(|request| Act::Alone(Permitted::Http(request))),
            HostCall::Open(call) => self.plan_http(call, notes).map(|request| Act::Open(Box::new(request))),
            HostCall::Graphql(call) => self.plan_graphql(call, notes).map(Act::Alone),
            HostCall::Kv(call) => {
                describe(&mut notes.event, &call.resource, call.action.target());
                self.plan_kv(call, notes).map(Act::Alone)
            }
            HostCall::Llm(call) => self.plan_llm(call, notes),
            HostCall::NextBatch(_)
            | HostCall::NextPiece(_)
            | HostCall::Exchange(_)
            | HostCall::Covers(_)
            | HostCall::Log(_) => Err(HostError::BadRequest("this touches no resource by itself".to_owned())),
            HostCall::Blob(call) => {
                describe(&mut notes.event, &call.resource, call.action.target());
                self.plan_blob(call, notes).map(Act::Alone)
            }
        }
    }

    /// Which resource a call is about and what it asks, for the trail; judges nothing.
    pub(super) fn describe(&self, call: &HostCall) -> AuditEvent {
        let mut event = self.facts.event(AuditKind::HostCallIntent);
        let shown;
        let (resource, target) = match call {
            HostCall::Sql(call) | HostCall::Stream(call) => {
                return self.describe_statement(event, (&call.resource, StatementLanguage::Sql), &call.statement);
            }
            HostCall::Graphql(call) => {
                return self.describe_statement(event, (&call.resource, StatementLanguage::Graphql), &call.document);
            }
            HostCall::NextBatch(call) => (&call.resource, "the next batch"),
            HostCall::Transaction(call) => (&call.resource, call.step.as_str()),
            HostCall::Http(call) | HostCall::Open(call) => {
                shown = self.judge().path_in_trail(&call.resource, &call.path);
                (&call.resource, shown.as_str())
            }
            HostCall::Exchange(call) => (&call.resource, "the next step"),
            HostCall::Covers(call) => {
                shown = self.judge().path_in_trail(&call.resource, &call.url);
                (&call.resource, shown.as_str())
            }
            HostCall::Llm(call) => (&call.resource, ""),
            HostCall::NextPiece(call) => (&call.resource, "the next piece"),
            HostCall::Kv(call) => (&call.resource, call.action.target()),
            HostCall::Blob(call) => (&call.resource, call.action.target()),
            HostCall::Log(_) => return event,
        };
        describe(&mut event, resource, target);
        event
    }

    fn plan_sql(&self, call: SqlCall, notes: &mut Notes) -> Result<Act, HostError> {
        let within = call.within;
        let request = self.plan_statement(call, notes)?;
        Ok(match within {
            None => Act::Alone(Permitted::Sql(request)),
            Some(transaction) => Act::Within(transaction, request),
        })
    }

    fn in_batches(&self, query: SqlRequest) -> Act {
        Act::Stream(StreamRequest { query, rows_total_max: self.budget.limits().get(Limit::StreamRows) })
    }

    fn plan_statement(&self, call: SqlCall, notes: &mut Notes) -> Result<SqlRequest, HostError> {
        notes.event.transaction = call.within.map(|TransactionId(number)| number);
        self.keep_statement(&mut notes.event, (&call.resource, StatementLanguage::Sql), &call.statement)?;
        self.keep_arguments(&mut notes.event, of_json(&call.parameters))?;
        let class = self.judge().statement(&call, notes)?.class;
        let limits = self.budget.limits();
        Ok(SqlRequest {
            resource: call.resource,
            tenant: self.facts.principal.tenant.clone(),
            verb: call.verb,
            class,
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
}

pub(super) fn describe(event: &mut AuditEvent, resource: &ResourceName, target: &str) {
    event.resource = Some(resource.to_string());
    event.target = Some(target.chars().take(TARGET_CHARS_MAX).collect());
}
