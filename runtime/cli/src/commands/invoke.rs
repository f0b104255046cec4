//! `airlock invoke`.

use std::{io::Write, process::ExitCode, time::Duration};

use airlock_model::Usage;
use airlock_proto::v1::{
    InvokeRequest, InvokeResponse, InvokeStreamRequest, invoke_response, invoke_stream_response::Event,
};
use anyhow::Context;
use serde::Serialize;
use serde_json::{Value, value::RawValue};
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
    let text = told.text()?;
    style.print(&told, |out| writeln!(out, "{text}"))?;
    Ok(if told.function_error.is_some() { ExitCode::from(EXIT_FUNCTION_ERROR) } else { ExitCode::SUCCESS })
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

/// A response as a document. JSON of the function stays exactly as it came, however deep or odd it is.
#[derive(Serialize)]
pub struct Told {
    /// What the function returned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Box<RawValue>>,
    /// The error it returned instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_error: Option<ToldError>,
    /// What the call spent.
    pub usage: Usage,
    /// Identifies the call in the audit trail.
    pub invocation: String,
    /// Digest of the revision that ran.
    pub revision: String,
}

/// A function's own error as a document.
#[derive(Serialize)]
pub struct ToldError {
    code: String,
    message: String,
    details: Box<RawValue>,
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
        let (result, function_error) = match response.result {
            Some(invoke_response::Result::Output(output)) => (Some(json_of(&output)), None),
            Some(invoke_response::Result::FunctionError(error)) => {
                let details = json_of(&error.details);
                (None, Some(ToldError { code: error.code, message: error.message, details }))
            }
            None => (None, None),
        };
        Self { result, function_error, usage, invocation: response.invocation_id, revision: response.revision }
    }
}

impl Told {
    /// Output or error, as JSON on one line.
    pub fn text(&self) -> anyhow::Result<String> {
        match (&self.result, &self.function_error) {
            (Some(result), _) => Ok(result.get().to_owned()),
            (None, Some(error)) => Ok(serde_json::to_string(error)?),
            (None, None) => Ok("null".to_owned()),
        }
    }
}

/// The server only sends JSON; anything else is shown as text rather than lost.
fn json_of(bytes: &[u8]) -> Box<RawValue> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let as_text = |text: &str| RawValue::from_string(Value::from(text).to_string());
    RawValue::from_string(text.clone()).or_else(|_| as_text(&text)).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
