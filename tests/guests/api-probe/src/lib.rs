//! Asks APIs what its input says and returns what came of it.
//!
//! A failed call is part of the output, as `{"error": {"kind": ...}}`: the probe itself does not fail.

mod graphql;

use airlock_guest::{Error, HostError};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(tag = "to", rename_all = "snake_case")]
enum Call {
    /// To the GraphQL API `shop`.
    Graphql(graphql::Call),
}

#[airlock_guest::function]
async fn handle(call: Call) -> Result<Value, Error> {
    let ended = match call {
        Call::Graphql(call) => graphql::perform(call).await,
    };
    Ok(ended.unwrap_or_else(|error: HostError| json!({ "error": error })))
}
