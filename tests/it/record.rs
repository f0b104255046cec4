//! The record: what can be proven later, and by what.

mod checkpoints;
mod clocks;
mod export;
mod full_disk;
mod kills;
mod logs;
mod postgres_log;
mod power;
mod retention;
mod search;
mod telemetry;
mod usage;
mod values;

use export::wait_until;
