//! The zoo: hostile guests, each with its expected typed outcome.

mod deploy;
mod specimen;

pub use specimen::{Group, Specimen};

/// Every specimen, by group.
pub fn specimens() -> Vec<Specimen> {
    [deploy::specimens()].into_iter().flatten().collect()
}
