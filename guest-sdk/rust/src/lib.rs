//! What a Rust function needs to run on Airlock.
//!
//! ```ignore
//! #[derive(serde::Deserialize)]
//! struct Input { customer: String }
//!
//! #[airlock_guest::function]
//! async fn handle(input: Input) -> Result<Output, airlock_guest::Error> {
//!     let rows = resources::orders_db::query("select id, total from orders where customer = ?", [&input.customer]).await?;
//!     /* ... */
//! }
//! ```
//!
//! The attribute reads `function.toml`, exports the function, and writes one client for each declared resource into the
//! module `resources` beside it. With `async fn` the clients are async and host calls can overlap ([`join`],
//! [`join_all`]). With a plain `fn` they block, and the call has less machinery to go through: choose it where host calls do
//! not overlap, or where there are none.
//!
//! An instance serves one call and is dropped. The feature `arena` (on by default) takes advantage of that; see
//! [`ARENA_BYTES`].

mod arena;
pub mod blob;
mod error;
mod export;
pub mod graphql;
pub mod http;
mod join;
pub mod kv;
pub mod llm;
pub mod log;
pub mod soql;
pub mod sql;

pub use airlock_guest_macros::function;
pub use arena::ARENA_BYTES;
pub use error::{Error, HostError};
pub use join::{join, join_all};
pub use wit::airlock::guest::context::Invocation;

/// Facts about this invocation: its id, function, revision, environment, tenant, principal and deadline.
///
/// Only a running component has an invocation: on any other target this panics.
#[must_use]
pub fn context() -> Invocation {
    wit::airlock::guest::context::current()
}

/// What the expansion of [`function`] names. Not part of the public interface.
#[doc(hidden)]
pub mod private {
    pub use crate::export::{decode, encode, install_panic_hook};
    pub use crate::wit::airlock::guest::types;
    pub use serde::{Serialize, de::DeserializeOwned};
    pub use wit_bindgen;
}

#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all)]
mod wit {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "
            package airlock:rust-sdk;
            world sdk {
                import airlock:guest/types@1.0.0;
                import airlock:guest/log@1.0.0;
                import airlock:guest/context@1.0.0;
            }
        ",
        generate_all,
        generate_unused_types: true,
    });
}
