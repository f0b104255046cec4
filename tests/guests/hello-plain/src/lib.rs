//! The smallest Rust function, with Rust's own allocator: what the arena saves.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Input<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

#[derive(Serialize)]
struct Output {
    greeting: String,
}

#[airlock_guest::function]
fn handle(input: Input<'_>) -> Result<Output, airlock_guest::Error> {
    Ok(Output { greeting: format!("hello, {}", input.name) })
}
