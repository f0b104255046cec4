//! Asks language models what its input says and returns what came of it.
//!
//! A failed call is part of the output, as `{"error": {"kind": ...}}`: the probe itself does not fail.

use airlock_guest::{
    Error, HostError,
    llm::{Message, Piece, Request, Tool},
};
use serde::Deserialize;
use serde_json::{Value, json};

/// A request to the language models of `model`.
#[derive(Deserialize)]
struct Call {
    op: Op,
    #[serde(default = "small")]
    model: String,
    text: String,
    max_tokens: Option<u64>,
    /// Pieces to take before the completion is let go of; all of them unless set.
    pieces: Option<usize>,
}

fn small() -> String {
    "small".to_owned()
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Op {
    Complete,
    Stream,
}

#[airlock_guest::function]
async fn handle(call: Call) -> Result<Value, Error> {
    Ok(perform(call).await.unwrap_or_else(|error| json!({ "error": error })))
}

async fn perform(call: Call) -> Result<Value, HostError> {
    let weather = Tool {
        name: "weather".to_owned(),
        description: "The weather of a city.".to_owned(),
        parameters: json!({ "type": "object", "properties": { "city": { "type": "string" } } }),
    };
    let request = Request {
        model: call.model,
        system: Some("Be brief.".to_owned()),
        messages: vec![Message::User { content: call.text }],
        tools: vec![weather],
        max_tokens: call.max_tokens,
        ..Request::default()
    };
    match call.op {
        Op::Complete => Ok(json!(resources::model::complete(&request).await?)),
        Op::Stream => stream(&request, call.pieces.unwrap_or(usize::MAX)).await,
    }
}

/// Its pieces, and the error that it ends with.
async fn stream(request: &Request, most: usize) -> Result<Value, HostError> {
    let mut pieces = resources::model::complete_stream(request).await?;
    let (mut texts, mut done, mut error) = (Vec::new(), Value::Null, Value::Null);
    while texts.len() < most {
        match pieces.next().await {
            Ok(Some(Piece::Text(text))) => texts.push(text),
            Ok(Some(Piece::Done(completion))) => done = json!(completion),
            Ok(None) => break,
            Err(failed) => {
                error = json!(failed);
                break;
            }
        }
    }
    Ok(json!({ "texts": texts, "done": done, "failed": error }))
}
