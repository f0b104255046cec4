//! GraphQL APIs, over the guarded client of HTTP resources.
//!
//! One POST for each document; host, path, credential and headers are the binding's. What comes back is a GraphQL answer or an
//! error in our own words: text that is no such answer never reaches a guest.

mod answer;
mod config;

use airlock_model::{HostError, HostReply, HttpMethod, OperationClass, RequestPath, ResourceName};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

pub use config::{GraphqlConfig, GraphqlKeys};
pub(crate) use config::{GraphqlSettings, check};

use crate::{GraphqlRequest, HttpRequest, Performed, address::AddressPolicy, http::HttpClient};

/// Answers in the media type of the GraphQL-over-HTTP specification, or in that of servers before it.
const ACCEPT: &str = "application/graphql-response+json, application/json;q=0.9";

/// The client of one binding.
#[derive(Debug)]
pub(crate) struct Graphql {
    resource: ResourceName,
    http: HttpClient,
    path: RequestPath,
}

/// The body of a request (GraphQL over HTTP, section 5.1).
#[derive(Serialize)]
struct Body<'a> {
    query: &'a str,
    variables: &'a RawValue,
}

impl Graphql {
    pub(crate) fn new(resource: ResourceName, settings: GraphqlSettings, policy: AddressPolicy) -> Self {
        let GraphqlSettings { http, path } = settings;
        Self { http: HttpClient::new(resource.clone(), http, policy), resource, path }
    }

    /// Sends one document and reads the answer, within deadline, caps and budget.
    pub(crate) async fn perform(&self, request: GraphqlRequest) -> Performed {
        let class = request.class;
        let asked = match self.asked(request) {
            Ok(asked) => asked,
            Err(error) => return Performed::without_egress(Err(error)),
        };
        let performed = self.http.perform(asked).await;
        let was_sent = performed.egress_bytes > 0;
        let (reply, is_settled) = match performed.reply {
            Ok(HostReply::Http(response)) => {
                let read = answer::read(&self.resource, &response);
                (read.reply.map(HostReply::Graphql), read.is_settled)
            }
            other => (other, false),
        };
        let may_have_changed = class == OperationClass::Mutation && was_sent && !is_settled;
        Performed { reply, is_outcome_unknown: may_have_changed, ..performed }
    }

    /// As [`HttpClient::reach`].
    ///
    /// # Errors
    /// Why there is no answer, in words that a guest may see.
    pub(crate) async fn reach(&self, deadline: Instant) -> Result<(), HostError> {
        self.http.reach(deadline).await
    }

    /// As [`HttpClient::judge_literal`], of the binding's own origin.
    ///
    /// # Errors
    /// `Denied`.
    pub(crate) fn judge_literal(&self) -> Result<bool, HostError> {
        self.http.judge_literal(None)
    }

    fn asked(&self, request: GraphqlRequest) -> Result<HttpRequest, HostError> {
        let malformed = |_| HostError::BadRequest("the variables are not JSON".to_owned());
        let variables = serde_json::from_str(&request.variables).map_err(malformed)?;
        let body = serde_json::to_vec(&Body { query: &request.document, variables }).map_err(malformed)?;
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Ok(HttpRequest {
            resource: request.resource,
            tenant: request.tenant,
            method: HttpMethod::Post,
            path: self.path.clone(),
            query: Vec::new(),
            headers: vec![header("content-type", "application/json"), header("accept", ACCEPT)],
            body: Some(body),
            deadline: request.deadline,
            egress: request.egress,
            now_unix_ms: request.now_unix_ms,
            origin: None,
            hops: None,
            trace: request.trace,
        })
    }
}
