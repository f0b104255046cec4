//! Documents for GraphQL APIs: what they are, for grants, policy, limits and trail.

use airlock_analysis::{DocumentRefusal, Variables};
use airlock_model::{
    Access, AuditEvent, DocumentReport, GraphqlCall, GraphqlVerb, HostError, OperationClass, Reason, StatementLanguage,
};
use airlock_resources::{GraphqlRequest, Permitted};

use super::{
    CallGate,
    judge::{Judge, denied, quoted},
    kept::of_json,
    notes::{Notes, Stage},
    said::Said,
};
use crate::clock;

impl Judge<'_> {
    /// Whether a document may be sent, and what it is.
    pub(crate) fn document(
        &self,
        call: &GraphqlCall,
        notes: &mut Notes,
    ) -> Result<(OperationClass, Variables), HostError> {
        notes.at(Stage::Resource);
        let documents = self.settings.documents(&call.resource, &self.deployed.environment);
        let documents = documents.ok_or_else(|| self.unbound(&call.resource))?;
        notes.passed(|| self.bound(&call.resource));
        notes.at(Stage::Analysis);
        let document = documents.read(&call.document).map_err(refused)?;
        let report = document.report();
        note(&mut notes.event, report);
        let class = report.class;
        notes.has_effect = class == OperationClass::Mutation;
        notes.passed(|| (format!("a {} of the fields {}", class.as_str(), quoted(&report.root_fields)), String::new()));
        let access = if notes.has_effect { Access::Mutation } else { Access::Query };
        self.check_grant(&call.resource, &access, notes)?;
        let said = Said { resource: &call.resource, language: StatementLanguage::Graphql, text: &call.document };
        self.hold_to_manifest(&said, (class.into(), &report.root_fields), notes)?;
        if notes.has_effect {
            self.check_writes(notes)?;
        }
        notes.at(Stage::Cost);
        notes.blame(|| self.binding_place(&call.resource, "cost_max"));
        check_verb(call.verb, class)?;
        let variables = Variables::parse(&call.variables).map_err(|why| HostError::BadRequest(why.to_string()))?;
        document.cost(&variables).map_err(refused)?;
        notes.passed(|| {
            let rule = "with these variables the document costs no more than the binding allows";
            (rule.to_owned(), self.binding_place(&call.resource, "cost_max"))
        });
        Ok((class, variables))
    }
}

impl CallGate {
    pub(super) fn plan_graphql(&self, call: GraphqlCall, notes: &mut Notes) -> Result<Permitted, HostError> {
        self.keep_statement(&mut notes.event, (&call.resource, StatementLanguage::Graphql), &call.document)?;
        self.keep_arguments(&mut notes.event, of_json(&call.variables))?;
        let (class, variables) = self.judge().document(&call, notes)?;
        Ok(Permitted::Graphql(GraphqlRequest {
            resource: call.resource,
            tenant: self.facts.principal.tenant.clone(),
            class,
            document: call.document,
            variables: variables.to_json(),
            deadline: self.deadline,
            egress: self.budget.egress(),
            now_unix_ms: clock::now_unix_ms(),
            trace: Some(self.trace_headers(notes)),
        }))
    }
}

fn note(event: &mut AuditEvent, report: &DocumentReport) {
    event.operation = Some(report.class.as_str().to_owned());
    event.class = Some(report.class.into());
    event.tables.clone_from(&report.root_fields);
}

/// By value: the text is the refusal's own.
#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
fn refused(why: DocumentRefusal) -> HostError {
    denied(
        Reason::StatementRefused,
        why.to_string(),
        "send one query or mutation within the limits of the binding; `airlock graphql classify` says what it is",
    )
}

fn check_verb(verb: GraphqlVerb, class: OperationClass) -> Result<(), HostError> {
    let text = match (verb, class) {
        (GraphqlVerb::Query, OperationClass::Query) | (GraphqlVerb::Mutate, OperationClass::Mutation) => return Ok(()),
        (GraphqlVerb::Query, OperationClass::Mutation) => "`query` only reads: use `mutate` for this document",
        (GraphqlVerb::Mutate, OperationClass::Query) => "`mutate` is for mutations: use `query` for this document",
    };
    Err(HostError::BadRequest(text.to_owned()))
}
