//! The protocol of OpenAI's chat completions, which many servers speak.

use airlock_model::{Finish, Message, Prompt, Tool, ToolChoice};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    draft::{Draft, Ended, Fault},
    object,
};

/// The body of a request.
pub(super) fn request(prompt: &Prompt, max_tokens: u64, streams: bool) -> Value {
    let system = prompt.system.iter().map(|text| json!({ "role": "system", "content": text }));
    let messages: Vec<_> = system.chain(prompt.messages.iter().map(message)).collect();
    let has_tools = !prompt.tools.is_empty();
    object([
        ("model", Some(json!(prompt.model))),
        ("messages", Some(json!(messages))),
        ("max_tokens", Some(json!(max_tokens))),
        ("tools", has_tools.then(|| prompt.tools.iter().map(tool).collect())),
        ("tool_choice", has_tools.then(|| json!(choice(prompt.tool_choice)))),
        ("temperature", prompt.temperature.map(|temperature| json!(temperature))),
        ("stop", (!prompt.stop.is_empty()).then(|| json!(prompt.stop))),
        ("stream", streams.then(|| json!(true))),
        ("stream_options", streams.then(|| json!({ "include_usage": true }))),
    ])
}

fn tool(tool: &Tool) -> Value {
    let function = json!({ "name": tool.name, "description": tool.description, "parameters": tool.parameters });
    json!({ "type": "function", "function": function })
}

const fn choice(choice: ToolChoice) -> &'static str {
    match choice {
        ToolChoice::Auto => "auto",
        ToolChoice::None => "none",
        ToolChoice::Required => "required",
    }
}

fn message(message: &Message) -> Value {
    match message {
        Message::User { content } => json!({ "role": "user", "content": content }),
        Message::Assistant { content, tool_calls } if tool_calls.is_empty() => {
            json!({ "role": "assistant", "content": content })
        }
        Message::Assistant { content, tool_calls } => {
            let call = |call: &airlock_model::ToolCall| {
                let function = json!({ "name": call.name, "arguments": call.arguments.to_string() });
                json!({ "id": call.id, "type": "function", "function": function })
            };
            let content = Some(content).filter(|content| !content.is_empty());
            json!({ "role": "assistant", "content": content, "tool_calls": tool_calls.iter().map(call).collect::<Vec<_>>() })
        }
        Message::Tool { tool_call_id, content } => {
            json!({ "role": "tool", "tool_call_id": tool_call_id, "content": content })
        }
    }
}

/// A whole answer, or one event of a stream: they differ in one name.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    model: String,
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Usage>,
    error: Option<ProviderError>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(alias = "delta")]
    message: Said,
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Said {
    content: Option<String>,
    refusal: Option<String>,
    tool_calls: Option<Vec<Call>>,
}

#[derive(Deserialize)]
struct Call {
    index: Option<u64>,
    id: Option<String>,
    function: Function,
}

#[derive(Deserialize)]
struct Function {
    name: Option<String>,
    #[serde(default)]
    arguments: String,
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

#[derive(Deserialize)]
struct ProviderError {
    code: Option<Value>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// Takes a whole answer in.
pub(super) fn read(body: &[u8]) -> Result<Draft, Fault> {
    let mut draft = Draft::default();
    take(&mut draft, body)?;
    if draft.ended.is_none() {
        return Err(Fault::Malformed);
    }
    draft.is_complete = true;
    Ok(draft)
}

/// Takes one event in, and gives the text that it adds.
pub(super) fn event(draft: &mut Draft, data: &[u8]) -> Result<String, Fault> {
    if data == b"[DONE]" {
        draft.is_complete = true;
        return Ok(String::new());
    }
    let before = draft.text.len();
    take(draft, data)?;
    Ok(draft.text.get(before..).unwrap_or_default().to_owned())
}

fn take(draft: &mut Draft, data: &[u8]) -> Result<(), Fault> {
    let answer: Answer = serde_json::from_slice(data).map_err(|_| Fault::Malformed)?;
    if let Some(error) = answer.error {
        let code = error.code.and_then(|code| code.as_str().map(str::to_owned));
        return Err(Fault::Provider(code.or(error.kind).unwrap_or_default()));
    }
    if draft.model.is_empty() {
        draft.model = answer.model;
    }
    if let Some(usage) = answer.usage {
        (draft.input_tokens, draft.output_tokens) = (Some(usage.prompt_tokens), Some(usage.completion_tokens));
    }
    // One completion is asked for.
    let Some(choice) = answer.choices.into_iter().next() else { return Ok(()) };
    draft.text.push_str(choice.message.content.as_deref().unwrap_or_default());
    for (position, call) in choice.message.tool_calls.unwrap_or_default().into_iter().enumerate() {
        let index = call.index.unwrap_or(position as u64);
        draft.add_call(index, call.id.as_deref(), call.function.name.as_deref(), &call.function.arguments)?;
    }
    let refuses = choice.message.refusal.is_some_and(|text| !text.is_empty());
    if refuses {
        draft.ended = Some(Ended::Refused);
    } else if let (Some(reason), None | Some(Ended::As(_))) = (choice.finish_reason, draft.ended) {
        draft.ended = Some(ended(&reason));
    }
    Ok(())
}

fn ended(reason: &str) -> Ended {
    match reason {
        "length" => Ended::As(Finish::Length),
        "tool_calls" | "function_call" => Ended::As(Finish::ToolCalls),
        "content_filter" => Ended::Refused,
        _ => Ended::As(Finish::Stop),
    }
}
