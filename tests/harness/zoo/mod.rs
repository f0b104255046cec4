//! The zoo: hostile guests, each with its expected typed outcome.

mod host_calls;
mod raw_calls;
mod specimen;
pub mod tenants;

pub use specimen::{Group, Specimen};

/// Every specimen, by group.
pub fn specimens() -> Vec<Specimen> {
    let mut all = Vec::new();
    all.extend(host_calls::specimens());
    all.extend(raw_calls::specimens());
    all.extend(tenants::specimens());
    all
}
