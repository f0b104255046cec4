//! The protocol of Anthropic's messages.

use airlock_model::{Finish, Message, Prompt, Tool, ToolChoice};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    draft::{Draft, Ended, Fault},
    object,
};

/// The version of the protocol that this is.
pub(super) const VERSION: &str = "2023-06-01";

/// The body of a request.
pub(super) fn request(prompt: &Prompt, max_tokens: u64, streams: bool) -> Value {
    let messages: Vec<_> = prompt.messages.iter().map(message).collect();
    let has_tools = !prompt.tools.is_empty();
    object([
        ("model", Some(json!(prompt.model))),
        ("messages", Some(json!(messages))),
        ("max_tokens", Some(json!(max_tokens))),
        ("system", prompt.system.as_ref().map(|text| json!(text))),
        ("tools", has_tools.then(|| prompt.tools.iter().map(tool).collect())),
        ("tool_choice", has_tools.then(|| json!({ "type": choice(prompt.tool_choice) }))),
        ("temperature", prompt.temperature.map(|temperature| json!(temperature))),
        ("stop_sequences", (!prompt.stop.is_empty()).then(|| json!(prompt.stop))),
        ("stream", streams.then(|| json!(true))),
    ])
}

fn tool(tool: &Tool) -> Value {
    json!({ "name": tool.name, "description": tool.description, "input_schema": tool.parameters })
}

const fn choice(choice: ToolChoice) -> &'static str {
    match choice {
        ToolChoice::Auto => "auto",
        ToolChoice::None => "none",
        ToolChoice::Required => "any",
    }
}

fn message(message: &Message) -> Value {
    match message {
        Message::User { content } => json!({ "role": "user", "content": content }),
        Message::Assistant { content, tool_calls } => {
            let text = Some(content).filter(|content| !content.is_empty());
            let blocks = text.into_iter().map(|text| json!({ "type": "text", "text": text }));
            let calls = tool_calls
                .iter()
                .map(|call| json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments }));
            json!({ "role": "assistant", "content": blocks.chain(calls).collect::<Vec<_>>() })
        }
        Message::Tool { tool_call_id, content } => {
            let result = json!({ "type": "tool_result", "tool_use_id": tool_call_id, "content": content });
            json!({ "role": "user", "content": [result] })
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    model: String,
    #[serde(default)]
    content: Vec<Block>,
    stop_reason: Option<String>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Block {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
    id: Option<String>,
    name: Option<String>,
    input: Option<Value>,
}

#[derive(Deserialize)]
struct Usage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    #[serde(default)]
    cache_creation_input_tokens: Option<u64>,
    #[serde(default)]
    cache_read_input_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    index: u64,
    message: Option<Answer>,
    content_block: Option<Block>,
    delta: Option<Delta>,
    usage: Option<Usage>,
    error: Option<ProviderError>,
}

#[derive(Deserialize)]
struct Delta {
    text: Option<String>,
    partial_json: Option<String>,
    stop_reason: Option<String>,
}

#[derive(Deserialize)]
struct ProviderError {
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// Takes a whole answer in.
pub(super) fn read(body: &[u8]) -> Result<Draft, Fault> {
    let answer: Answer = serde_json::from_slice(body).map_err(|_| Fault::Malformed)?;
    let mut draft = Draft::default();
    begin(&mut draft, answer)?;
    if draft.ended.is_none() {
        return Err(Fault::Malformed);
    }
    draft.is_complete = true;
    Ok(draft)
}

/// Takes one event in, and gives the text that it adds.
pub(super) fn event(draft: &mut Draft, data: &[u8]) -> Result<String, Fault> {
    let event: Event = serde_json::from_slice(data).map_err(|_| Fault::Malformed)?;
    let before = draft.text.len();
    match (event.kind.as_str(), event.message, event.content_block, event.delta) {
        ("message_start", Some(message), ..) => begin(draft, message)?,
        ("content_block_start", _, Some(opened), _) => block(draft, event.index, opened)?,
        ("content_block_delta", _, _, Some(delta)) => {
            draft.text.push_str(delta.text.as_deref().unwrap_or_default());
            if let Some(json) = delta.partial_json {
                draft.add_call(event.index, None, None, &json)?;
            }
        }
        ("message_delta", _, _, delta) => {
            count(draft, event.usage);
            draft.ended = delta.and_then(|delta| delta.stop_reason).map(|reason| ended(&reason)).or(draft.ended);
        }
        ("message_stop", ..) => draft.is_complete = true,
        ("error", ..) => return Err(Fault::Provider(event.error.and_then(|error| error.kind).unwrap_or_default())),
        // `ping`, the end of a block, and kinds that are yet to come.
        _ => {}
    }
    Ok(draft.text.get(before..).unwrap_or_default().to_owned())
}

fn begin(draft: &mut Draft, answer: Answer) -> Result<(), Fault> {
    draft.model = answer.model;
    count(draft, answer.usage);
    draft.ended = answer.stop_reason.as_deref().map(ended);
    (0..).zip(answer.content).try_for_each(|(index, content)| block(draft, index, content))
}

fn block(draft: &mut Draft, index: u64, block: Block) -> Result<(), Fault> {
    match block.kind.as_str() {
        "tool_use" => {
            let input = block.input.filter(|input| input.as_object().is_none_or(|object| !object.is_empty()));
            let arguments = input.map(|input| input.to_string()).unwrap_or_default();
            draft.add_call(index, block.id.as_deref(), block.name.as_deref(), &arguments)
        }
        _ => {
            draft.text.push_str(block.text.as_deref().unwrap_or_default());
            Ok(())
        }
    }
}

fn count(draft: &mut Draft, usage: Option<Usage>) {
    let Some(usage) = usage else { return };
    if let Some(input) = usage.input_tokens {
        let cached =
            usage.cache_creation_input_tokens.unwrap_or(0).saturating_add(usage.cache_read_input_tokens.unwrap_or(0));
        draft.input_tokens = Some(input.saturating_add(cached));
    }
    draft.output_tokens = usage.output_tokens.or(draft.output_tokens);
}

fn ended(reason: &str) -> Ended {
    match reason {
        "max_tokens" => Ended::As(Finish::Length),
        "tool_use" => Ended::As(Finish::ToolCalls),
        "refusal" => Ended::Refused,
        _ => Ended::As(Finish::Stop),
    }
}
