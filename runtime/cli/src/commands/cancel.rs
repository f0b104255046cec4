//! `airlock cancel`.

use std::process::ExitCode;

use airlock_proto::v1::{CancelRequest, cancel_request::Call};
use serde_json::json;

use crate::{
    args::CancelOptions,
    client::{Client, Rejected, token_argument},
    output::Style,
};

/// Stops running calls and prints their ids.
pub async fn run(options: CancelOptions, style: Style) -> anyhow::Result<ExitCode> {
    let client = Client::connect(&options.server, &token_argument(&options.token)?, &options.tls).await?;
    let call = if options.request { Call::RequestId(options.id) } else { Call::InvocationId(options.id) };
    let answer = client.invocations().cancel(client.request(CancelRequest { call: Some(call) })).await;
    let cancelled = answer.map_err(Rejected::from)?.into_inner().invocation_ids;
    style.print(&json!({ "cancelled": cancelled }), |out| cancelled.iter().try_for_each(|id| writeln!(out, "{id}")))?;
    Ok(ExitCode::SUCCESS)
}
