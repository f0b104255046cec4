//! Keeps a processor busy: with a measured amount of work, or for ever.
//!
//! The work itself is the file that the benchmarks also compile for the machine.

#[path = "../../../shared/work.rs"]
mod work;

use airlock_guest::Error;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
enum Input {
    /// Digests of 64 KiB.
    Sha256 { times: u32 },
    /// A document read and written.
    Json { times: u32 },
    /// Never ends.
    Forever,
}

#[derive(Serialize)]
struct Output {
    /// Depends on every step of the work, so that none can be left out.
    sum: u32,
}

#[airlock_guest::function]
fn handle(input: Input) -> Result<Output, Error> {
    let sum = match input {
        Input::Sha256 { times } => work::sha256(times),
        Input::Json { times } => work::json(times).map_err(|error| Error::new("bad_document", error.to_string()))?,
        Input::Forever => loop {
            std::hint::black_box(0_u32);
        },
    };
    Ok(Output { sum })
}
