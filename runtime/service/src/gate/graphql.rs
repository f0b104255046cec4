//! Documents for GraphQL APIs: what they are, for grants, policy, limits and trail.

use airlock_analysis::{DocumentRefusal, Variables};
use airlock_model::{
    Access, AuditEvent, DocumentReport, GraphqlCall, GraphqlVerb, HostError, OperationClass, Reason, StatementLanguage,
};
use airlock_resources::{GraphqlRequest, Permitted};

use super::{
    CallGate, arguments_digest,
    plan::{denied, describe},
    said::Said,
};
use crate::clock;

impl CallGate {
    pub(super) fn plan_graphql(
        &self,
        call: GraphqlCall,
        event: &mut AuditEvent,
        has_effect: &mut bool,
    ) -> Result<Permitted, HostError> {
        describe(event, &call.resource, &call.document);
        event.arguments_sha256 = arguments_digest(&[call.variables.as_bytes()]);
        let documents = self.facts.settings.documents(&call.resource, &self.facts.deployed.environment);
        let documents = documents.ok_or_else(|| self.unbound(&call.resource))?;
        let document = documents.read(&call.document).map_err(refused)?;
        note(event, document.report());
        let class = document.report().class;
        *has_effect = class == OperationClass::Mutation;
        let access = if *has_effect { Access::Mutation } else { Access::Query };
        self.check_grant(&call.resource, &access)?;
        let said = Said { resource: &call.resource, language: StatementLanguage::Graphql, text: &call.document };
        self.hold_to_manifest(&said, class.into(), &document.report().root_fields)?;
        if *has_effect {
            self.check_writes()?;
        }
        check_verb(call.verb, class)?;
        let variables = Variables::parse(&call.variables).map_err(|why| HostError::BadRequest(why.to_string()))?;
        document.cost(&variables).map_err(refused)?;
        Ok(Permitted::Graphql(GraphqlRequest {
            resource: call.resource,
            tenant: self.facts.principal.tenant.clone(),
            class,
            document: call.document,
            variables: variables.to_json(),
            deadline: self.deadline,
            egress: self.budget.egress(),
            now_unix_ms: clock::now_unix_ms(),
            traceparent: Some(self.traceparent()),
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
