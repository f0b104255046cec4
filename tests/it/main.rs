//! The one integration binary: one module for each feature.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod admission;
mod audit;
mod bombs;
mod cancel;
mod check;
mod compile_fail;
mod data;
mod deploy;
mod deploy_fuzz;
mod doctor;
mod egress;
mod errors;
mod examples;
mod gate;
mod governance;
mod host_calls;
mod house;
mod identity;
mod invoke;
mod knobs;
mod leaving;
mod limits;
mod matrix;
mod memory;
mod places;
mod record;
mod reload;
mod resources;
mod secrets;
mod serve;
mod sql_oracle;
mod stores;
mod tenants;
mod wall;
mod zoo;
