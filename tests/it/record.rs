//! The record: what can be proven later, and by what.

mod checkpoints;
mod telemetry;
