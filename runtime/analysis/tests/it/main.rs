//! Behaviour of the analysis crate as its users see it.

mod component;
mod fixture;
mod manifest;
mod postgres_corpus;
mod robustness;
mod sql;
mod sqlite_corpus;
mod sqlite_oracle;
