//! What is refused, and how each refusal explains itself.

use airlock_proto::v1::{InvokeResponse, invoke_response};
use anyhow::bail;
use serde::Serialize;
use serde_json::Value;

use super::{
    INPUT,
    stage::{self, Stage, TokenFor},
};
use crate::{
    client::{Client, Rejected},
    commands::invoke,
    output,
};

/// One refusal.
#[derive(Serialize)]
pub(super) struct Refusal {
    pub(super) case: &'static str,
    pub(super) reason: String,
    pub(super) message: String,
}

struct Case {
    name: &'static str,
    function: &'static str,
    input: &'static str,
    token: TokenFor,
}

const fn mischief(name: &'static str, input: &'static str) -> Case {
    Case { name, function: "mischief", input, token: TokenFor::Mischief }
}

const CASES: &[Case] = &[
    Case { name: "expired_token", function: "order-summary", input: INPUT, token: TokenFor::Expired },
    Case { name: "token_for_another_function", function: "mischief", input: "{}", token: TokenFor::OrderSummary },
    Case { name: "token_without_scope", function: "order-summary", input: INPUT, token: TokenFor::NoScope },
    mischief("memory", r#"{"attempt":"memory"}"#),
    mischief("endless_loop", r#"{"attempt":"loop"}"#),
    mischief("write_without_permission", r#"{"attempt":"write"}"#),
    mischief("drop_table", r#"{"attempt":"drop"}"#),
    mischief("origin_not_allowed", r#"{"attempt":"origin"}"#),
    mischief("address_not_public", r#"{"attempt":"address"}"#),
];

/// Runs every case; one that is not refused fails the demo.
pub(super) async fn run_all(stage: &Stage, data: &Client) -> anyhow::Result<Vec<Refusal>> {
    let mut refusals = Vec::with_capacity(CASES.len());
    for case in CASES {
        let client = data.with_token(&stage.token(case.token)?)?;
        let ended = invoke::call(&client, stage::ask(case.function, case.input), None).await;
        let Some((reason, message)) = refusal(ended) else { bail!("`{}` was not refused", case.name) };
        output::refusal("Refused", format!("{}: {reason}", case.name));
        refusals.push(Refusal { case: case.name, reason, message });
    }
    Ok(refusals)
}

/// A refused call is a status; a denied host call reaches the function, which returns it as its own error.
fn refusal(ended: Result<InvokeResponse, Rejected>) -> Option<(String, String)> {
    match ended {
        Err(rejected) => Some((rejected.reason, rejected.message)),
        Ok(response) => match response.result? {
            invoke_response::Result::Output(_) => None,
            invoke_response::Result::FunctionError(error) => {
                let details: Value = serde_json::from_slice(&error.details).unwrap_or_default();
                let text = |name: &str| details.get(name).and_then(Value::as_str).map(str::to_owned);
                Some((text("reason").unwrap_or(error.code), error.message))
            }
        },
    }
}
