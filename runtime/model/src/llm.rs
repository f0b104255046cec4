//! What a guest asks of a language model, as written and as parsed, and what it is told.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ResourceName, StreamId};

/// Messages of one request.
const MESSAGES_MAX: usize = 1_000;
/// Tools of one request.
const TOOLS_MAX: usize = 128;
/// Texts that end a completion.
const STOPS_MAX: usize = 4;
/// Bytes that make a token in the estimate, which is made before the provider counts. Most text has 3 to 4.
const BYTES_PER_TOKEN: u64 = 2;
/// What a message costs besides its text, in the estimate.
const TOKENS_PER_MESSAGE: u64 = 8;

/// One request to a language model, as the guest wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LlmCall {
    /// The model's resource.
    pub resource: ResourceName,
    /// Which function the guest called.
    pub verb: LlmVerb,
    /// JSON object as text: see [`Prompt`].
    pub request: String,
}

/// Which of the two functions the guest called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LlmVerb {
    /// `complete`: wants all of it at once.
    Complete,
    /// `complete-stream`: wants it as it comes.
    Stream,
}

/// Asks for the next piece of a completion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceCall {
    /// The model's resource.
    pub resource: ResourceName,
    /// The completion.
    pub stream: StreamId,
}

/// What a completion is made of. The same for every provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prompt {
    /// One of the models that the binding lists.
    pub model: String,
    /// What holds for the whole conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// In order.
    pub messages: Vec<Message>,
    /// What the model may ask the function to do. The host never does it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    /// Whether it may, must or must not.
    #[serde(default)]
    pub tool_choice: ToolChoice,
    /// Most tokens of the completion; as many as the binding allows when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// From 0 to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Texts before which the completion ends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case", deny_unknown_fields)]
pub enum Message {
    /// From whoever asks.
    User {
        /// Text.
        content: String,
    },
    /// From the model, earlier.
    Assistant {
        /// Text.
        #[serde(default)]
        content: String,
        /// What it asked the function to do.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// 1 to 64 characters of letters, digits, `_` and `-`.
    pub name: String,
    /// For the model.
    #[serde(default)]
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: Value,
}

/// What the model asks the function to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// For the answer.
    pub id: String,
    /// Of the tool.
    pub name: String,
    /// By the tool's schema, or so the model was told.
    pub arguments: Value,
}

/// Whether the model uses tools.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    /// As it sees fit.
    #[default]
    Auto,
    /// Not now.
    None,
    /// At least one.
    Required,
}

/// Why a request makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    /// Not the JSON that it has to be.
    #[error("the request is not valid: {0}")]
    Json(String),
    /// A part that is against its rule.
    #[error("the request is not valid: {0}")]
    Rule(&'static str),
}

impl Prompt {
    /// Reads what a guest wrote.
    ///
    /// # Errors
    /// The first part that breaks its rule.
    pub fn parse(text: &str) -> Result<Self, PromptError> {
        let short = |why: serde_json::Error| PromptError::Json(why.to_string().chars().take(200).collect());
        let prompt: Self = serde_json::from_str(text).map_err(short)?;
        prompt.check().map_err(PromptError::Rule)?;
        Ok(prompt)
    }

    fn check(&self) -> Result<(), &'static str> {
        let name = |text: &str| {
            let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
            (1..=64).contains(&text.len()) && text.bytes().all(legal)
        };
        if !(1..=MESSAGES_MAX).contains(&self.messages.len()) {
            return Err("`messages` has 1 to 1,000 messages");
        }
        if self.tools.len() > TOOLS_MAX
            || !self.tools.iter().all(|tool| name(&tool.name) && tool.parameters.is_object())
        {
            return Err(
                "`tools` has at most 128, each with a name of letters, digits, `_` and `-` and an object as `parameters`",
            );
        }
        if self.stop.len() > STOPS_MAX || self.stop.iter().any(String::is_empty) {
            return Err("`stop` has at most 4 texts, none of them empty");
        }
        if self.max_tokens == Some(0) {
            return Err("`max_tokens` is at least 1");
        }
        if self.temperature.is_some_and(|temperature| !(0.0..=2.0).contains(&temperature)) {
            return Err("`temperature` is from 0 to 2");
        }
        Ok(())
    }

    /// Tokens that the request has at most, as far as its bytes tell.
    #[must_use]
    pub fn tokens_estimate(&self) -> u64 {
        let bytes = serde_json::to_vec(self).map_or(0, |text| text.len()) as u64;
        bytes.div_ceil(BYTES_PER_TOKEN).saturating_add(TOKENS_PER_MESSAGE.saturating_mul(self.messages.len() as u64))
    }
}

/// What a provider says that a completion took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenUsage {
    /// Of the request.
    pub input_tokens: u64,
    /// Of the completion.
    pub output_tokens: u64,
}

impl TokenUsage {
    /// Both together.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }
}

/// Why a completion ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model had no more to say, or came upon a `stop`.
    Stop,
    /// `max_tokens`.
    Length,
    /// It waits for tools.
    ToolCalls,
}

/// A whole completion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    /// Text; may be empty beside tool calls.
    pub text: String,
    /// What the model asks the function to do.
    pub tool_calls: Vec<ToolCall>,
    /// Why it ended.
    pub finish: Finish,
    /// The model that answered, as the provider names it.
    pub model: String,
    /// What it took.
    pub usage: TokenUsage,
}

/// A piece of a completion that comes as it is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Piece {
    /// More text.
    Text(String),
    /// The last: all of it once more, with what only the end knows.
    Done(Completion),
}

impl Completion {
    /// Bytes that the host hands to the guest.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let call = |call: &ToolCall| call.id.len() + call.name.len() + call.arguments.to_string().len();
        self.text.len() + self.model.len() + self.tool_calls.iter().map(call).sum::<usize>()
    }
}

impl Piece {
    /// Bytes that the host hands to the guest.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Done(completion) => completion.size_bytes(),
        }
    }
}

/// What a call to a model holds of its budgets, and took in the end. In the trail: budgets are counted from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spending {
    /// Taken before the request left.
    pub reserved: Spent,
    /// What it came to; missing where nobody knows, and then what was reserved stays taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Spent>,
}

/// Tokens, and money in millionths of the operator's currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Of request and completion.
    pub tokens: u64,
    /// By the prices of the binding.
    pub cost_micros: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_what_it_says_or_refused() {
        let good = r#"{"model":"m","system":"s","messages":[{"role":"user","content":"hi"},
            {"role":"assistant","tool_calls":[{"id":"1","name":"t","arguments":{"a":1}}]},
            {"role":"tool","tool_call_id":"1","content":"2"}],
            "tools":[{"name":"t","parameters":{"type":"object"}}],"tool_choice":"required","max_tokens":5,"temperature":0.5,"stop":["x"]}"#;
        let prompt = Prompt::parse(good).expect("a request");
        assert_eq!((prompt.messages.len(), prompt.tool_choice, prompt.max_tokens), (3, ToolChoice::Required, Some(5)));
        assert!(prompt.tokens_estimate() > 100);
        for text in [
            "",
            "[]",
            r#"{"model":"m","messages":[]}"#,
            r#"{"model":"m","messages":[{"role":"system","content":"x"}]}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"x","name":"y"}]}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"stream":true}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":0}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":-1}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":3}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"stop":[""]}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[{"name":"a b","parameters":{}}]}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[{"name":"a","parameters":1}]}"#,
        ] {
            assert!(Prompt::parse(text).is_err(), "{text}");
        }
    }
}
