//! The zoo: hostile guests, each with its expected typed outcome.

mod abi;
mod cpu;
mod handles;
mod memory;
mod specimen;
mod stack;
mod tasks;
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
    all
}
