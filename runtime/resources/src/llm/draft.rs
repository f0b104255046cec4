//! A completion while it is put together: from one answer, or from many events.

use std::collections::BTreeMap;

use airlock_model::{Completion, Finish, TokenUsage, ToolCall};
use serde_json::Value;

/// Tool calls of one completion.
const CALLS_MAX: usize = 128;
const NAME_CHARS_MAX: usize = 200;

/// Why there is no completion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// Not what the protocol says.
    Malformed,
    /// It broke off before its end.
    Truncated,
    /// The provider or the model declines.
    Refused,
    /// The provider says that something went wrong, by its own name for it.
    Provider(String),
}

/// Why the provider says it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    As(Finish),
    Refused,
}

/// What has come so far.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) text: String,
    pub(super) model: String,
    pub(super) input_tokens: Option<u64>,
    pub(super) output_tokens: Option<u64>,
    pub(super) ended: Option<Ended>,
    /// The provider has said its last word.
    pub(super) is_complete: bool,
    calls: BTreeMap<u64, DraftCall>,
}

#[derive(Debug, Default)]
struct DraftCall {
    id: String,
    name: String,
    /// JSON as text, which comes in parts.
    arguments: String,
}

impl Draft {
    /// Adds to a tool call, which begins with its first part.
    pub(super) fn add_call(
        &mut self,
        index: u64,
        id: Option<&str>,
        name: Option<&str>,
        arguments: &str,
    ) -> Result<(), Fault> {
        if self.calls.len() >= CALLS_MAX && !self.calls.contains_key(&index) {
            return Err(Fault::Malformed);
        }
        let call = self.calls.entry(index).or_default();
        let cut = |text: &str| text.chars().take(NAME_CHARS_MAX).collect::<String>();
        if let Some(id) = id.filter(|id| !id.is_empty()) {
            call.id = cut(id);
        }
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            call.name = cut(name);
        }
        call.arguments.push_str(arguments);
        Ok(())
    }

    /// What it took, if the provider has said.
    pub(super) fn usage(&self) -> Option<TokenUsage> {
        let (input_tokens, output_tokens) = (self.input_tokens?, self.output_tokens?);
        Some(TokenUsage { input_tokens, output_tokens })
    }

    /// The whole completion.
    pub(super) fn finish(self) -> Result<Completion, Fault> {
        let usage = self.usage().unwrap_or_default();
        let finish = match (self.is_complete, self.ended) {
            (true, Some(Ended::As(finish))) => finish,
            (true, Some(Ended::Refused)) => return Err(Fault::Refused),
            (true, None) | (false, _) => return Err(Fault::Truncated),
        };
        let tool_calls = self.calls.into_values().map(DraftCall::finish).collect::<Result<_, _>>()?;
        let model = self.model.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect();
        Ok(Completion { text: self.text, tool_calls, finish, model, usage })
    }
}

impl DraftCall {
    /// Models write arguments themselves, and sometimes no JSON: the function is given what there is, as text.
    fn finish(self) -> Result<ToolCall, Fault> {
        if self.name.is_empty() {
            return Err(Fault::Malformed);
        }
        let text = if self.arguments.trim().is_empty() { "{}" } else { &self.arguments };
        let arguments = serde_json::from_str(text).unwrap_or(Value::String(self.arguments));
        Ok(ToolCall { id: self.id, name: self.name, arguments })
    }
}
