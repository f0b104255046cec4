//! What the clients of language models take and give. The same for every provider.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::HostError;

/// A request for a completion.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Request {
    /// One of the models that the operator lists.
    pub model: String,
    /// What holds for the whole conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// In order.
    pub messages: Vec<Message>,
    /// What the model may ask the function to do. The host never does it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    /// `auto`, `none` or `required`; `auto` when missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<String>,
    /// Most tokens of the completion; as many as the operator allows when missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// From 0 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Texts before which the completion ends.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
}

impl Request {
    /// One question to a model.
    #[must_use]
    pub fn new(model: impl Into<String>, question: impl Into<String>) -> Self {
        let messages = vec![Message::User { content: question.into() }];
        Self { model: model.into(), messages, ..Self::default() }
    }
}

/// One message.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Message {
    /// From whoever asks.
    User {
        /// Text.
        content: String,
    },
    /// From the model, earlier.
    Assistant {
        /// Text.
        content: String,
        /// What it asked the function to do.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<ToolCall>,
    },
    /// What came of a tool.
    Tool {
        /// Which call.
        tool_call_id: String,
        /// Text.
        content: String,
    },
}

/// A tool that the function offers the model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tool {
    /// 1 to 64 characters of letters, digits, `_` and `-`.
    pub name: String,
    /// For the model.
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: Value,
}

/// What the model asks the function to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// For the answer.
    pub id: String,
    /// Of the tool.
    pub name: String,
    /// By the tool's schema, or so the model was told: a text where the model wrote no JSON.
    pub arguments: Value,
}

/// What a completion took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Of the request.
    pub input_tokens: u64,
    /// Of the completion.
    pub output_tokens: u64,
}

/// A whole completion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    /// Text; may be empty beside tool calls.
    pub text: String,
    /// What the model asks the function to do.
    pub tool_calls: Vec<ToolCall>,
    /// `stop`, `length` or `tool_calls`.
    pub finish: String,
    /// The model that answered.
    pub model: String,
    /// What it took.
    pub usage: Usage,
}

/// A piece of a completion that comes as it is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Piece {
    /// More text.
    Text(String),
    /// The last: all of it once more.
    Done(Completion),
}

/// A request as the contract carries it.
///
/// # Errors
/// [`HostError::BadRequest`] when it has no JSON form.
#[doc(hidden)]
pub fn encode(request: &Request) -> Result<String, HostError> {
    serde_json::to_string(request).map_err(|error| HostError::bad_request(error.to_string()))
}

/// What the host said, read.
///
/// # Errors
/// [`HostError::BadRequest`] when it is of another version of the contract.
#[doc(hidden)]
pub fn decode<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, HostError> {
    serde_json::from_str(text).map_err(|error| HostError::bad_request(error.to_string()))
}
