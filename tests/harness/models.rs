//! A real provider of language models over HTTP, which speaks two protocols and goes wrong on request.
//!
//! The last message says what it does: `say X` answers X, others name what goes wrong.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The key of the provider: it must never be seen by a guest.
pub const MODELS_SECRET: &str = "canary-models-secret-8e02d4b1f7";

/// The provider, and what it was asked.
pub struct Models {
    pub address: SocketAddr,
    asked: Asked,
}

/// Key and body of every request.
type Asked = Arc<Mutex<Vec<(String, Value)>>>;

impl Models {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Asked::default();
        let router = Router::new()
            .route("/v1/chat/completions", post(openai))
            .route("/v1/messages", post(anthropic))
            .with_state(asked.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, asked }
    }

    /// `[resources.model]` in that environment, by OpenAI's protocol, with more keys.
    pub fn binding(&self, environment: &str, more: &str) -> String {
        let credential = "{ kind = \"bearer\", value = { file = \"models-key\" } }";
        format!("[resources.model]\nkind = \"llm\"\n{}", self.bound("model", environment, ("openai", credential), more))
    }

    /// The same by Anthropic's.
    pub fn anthropic(&self, environment: &str, more: &str) -> String {
        let credential = "{ kind = \"header\", name = \"x-api-key\", value = { file = \"models-key\" } }";
        format!(
            "[resources.model]\nkind = \"llm\"\n{}",
            self.bound("model", environment, ("anthropic", credential), more)
        )
    }

    /// One binding: its resource, environment, engine and credential.
    pub fn bound(&self, resource: &str, environment: &str, (engine, credential): (&str, &str), more: &str) -> String {
        let Self { address, .. } = self;
        format!(
            "[resources.{resource}.{environment}]\nengine = \"{engine}\"\nbase_url = \"http://{address}\"\n\
             allow_plaintext = true\nallow_private = [\"127.0.0.1/32\"]\noperations = [\"complete\"]\n\
             credential = {credential}\n{more}\n\
             [resources.{resource}.{environment}.models]\n\
             small = {{ input_per_million = 1.0, output_per_million = 2.0 }}\n"
        )
    }

    /// The bodies of all requests so far.
    pub fn asked(&self) -> Vec<Value> {
        self.asked.lock().expect("no panic").iter().map(|(_, body)| body.clone()).collect()
    }

    /// The keys of all requests so far.
    pub fn keys(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").iter().map(|(key, _)| key.clone()).collect()
    }
}

fn last_text(body: &Value) -> String {
    let last = body.get("messages").and_then(Value::as_array).and_then(|messages| messages.last());
    last.and_then(|last| last.get("content")?.as_str()).unwrap_or_default().to_owned()
}

fn streams(body: &Value) -> bool {
    body.get("stream") == Some(&Value::Bool(true))
}

/// What goes wrong in the same way in both protocols.
async fn trouble(text: &str, key: &str) -> Option<Response> {
    Some(match text {
        "limit" => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "12")], "internal.example").into_response(),
        "break" => (StatusCode::BAD_GATEWAY, "internal.example").into_response(),
        "wrong" => {
            (StatusCode::BAD_REQUEST, format!("{{\"error\":{{\"message\":\"you sent {key} internal.example\"}}}}"))
                .into_response()
        }
        "html" => (StatusCode::OK, "<html>internal.example</html>").into_response(),
        "slow" => {
            tokio::time::sleep(Duration::from_secs(120)).await;
            StatusCode::OK.into_response()
        }
        _ => return None,
    })
}

async fn openai(State(asked): State<Asked>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let key = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    asked.lock().expect("no panic").push((key.clone(), body.clone()));
    let text = last_text(&body);
    if let Some(trouble) = trouble(&text, &key).await {
        return trouble;
    }
    let said = if text == "echo" { key } else { text.strip_prefix("say ").unwrap_or("hello").to_owned() };
    let usage = json!({ "prompt_tokens": 10, "completion_tokens": 5 });
    if streams(&body) {
        return openai_stream(&text, &said, &usage);
    }
    let message = match text.as_str() {
        "tool" => json!({ "content": null, "tool_calls": [{ "id": "call-1", "type": "function",
            "function": { "name": "weather", "arguments": "{\"city\":\"Paris\"}" } }] }),
        "refuse" => json!({ "content": null, "refusal": "internal.example" }),
        _ => json!({ "content": said }),
    };
    let reason = if text == "tool" { "tool_calls" } else { "stop" };
    Json(json!({ "model": "small-2026", "choices": [{ "message": message, "finish_reason": reason }], "usage": usage }))
        .into_response()
}

fn openai_stream(text: &str, said: &str, usage: &Value) -> Response {
    let delta = |content: &str, reason: Value| {
        json!({ "model": "small-2026", "choices": [{ "delta": { "content": content }, "finish_reason": reason }] })
            .to_string()
    };
    let mut events: Vec<String> = said.split_inclusive(' ').map(|word| delta(word, Value::Null)).collect();
    if text != "cut" {
        events.push(delta("", json!("stop")));
        events.push(json!({ "choices": [], "usage": usage }).to_string());
        events.push("[DONE]".to_owned());
    }
    event_stream(events)
}

async fn anthropic(State(asked): State<Asked>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let key = headers.get("x-api-key").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    asked.lock().expect("no panic").push((key.clone(), body.clone()));
    if headers.get("anthropic-version").is_none() {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let text = last_text(&body);
    if let Some(trouble) = trouble(&text, &key).await {
        return trouble;
    }
    let said = text.strip_prefix("say ").unwrap_or("hello");
    if streams(&body) {
        let mut events = vec![
            json!({ "type": "message_start", "message": { "model": "small-2026", "content": [], "usage": { "input_tokens": 10, "output_tokens": 1 } } }),
            json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
        ];
        let delta = |word: &str| json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": word } });
        events.extend(said.split_inclusive(' ').map(delta));
        if text != "cut" {
            events.push(json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": { "output_tokens": 5 } }));
            events.push(json!({ "type": "message_stop" }));
        }
        return event_stream(events.iter().map(Value::to_string).collect());
    }
    let (content, reason) = match text.as_str() {
        "tool" => (
            json!([{ "type": "tool_use", "id": "call-1", "name": "weather", "input": { "city": "Paris" } }]),
            "tool_use",
        ),
        "refuse" => (json!([]), "refusal"),
        _ => (json!([{ "type": "text", "text": said }]), "end_turn"),
    };
    let usage = json!({ "input_tokens": 10, "output_tokens": 5 });
    Json(json!({ "model": "small-2026", "content": content, "stop_reason": reason, "usage": usage })).into_response()
}

/// One event after the other, each in a write of its own.
fn event_stream(events: Vec<String>) -> Response {
    let parts = events.into_iter().map(|data| Ok::<_, std::convert::Infallible>(format!("data: {data}\n\n")));
    let body = Body::from_stream(tokio_stream::iter(parts));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}
