//! Behaviour of the analysis crate as its users see it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on must stop, also in its fixtures"
)]

mod component;
mod fixture;
mod manifest;
mod packages;
mod postgres_corpus;
mod robustness;
mod soql;
mod sql;
mod sql_evasions;
mod sql_fuzz;
mod sqlite_corpus;
mod sqlite_oracle;
