//! The protocols, by their published examples and by damage.

use airlock_model::{Finish, TokenUsage, ToolCall};
use serde_json::json;

use super::*;

const ANTHROPIC_STREAM: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"claude-x","content":[],"stop_reason":null,"usage":{"input_tokens":25,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: ping
data: {"type":"ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" wörld"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_1","name":"get_weather","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"city\": \"Par"}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"is\"}"}}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":15}}

event: message_stop
data: {"type":"message_stop"}

"#;

const OPENAI_STREAM: &str = r#"data: {"id":"c","model":"gpt-x","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}

data: {"id":"c","model":"gpt-x","choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":null}]}

data: {"id":"c","model":"gpt-x","choices":[{"index":0,"delta":{"content":" wörld"},"finish_reason":null}]}

data: {"id":"c","model":"gpt-x","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"get_weather","arguments":""}}]},"finish_reason":null}]}

data: {"id":"c","model":"gpt-x","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"city\": \"Par"}}]},"finish_reason":null}]}

data: {"id":"c","model":"gpt-x","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"is\"}"}}]},"finish_reason":"tool_calls"}]}

data: {"id":"c","model":"gpt-x","choices":[],"usage":{"prompt_tokens":25,"completion_tokens":15,"total_tokens":40}}

data: [DONE]

"#;

/// Everything that a stream says, fed in pieces of that many bytes.
fn read(provider: Provider, stream: &str, bytes: usize) -> Result<(String, Completion), Fault> {
    let (mut events, mut draft, mut text) = (sse::Events::default(), Draft::default(), String::new());
    for piece in stream.as_bytes().chunks(bytes) {
        for data in events.push(piece).map_err(|_| Fault::Malformed)? {
            text.push_str(&provider.event(&mut draft, &data)?);
        }
    }
    draft.finish().map(|completion| (text, completion))
}

#[test]
fn both_streams_become_the_same_completion_wherever_they_are_cut() {
    for (provider, stream, model, id) in [
        (Provider::Anthropic, ANTHROPIC_STREAM, "claude-x", "toolu_1"),
        (Provider::Openai, OPENAI_STREAM, "gpt-x", "call_1"),
    ] {
        for bytes in [1, 2, 3, 7, 64, 100_000] {
            let (text, completion) = read(provider, stream, bytes).expect("whole");
            let call = ToolCall { id: id.into(), name: "get_weather".into(), arguments: json!({ "city": "Paris" }) };
            let wanted = Completion {
                text: "Hello wörld".into(),
                tool_calls: vec![call],
                finish: Finish::ToolCalls,
                model: model.into(),
                usage: TokenUsage { input_tokens: 25, output_tokens: 15 },
            };
            assert_eq!((text.as_str(), completion), ("Hello wörld", wanted), "{bytes}");
        }
    }
}

#[test]
fn a_stream_that_ends_early_is_never_a_completion() {
    for (provider, stream, last) in
        [(Provider::Anthropic, ANTHROPIC_STREAM, "message_stop"), (Provider::Openai, OPENAI_STREAM, "[DONE]")]
    {
        let whole = stream.rfind(last).expect("an end");
        for end in (0..whole).filter(|end| stream.is_char_boundary(*end)) {
            assert!(read(provider, &stream[..end], 1_000).is_err(), "cut at {end}");
        }
    }
}

#[test]
fn damaged_streams_end_in_an_answer() {
    for (provider, stream) in [(Provider::Anthropic, ANTHROPIC_STREAM), (Provider::Openai, OPENAI_STREAM)] {
        for at in 0..stream.len() {
            let mut bytes = stream.as_bytes().to_vec();
            for byte in [b'"', b'{', b'\n', 0xff, b'9'] {
                bytes[at] = byte;
                let _ = read(provider, &String::from_utf8_lossy(&bytes), 50);
            }
        }
    }
}

#[test]
fn refusals_and_errors_have_names() {
    let openai = |body: &str| openai::read(body.as_bytes()).and_then(Draft::finish);
    let message =
        |message: &str, reason: &str| format!(r#"{{"choices":[{{"message":{message},"finish_reason":"{reason}"}}]}}"#);
    assert_eq!(openai(&message(r#"{"content":null,"refusal":"I cannot"}"#, "stop")), Err(Fault::Refused));
    assert_eq!(openai(&message(r#"{"content":""}"#, "content_filter")), Err(Fault::Refused));
    assert_eq!(
        openai(r#"{"error":{"message":"secret","type":"server_error"}}"#),
        Err(Fault::Provider("server_error".into()))
    );
    for garbage in ["", "<html>", "{}", "[]", r#"{"choices":[]}"#, r#"{"choices":[{"message":{}}]}"#] {
        assert_eq!(openai(garbage), Err(Fault::Malformed), "{garbage}");
    }
    let anthropic = |body: &str| anthropic::read(body.as_bytes()).and_then(Draft::finish);
    assert_eq!(
        anthropic(r#"{"content":[],"stop_reason":"refusal","usage":{"input_tokens":1,"output_tokens":1}}"#),
        Err(Fault::Refused)
    );
    for garbage in [
        "",
        "{}",
        r#"{"content":[{"type":"text","text":"x"}]}"#,
        r#"{"content":[{"type":"tool_use"}],"stop_reason":"tool_use"}"#,
    ] {
        assert_eq!(anthropic(garbage), Err(Fault::Malformed), "{garbage}");
    }
    let overloaded = "data: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"secret\"}}\n\n";
    assert_eq!(read(Provider::Anthropic, overloaded, 9).map(|_| ()), Err(Fault::Provider("overloaded_error".into())));
}

#[test]
fn one_request_is_put_into_both_protocols() {
    let prompt = Prompt::parse(
        r#"{"model":"m","system":"be brief","messages":[{"role":"user","content":"hi"},
        {"role":"assistant","content":"","tool_calls":[{"id":"1","name":"t","arguments":{"a":1}}]},
        {"role":"tool","tool_call_id":"1","content":"2"}],"tools":[{"name":"t","description":"d","parameters":{"type":"object"}}],
        "tool_choice":"required","temperature":0.5,"stop":["x"]}"#,
    )
    .expect("a request");
    let openai = Provider::Openai.request(&prompt, 9, true);
    assert_eq!(openai["messages"][0], json!({ "role": "system", "content": "be brief" }));
    assert_eq!(openai["messages"][2]["tool_calls"][0]["function"]["arguments"], "{\"a\":1}");
    assert_eq!(openai["messages"][2]["content"], json!(null));
    assert_eq!(
        (&openai["tool_choice"], &openai["max_tokens"], &openai["stream"]),
        (&json!("required"), &json!(9), &json!(true))
    );
    assert_eq!(openai["tools"][0]["function"]["parameters"], json!({ "type": "object" }));
    let anthropic = Provider::Anthropic.request(&prompt, 9, false);
    assert_eq!((&anthropic["system"], &anthropic["tool_choice"]["type"]), (&json!("be brief"), &json!("any")));
    assert_eq!(anthropic["messages"][1]["content"][0]["input"], json!({ "a": 1 }));
    assert_eq!(anthropic["messages"][2]["content"][0]["tool_use_id"], "1");
    assert_eq!((&anthropic["stop_sequences"], anthropic.get("stream")), (&json!(["x"]), None));
    assert_eq!(anthropic["tools"][0]["input_schema"], json!({ "type": "object" }));
}
