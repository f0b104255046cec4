//! Makes the same host call `times` times, one after the other, and says how many were answered as expected.

use airlock_guest::http::Request;
use airlock_guest::{Error, HostError, log};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    op: Op,
    times: u32,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Op {
    /// Facts about the invocation: crosses into the host and does not reach the gate.
    Context,
    /// A log line: reaches the gate, touches no resource.
    Log,
    /// A statement that writes, which no grant covers.
    Denied,
    /// A request that every grant covers, with a body that the binding finds too large before it sends anything.
    Unsent,
    /// A statement that reads one number.
    Query,
    /// A request to the backend.
    Get,
}

#[derive(Serialize)]
struct Output {
    as_expected: u32,
}

#[airlock_guest::function]
async fn handle(input: Input) -> Result<Output, Error> {
    let mut as_expected = 0;
    for _ in 0..input.times {
        as_expected += u32::from(call(input.op).await);
    }
    Ok(Output { as_expected })
}

/// Whether the host said what it must.
async fn call(op: Op) -> bool {
    match op {
        Op::Context => !airlock_guest::context().id.is_empty(),
        Op::Log => {
            log::debug("one line");
            true
        }
        Op::Denied => {
            let denied = resources::db::query("delete from numbers", ()).await;
            matches!(denied, Err(HostError::Denied { .. }))
        }
        Op::Unsent => {
            let unsent = resources::api::request(Request::new("GET", "/things").body("ab")).await;
            matches!(unsent, Err(HostError::BadRequest { .. }))
        }
        Op::Query => resources::db::query("select 1", ()).await.is_ok(),
        Op::Get => resources::api::request(Request::new("GET", "/slow")).await.is_ok_and(|answer| answer.is_success()),
    }
}
