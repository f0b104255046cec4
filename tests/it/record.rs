//! The record: what can be proven later, and by what.

mod checkpoints;
mod clocks;
mod full_disk;
mod kills;
mod postgres_log;
mod power;
mod retention;
mod search;
mod values;
mod usage;
