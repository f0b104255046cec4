//! Messages about calls that nobody makes.

use airlock_proto::v1::{self, StoreOperation, explain_request::Asks};
use airlock_service::{ExplainedStep, Explanation, HostAsk, HostQuestion, Question};

use super::{name, operator::limit_in_force, optional_name};
use crate::status::Refusal;

/// The question as the service takes it.
pub(crate) fn question(asked: v1::ExplainRequest) -> Result<Question, Refusal> {
    Ok(Question {
        function: name("function", &asked.function)?,
        environment: name("environment", &asked.environment)?,
        alias: optional_name("alias", &asked.alias)?,
        host_call: host_question(asked)?,
    })
}

/// Resource and what is asked of it come together or not at all, and so do the details of what is asked.
fn host_question(asked: v1::ExplainRequest) -> Result<Option<HostQuestion>, Refusal> {
    let v1::ExplainRequest { resource, asks, parameters, in_transaction, http_method, max_tokens, .. } = asked;
    let goes_with = |is_there: bool, field: &'static str, what: &str| {
        let why = || Refusal::malformed(field, format!("field `{field}` goes with {what}"), "leave it out");
        if is_there { Err(why()) } else { Ok(()) }
    };
    goes_with(
        !parameters.is_empty() && !matches!(asks, Some(Asks::Sql(_) | Asks::Graphql(_))),
        "parameters",
        "`sql` or `graphql`",
    )?;
    goes_with(in_transaction && !matches!(asks, Some(Asks::Sql(_))), "in_transaction", "`sql`")?;
    goes_with(!http_method.is_empty() && !matches!(asks, Some(Asks::Url(_))), "http_method", "`url`")?;
    goes_with(max_tokens != 0 && !matches!(asks, Some(Asks::Model(_))), "max_tokens", "`model`")?;
    let Some(asks) = asks else {
        goes_with(!resource.is_empty(), "resource", "one of `sql`, `graphql`, `url`, `store` and `model`")?;
        return Ok(None);
    };
    let asks = match asks {
        Asks::Sql(statement) => {
            let parameters = if parameters.is_empty() { "[]".to_owned() } else { parameters };
            HostAsk::Sql { statement, parameters, in_transaction }
        }
        Asks::Graphql(document) => HostAsk::Graphql { document, variables: parameters },
        Asks::Url(url) => {
            let method = if http_method.is_empty() { "GET".to_owned() } else { http_method };
            HostAsk::Http { method, url }
        }
        Asks::Store(operation) => match StoreOperation::try_from(operation) {
            Ok(StoreOperation::Read) => HostAsk::Read,
            Ok(StoreOperation::Write) => HostAsk::Write,
            Ok(StoreOperation::Unspecified) | Err(_) => {
                let hint = "send STORE_OPERATION_READ or STORE_OPERATION_WRITE";
                return Err(Refusal::malformed("store", "field `store`: not an operation", hint));
            }
        },
        Asks::Model(model) => HostAsk::Complete { model, max_tokens: (max_tokens > 0).then_some(max_tokens) },
    };
    Ok(Some(HostQuestion { resource: name("resource", &resource)?, asks }))
}

pub(crate) fn explain_response(explanation: Explanation) -> v1::ExplainResponse {
    let Explanation { ruling, reason, revision, steps, limits } = explanation;
    let step = |ExplainedStep { name, verdict, rule, place, hint }| v1::ExplainStep {
        name: name.to_owned(),
        verdict: verdict.as_str().to_owned(),
        rule,
        place,
        hint,
    };
    v1::ExplainResponse {
        decision: ruling.as_str().to_owned(),
        reason,
        steps: steps.into_iter().map(step).collect(),
        revision,
        limits: limits.into_iter().map(limit_in_force).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(asks: Option<Asks>) -> v1::ExplainRequest {
        let (function, environment, resource) = ("f".to_owned(), "dev".to_owned(), "db".to_owned());
        v1::ExplainRequest { function, environment, resource, asks, ..Default::default() }
    }

    #[test]
    fn what_is_asked_goes_with_a_resource() {
        let sql = || Some(Asks::Sql("select 1".to_owned()));
        let read = question(asked(sql())).unwrap().host_call.unwrap();
        let expected = HostAsk::Sql { statement: "select 1".into(), parameters: "[]".into(), in_transaction: false };
        assert_eq!(read.asks, expected);
        assert!(question(v1::ExplainRequest { resource: String::new(), ..asked(sql()) }).is_err());
        assert!(question(asked(None)).is_err(), "a resource of which nothing is asked");
        let alone = v1::ExplainRequest { resource: String::new(), ..asked(None) };
        assert_eq!(question(alone).unwrap().host_call, None);
    }

    #[test]
    fn details_of_something_else_are_refused() {
        let store = |operation: i32| asked(Some(Asks::Store(operation)));
        assert!(question(store(1)).is_ok() && question(store(2)).is_ok());
        for odd in [
            store(0),
            store(3),
            v1::ExplainRequest { parameters: "[]".into(), ..store(1) },
            v1::ExplainRequest { in_transaction: true, ..store(1) },
            v1::ExplainRequest { http_method: "GET".into(), ..store(1) },
            v1::ExplainRequest { max_tokens: 1, ..store(1) },
        ] {
            assert!(question(odd.clone()).is_err(), "{odd:?}");
        }
        let request = v1::ExplainRequest { http_method: "POST".into(), ..asked(Some(Asks::Url("/a".into()))) };
        let read = question(request).unwrap().host_call.unwrap().asks;
        assert_eq!(read, HostAsk::Http { method: "POST".into(), url: "/a".into() });
    }
}
