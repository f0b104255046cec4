//! Attacks the host through its own calls, as its input says. A refusal that matters to the attack is the function's own
//! error, with the kind of the refusal as its code; floods ignore refusals and go on.

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

use airlock_guest::http::Request;
use airlock_guest::{Error, HostError, log};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

/// One attack.
#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
enum Attack {
    /// The same call for ever, whatever it answers.
    Flood { call: Call },
    /// One call.
    Once { call: Call },
    /// Many calls begun and none waited for; then it returns, or waits for all of them.
    Unawaited { call: Call, count: usize, wait: bool },
    /// Log lines of `bytes` bytes each.
    Log { count: u64, bytes: usize },
    /// Log lines that would fake other lines or drive a terminal.
    Escapes,
}

/// One call, described so that a short input makes a large one.
#[derive(Deserialize, Clone)]
#[serde(tag = "to", rename_all = "snake_case", deny_unknown_fields)]
enum Call {
    /// A statement: `before`, `unit` repeated, `middle`, `after` repeated, each `count` times.
    Sql {
        #[serde(default)]
        before: String,
        #[serde(default)]
        unit: String,
        #[serde(default)]
        middle: String,
        #[serde(default)]
        after: String,
        #[serde(default)]
        count: usize,
        #[serde(default)]
        params: Params,
    },
    /// A request.
    Http {
        method: String,
        path: String,
        #[serde(default)]
        path_bytes: usize,
        #[serde(default)]
        headers: usize,
        #[serde(default)]
        header_bytes: usize,
        #[serde(default)]
        query: usize,
        #[serde(default)]
        body_bytes: usize,
    },
}

/// Parameters of a statement.
#[derive(Deserialize, Clone, Default)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Params {
    #[default]
    None,
    /// So many ones.
    Many(usize),
    /// One array in another, so deep.
    Nested(usize),
}

impl Params {
    fn text(&self) -> String {
        match self {
            Self::None => "[]".to_owned(),
            Self::Many(count) => format!("[{}]", vec!["1"; *count].join(",")),
            Self::Nested(depth) => format!("{}{}", "[".repeat(*depth), "]".repeat(*depth)),
        }
    }
}

#[derive(Serialize)]
struct Done {
    bytes: usize,
    truncated: bool,
    refused: usize,
}

#[airlock_guest::function]
async fn handle(attack: Attack) -> Result<Done, Error> {
    match attack {
        Attack::Flood { call } => loop {
            let _ignored = perform(&call).await;
        },
        Attack::Once { call } => perform(&call).await.map_err(explained),
        Attack::Unawaited { call, count, wait } => Ok(unawaited(&call, count, wait).await),
        Attack::Log { count, bytes } => {
            let line = "x".repeat(bytes);
            for _ in 0..count {
                log::info(&line);
            }
            Ok(Done { bytes: 0, truncated: false, refused: 0 })
        }
        Attack::Escapes => {
            for line in [
                "\u{1b}[2J\u{1b}[31mred",
                "one\ntwo\r\nthree",
                "bell\u{7}\u{8}\u{0}",
                "right\u{202e}to left\u{200b}",
                "\u{9b}31m\u{85}\u{2028}",
            ] {
                log::write(log::Level::Error, line, &json!({ line: line }));
            }
            Ok(Done { bytes: 0, truncated: false, refused: 0 })
        }
    }
}

fn explained(error: HostError) -> Error {
    let details = serde_json::to_value(&error).unwrap_or_default();
    Error::new(error.kind(), error.to_string()).with_details(details)
}

async fn perform(call: &Call) -> Result<Done, HostError> {
    match call {
        Call::Sql { before, unit, middle, after, count, params } => {
            let statement = [before.as_str(), &unit.repeat(*count), middle, &after.repeat(*count)].concat();
            let params = RawValue::from_string(params.text())
                .map_err(|why| HostError::BadRequest { message: format!("in the guest: {why}") })?;
            let rows = resources::orders_db::query(&statement, params).await?;
            Ok(Done { bytes: rows.as_json().len(), truncated: rows.truncated(), refused: 0 })
        }
        Call::Http { method, path, path_bytes, headers, header_bytes, query, body_bytes } => {
            let pair = |index: usize| (format!("x-zoo-{index}"), "v".repeat(*header_bytes));
            let request = Request {
                method: method.clone(),
                path: format!("{path}{}", "p".repeat(*path_bytes)),
                query: (0..*query).map(pair).collect(),
                headers: (0..*headers).map(pair).collect(),
                body: (*body_bytes > 0).then(|| vec![b'b'; *body_bytes]),
            };
            let response = resources::crm::request(request).await?;
            Ok(Done { bytes: response.body.len(), truncated: false, refused: usize::from(!response.is_success()) })
        }
    }
}

/// Polls each call once, so that the host begins it, and leaves it.
async fn unawaited(call: &Call, count: usize, wait: bool) -> Done {
    type Begun<'a> = Pin<Box<dyn Future<Output = Result<Done, HostError>> + 'a>>;
    let mut begun: Vec<Option<Begun<'_>>> = (0..count).map(|_| Some(Box::pin(perform(call)) as Begun<'_>)).collect();
    let mut refused = 0;
    std::future::poll_fn(|context| {
        for slot in &mut begun {
            let Some(call) = slot else { continue };
            if let Poll::Ready(ended) = call.as_mut().poll(context) {
                refused += usize::from(ended.is_err());
                *slot = None;
            }
        }
        if wait && begun.iter().any(Option::is_some) { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    // Not even dropped: a drop would cancel the calls politely.
    std::mem::forget(begun);
    Done { bytes: 0, truncated: false, refused }
}
