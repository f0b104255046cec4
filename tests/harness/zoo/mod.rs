//! The zoo: hostile guests, each with its expected typed outcome.

mod abi;
mod cpu;
mod deploy;
mod handles;
mod host_calls;
mod memory;
mod raw_calls;
mod specimen;
mod stack;
mod tasks;
pub mod tenants;
mod wat;

pub use specimen::{Group, Specimen};

/// Every specimen, by group.
pub fn specimens() -> Vec<Specimen> {
    let mut all = Vec::new();
    all.extend(cpu::specimens());
    all.extend(stack::specimens());
    all.extend(memory::specimens());
    all.extend(abi::specimens());
    all.extend(tasks::specimens());
    all.extend(handles::specimens());
    all.extend(deploy::specimens());
    all.extend(host_calls::specimens());
    all.extend(raw_calls::specimens());
    all.extend(tenants::specimens());
    all
}
