//! `airlock invoke`.

use std::{io::Write, process::ExitCode, time::Duration};

use airlock_proto::v1::{
    InvokeRequest, InvokeResponse, InvokeStreamRequest, invoke_response, invoke_stream_response::Event,
};
use anyhow::Context;
use serde_json::{Value, json};
use tokio_stream::StreamExt;

use crate::{
    args::InvokeOptions,
    client::{Client, Rejected, text_argument, token_argument},
    output::{EXIT_FUNCTION_ERROR, Style},
};

/// Calls a function and prints what it returned.
pub async fn run(options: &InvokeOptions, style: Style) -> anyhow::Result<ExitCode> {
    let client = Client::connect(&options.server, &token_argument(&options.access.token)?).await?;
    let payload = text_argument(&options.input)?;
    let environment = &options.access.environment;
    let timeout = options.timeout_ms.map(Duration::from_millis);
    let response = if options.logs {
        follow(&client, &options.function, environment, payload, timeout).await?
    } else {
        call(&client, &options.function, environment, payload, timeout).await?
    };
    let told = Told::from(response);
    style.print(&told.document, |out| writeln!(out, "{}", told.text))?;
    Ok(if told.is_error { ExitCode::from(EXIT_FUNCTION_ERROR) } else { ExitCode::SUCCESS })
}

/// One unary call.
pub async fn call(
    client: &Client,
    function: &str,
    environment: &str,
    payload: String,
    timeout: Option<Duration>,
) -> Result<InvokeResponse, Rejected> {
    let mut request = client.request(InvokeRequest {
        function: function.to_owned(),
        environment: environment.to_owned(),
        payload: payload.into_bytes(),
        request_id: String::new(),
    });
    if let Some(timeout) = timeout {
        request.set_timeout(timeout);
    }
    Ok(client.invocations().invoke(request).await?.into_inner())
}

/// One call with its log lines on standard error while it runs.
async fn follow(
    client: &Client,
    function: &str,
    environment: &str,
    payload: String,
    timeout: Option<Duration>,
) -> anyhow::Result<InvokeResponse> {
    let mut request = client.request(InvokeStreamRequest {
        function: function.to_owned(),
        environment: environment.to_owned(),
        payload: payload.into_bytes(),
        request_id: String::new(),
    });
    if let Some(timeout) = timeout {
        request.set_timeout(timeout);
    }
    let rejected = |status: tonic::Status| Rejected::from(status);
    let mut events = client.invocations().invoke_stream(request).await.map_err(rejected)?.into_inner();
    while let Some(event) = events.next().await {
        match event.map_err(rejected)?.event {
            Some(Event::Log(line)) => writeln!(anstream::stderr(), "{}", line.message)?,
            Some(Event::Done(response)) => return Ok(response),
            None => {}
        }
    }
    Err(anyhow::anyhow!("the server ended the stream without an outcome")).context("try again, or call without --logs")
}

/// A response, for people and as a document.
pub struct Told {
    /// The whole response.
    pub document: Value,
    /// Output or error.
    pub text: String,
    /// Whether the function returned its own error.
    pub is_error: bool,
}

impl From<InvokeResponse> for Told {
    fn from(response: InvokeResponse) -> Self {
        let usage = response.usage.unwrap_or_default();
        let usage = json!({
            "fuel": usage.fuel, "memory_bytes": usage.memory_bytes, "wall_us": usage.wall_us,
            "host_calls": usage.host_calls, "host_bytes": usage.host_bytes, "log_bytes": usage.log_bytes,
            "egress_requests": usage.egress_requests, "egress_bytes": usage.egress_bytes, "result_rows": usage.result_rows,
        });
        let (name, value, is_error) = match response.result {
            Some(invoke_response::Result::Output(output)) => ("result", parsed(&output), false),
            Some(invoke_response::Result::FunctionError(error)) => {
                let details = parsed(&error.details);
                ("function_error", json!({ "code": error.code, "message": error.message, "details": details }), true)
            }
            None => ("result", Value::Null, false),
        };
        let text = value.to_string();
        let document = json!({
            name: value, "usage": usage, "invocation": response.invocation_id, "revision": response.revision,
        });
        Self { document, text, is_error }
    }
}

fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
}
