//! `airlock invoke`.

use std::{io::Write, process::ExitCode, time::Duration};

use airlock_model::Usage;
use airlock_proto::v1::{
    InvokeRequest, InvokeResponse, InvokeStreamRequest, invoke_response, invoke_stream_response::Event,
};
use anyhow::Context;
use serde::Serialize;
use tokio_stream::StreamExt;

use super::said::Said;
use crate::{
    args::InvokeOptions,
    client::{Client, Rejected, text_argument},
    output::{self, EXIT_FUNCTION_ERROR, Style},
};

/// Calls a function and prints what it returned.
pub async fn run(options: &InvokeOptions, style: Style) -> anyhow::Result<ExitCode> {
    let client = Client::with_access(&options.server, &options.access).await?;
    let asked = InvokeRequest {
        function: options.function.clone(),
        environment: client.environment(),
        payload: text_argument(&options.input)?.into_bytes(),
        request_id: options.request_id.clone().unwrap_or_default(),
        alias: options.alias.clone().unwrap_or_default(),
    };
    let timeout = options.timeout_ms.map(Duration::from_millis);
    let response =
        if options.logs { follow(&client, asked, timeout).await? } else { call(&client, asked, timeout).await? };
    let told = Told::from(response);
    let text = told.said.text()?;
    style.print(&told, |out| writeln!(out, "{text}"))?;
    Ok(match told.said {
        Said::Result(_) => ExitCode::SUCCESS,
        Said::FunctionError(_) => ExitCode::from(EXIT_FUNCTION_ERROR),
    })
}

/// One unary call.
pub async fn call(
    client: &Client,
    asked: InvokeRequest,
    timeout: Option<Duration>,
) -> Result<InvokeResponse, Rejected> {
    let mut request = client.request(asked);
    if let Some(timeout) = timeout {
        request.set_timeout(timeout);
    }
    Ok(client.invocations().invoke(request).await?.into_inner())
}

/// One call with its log lines on standard error while it runs.
async fn follow(client: &Client, asked: InvokeRequest, timeout: Option<Duration>) -> anyhow::Result<InvokeResponse> {
    let InvokeRequest { function, environment, payload, request_id, alias } = asked;
    let mut request = client.request(InvokeStreamRequest { function, environment, payload, request_id, alias });
    if let Some(timeout) = timeout {
        request.set_timeout(timeout);
    }
    let rejected = |status: tonic::Status| Rejected::from(status);
    let answer = client.invocations().invoke_stream(request).await.map_err(rejected)?;
    if let Some(id) = answer.metadata().get("airlock-invocation-id").and_then(|id| id.to_str().ok()) {
        // The name by which `airlock cancel` stops it.
        output::progress("Running", id);
    }
    let mut events = answer.into_inner();
    while let Some(event) = events.next().await {
        match event.map_err(rejected)?.event {
            Some(Event::Log(line)) => writeln!(anstream::stderr(), "{}", line.message)?,
            Some(Event::Done(response)) => return Ok(response),
            None => {}
        }
    }
    Err(anyhow::anyhow!("the server ended the stream without an outcome")).context("try again, or call without --logs")
}

/// A response as a document.
#[derive(Serialize)]
pub struct Told {
    /// Output or error.
    #[serde(flatten)]
    pub said: Said,
    /// What the call spent.
    pub usage: Usage,
    /// Identifies the call in the audit trail.
    pub invocation: String,
    /// Digest of the revision that ran.
    pub revision: String,
}

impl From<InvokeResponse> for Told {
    fn from(response: InvokeResponse) -> Self {
        let spent = response.usage.unwrap_or_default();
        let usage = Usage {
            fuel: spent.fuel,
            memory_bytes: spent.memory_bytes,
            wall_us: spent.wall_us,
            host_calls: spent.host_calls,
            host_bytes: spent.host_bytes,
            log_bytes: spent.log_bytes,
            egress_requests: spent.egress_requests,
            egress_bytes: spent.egress_bytes,
            result_rows: spent.result_rows,
        };
        let said = match response.result {
            Some(invoke_response::Result::Output(output)) => Said::result(&output),
            Some(invoke_response::Result::FunctionError(error)) => {
                Said::function_error(error.code, error.message, &error.details)
            }
            None => Said::result(b"null"),
        };
        Self { said, usage, invocation: response.invocation_id, revision: response.revision }
    }
}
