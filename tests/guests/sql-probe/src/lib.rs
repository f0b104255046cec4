//! Makes the host calls its input describes and returns what came of each: how the tests ask anything of the gate.
//!
//! A failed call is part of the output, as `{"error": {"kind": ...}}`: the probe itself does not fail.

use airlock_guest::http::Request;
use airlock_guest::sql::Column;
use airlock_guest::{Error, HostError, join_all};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
enum Call {
    /// A reading statement on `orders-db`.
    Query {
        statement: String,
        #[serde(default)]
        params: Vec<Value>,
    },
    /// A writing statement on `orders-db`.
    Execute {
        statement: String,
        #[serde(default)]
        params: Vec<Value>,
    },
    /// A request to `crm`.
    Http {
        method: String,
        path: String,
        #[serde(default)]
        query: Vec<(String, String)>,
        #[serde(default)]
        headers: Vec<(String, String)>,
        body: Option<String>,
    },
    /// A request to `crm`, step by step: the body and the response in pieces.
    Stream {
        method: String,
        path: String,
        #[serde(default)]
        pieces: Vec<String>,
        /// Pieces of the response that are read; all of them when missing.
        read: Option<usize>,
    },
    /// Whether `crm` covers a URL.
    Covers { url: String },
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
enum Answer {
    Rows { columns: Vec<Column>, rows: Box<RawValue>, truncated: bool },
    Affected { affected: u64 },
    Response { status: u16, headers: Vec<(String, String)>, body: String },
    Covered { covered: bool },
    Failed { error: HostError },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Output {
    Many { answers: Vec<Answer> },
    One(Answer),
}

#[airlock_guest::function]
async fn handle(input: Input) -> Result<Output, Error> {
    match input {
        Input::One(call) => Ok(Output::One(answer(call).await)),
        Input::Many { calls } => Ok(Output::Many { answers: join_all(calls.into_iter().map(answer)).await }),
    }
}

async fn answer(call: Call) -> Answer {
    perform(call).await.unwrap_or_else(|error| Answer::Failed { error })
}

async fn perform(call: Call) -> Result<Answer, HostError> {
    match call {
        Call::Query { statement, params } => {
            let found = resources::orders_db::query(&statement, params).await?;
            let rows = RawValue::from_string(found.as_json().to_owned())
                .map_err(|error| HostError::BadRequest { message: format!("the host sent no JSON: {error}") })?;
            Ok(Answer::Rows { columns: found.columns().to_vec(), rows, truncated: found.truncated() })
        }
        Call::Execute { statement, params } => {
            let affected = resources::orders_db::execute(&statement, params).await?;
            Ok(Answer::Affected { affected })
        }
        Call::Http { method, path, query, headers, body } => {
            let body = body.map(String::into_bytes);
            let response = resources::crm::request(Request { method, path, query, headers, body }).await?;
            let body = response.text();
            Ok(Answer::Response { status: response.status, headers: response.headers, body })
        }
        Call::Stream { method, path, pieces, read } => {
            let mut exchange = resources::crm::open(Request::new(method, path)).await?;
            for piece in pieces {
                exchange.write(piece.as_bytes()).await?;
            }
            let head = exchange.response().await?;
            let mut body = Vec::new();
            for _ in 0..read.unwrap_or(usize::MAX) {
                let Some(piece) = exchange.next().await? else { break };
                body.extend(piece);
            }
            let body = String::from_utf8_lossy(&body).into_owned();
            Ok(Answer::Response { status: head.status, headers: head.headers, body })
        }
        Call::Covers { url } => Ok(Answer::Covered { covered: resources::crm::covers(&url).await? }),
    }
}
