//! Language models of other people, over the guarded client of HTTP resources.
//!
//! One shape of request for every provider: what the guest asks is put into the provider's words here, and so is what comes
//! back. Tool calls go to the guest, which decides what becomes of them; the host runs none. What the provider says in its
//! own words when something goes wrong stays here.

mod anthropic;
mod config;
mod draft;
mod explain;
mod openai;
mod sse;
mod stream;

use std::sync::Arc;

use airlock_model::{Completion, HostError, HostReply, HttpMethod, Prompt, RequestPath, ResourceName, TokenUsage};
use serde_json::Value;
use tokio::time::Instant;

pub use config::{LlmConfig, LlmKeys, Price, RecordPolicy};
pub(crate) use config::{LlmSettings, check};
pub use stream::CompletionStream;

use crate::{
    HttpRequest, LlmRequest, Traffic,
    address::AddressPolicy,
    http::{HttpClient, Meter},
};
use draft::{Draft, Fault};

/// Whose protocol it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provider {
    Openai,
    Anthropic,
}

impl Provider {
    const fn path(self) -> &'static str {
        match self {
            Self::Openai => "/v1/chat/completions",
            Self::Anthropic => "/v1/messages",
        }
    }

    fn request(self, prompt: &Prompt, max_tokens: u64, streams: bool) -> Value {
        match self {
            Self::Openai => openai::request(prompt, max_tokens, streams),
            Self::Anthropic => anthropic::request(prompt, max_tokens, streams),
        }
    }

    fn read(self, body: &[u8]) -> Result<Draft, Fault> {
        match self {
            Self::Openai => openai::read(body),
            Self::Anthropic => anthropic::read(body),
        }
    }

    /// Takes one event of a stream in, and gives the text that it adds.
    fn event(self, draft: &mut Draft, data: &[u8]) -> Result<String, Fault> {
        match self {
            Self::Openai => openai::event(draft, data),
            Self::Anthropic => anthropic::event(draft, data),
        }
    }
}

/// What a request took of the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Took {
    /// It never left, or was turned away.
    Nothing,
    /// As the provider counts.
    Known(TokenUsage),
    /// It was sent, and nobody said.
    Unknown,
}

/// What came of a request for a whole completion.
#[derive(Debug)]
pub struct Completed {
    /// For the guest.
    pub reply: Result<Completion, HostError>,
    /// For its budgets.
    pub took: Took,
    /// Bytes that left and entered the host.
    pub egress_bytes: u64,
    /// Where they went.
    pub traffic: Option<Traffic>,
}

/// What came of asking for a completion that comes as it is made.
#[derive(Debug)]
pub struct Begun {
    /// Its pieces, or why there are none.
    pub stream: Result<CompletionStream, HostError>,
    /// For the budgets of the app, where there are none.
    pub took: Took,
    /// Where it went.
    pub traffic: Traffic,
}

/// The client of one binding.
#[derive(Debug)]
pub(crate) struct Llm {
    resource: ResourceName,
    http: HttpClient,
    provider: Provider,
    path: RequestPath,
}

impl Llm {
    pub(crate) fn new(resource: ResourceName, settings: LlmSettings, policy: AddressPolicy) -> Self {
        let LlmSettings { provider, http, path } = settings;
        Self { http: HttpClient::new(resource.clone(), http, policy), resource, provider, path }
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

    /// Asks for a whole completion, within deadline, caps and budget.
    pub(crate) async fn complete(&self, request: LlmRequest) -> Completed {
        let performed = self.http.perform(self.asked(request, false)).await;
        let egress_bytes = performed.egress_bytes;
        let (reply, took) = match performed.reply {
            Ok(HostReply::Http(response)) if !(200..300).contains(&response.status) => {
                (Err(explain::status(&self.resource, response.status, &response.headers)), Took::Nothing)
            }
            Ok(HostReply::Http(response)) => self.read(&response.body),
            Ok(_) => (Err(explain::fault(&self.resource, &Fault::Malformed)), Took::Unknown),
            Err(error) if egress_bytes == 0 => (Err(error), Took::Nothing),
            Err(error) => (Err(error), Took::Unknown),
        };
        Completed { reply, took, egress_bytes, traffic: performed.traffic }
    }

    fn read(&self, body: &[u8]) -> (Result<Completion, HostError>, Took) {
        let draft = self.provider.read(body);
        let took = draft.as_ref().ok().and_then(Draft::usage).map_or(Took::Unknown, Took::Known);
        let read = draft.and_then(Draft::finish);
        (read.map_err(|fault| explain::fault(&self.resource, &fault)), took)
    }

    /// Asks for a completion that comes as it is made.
    pub(crate) async fn stream(&self, request: LlmRequest) -> Begun {
        let meter = Arc::new(Meter::new(request.egress.clone()));
        let opened = self.http.open(self.asked(request, true), &meter).await;
        let (stream, took) = match opened {
            Ok(answer) if !(200..300).contains(&answer.status) => {
                (Err(explain::status(&self.resource, answer.status, &answer.headers)), Took::Nothing)
            }
            Ok(answer) => {
                let meter = Arc::clone(&meter);
                (Ok(CompletionStream::new(self.resource.clone(), self.provider, answer, meter)), Took::Unknown)
            }
            Err(error) if meter.spent() == 0 => (Err(error), Took::Nothing),
            // It has left: the provider may count it whatever became of its answer.
            Err(error) => (Err(error), Took::Unknown),
        };
        Begun { stream, took, traffic: meter.traffic() }
    }

    fn asked(&self, request: LlmRequest, streams: bool) -> HttpRequest {
        let body = self.provider.request(&request.prompt, request.max_tokens, streams).to_string();
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let accepted = if streams { "text/event-stream" } else { "application/json" };
        let mut headers = vec![header("content-type", "application/json"), header("accept", accepted)];
        if self.provider == Provider::Anthropic {
            headers.push(header("anthropic-version", anthropic::VERSION));
        }
        HttpRequest {
            resource: request.resource,
            tenant: request.tenant,
            method: HttpMethod::Post,
            path: self.path.clone(),
            query: Vec::new(),
            headers,
            body: Some(body.into_bytes()),
            deadline: request.deadline,
            egress: request.egress,
            now_unix_ms: request.now_unix_ms,
            origin: None,
            hops: None,
            trace: request.trace,
        }
    }
}

/// A JSON object of the fields that are there.
fn object<const FIELDS: usize>(fields: [(&str, Option<Value>); FIELDS]) -> Value {
    let present = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(present.collect())
}

#[cfg(test)]
mod tests;
