//! The one integration binary: one module for each feature.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod audit;
mod compile_fail;
mod deploy;
mod errors;
mod examples;
mod gate;
mod host_calls;
mod house;
mod invoke;
mod limits;
mod matrix;
mod secrets;
mod tenants;
