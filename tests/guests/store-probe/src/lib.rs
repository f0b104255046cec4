//! Makes the calls to stores its input describes and returns what came of each.
//!
//! A failed call is part of the output, as `{"error": {"kind": ...}}`: the probe itself does not fail.

mod blob;
mod kv;

use airlock_guest::{Error, HostError, join_all};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(tag = "to", rename_all = "snake_case")]
enum Call {
    /// To the key-value store `cache`.
    Kv(kv::Call),
    /// To the object store `files`.
    Blob(blob::Call),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    /// All at the same time.
    Many {
        calls: Vec<Call>,
    },
    One(Call),
}

#[derive(Serialize)]
#[serde(untagged)]
enum Output {
    Many { answers: Vec<Value> },
    One(Value),
}

#[airlock_guest::function]
async fn handle(input: Input) -> Result<Output, Error> {
    match input {
        Input::One(call) => Ok(Output::One(answer(call).await)),
        Input::Many { calls } => Ok(Output::Many { answers: join_all(calls.into_iter().map(answer)).await }),
    }
}

async fn answer(call: Call) -> Value {
    let ended = match call {
        Call::Kv(call) => kv::perform(call).await,
        Call::Blob(call) => blob::perform(call).await,
    };
    ended.unwrap_or_else(|error: HostError| json!({ "error": error }))
}
