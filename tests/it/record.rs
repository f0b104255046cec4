//! The record: what can be proven later, and by what.

mod checkpoints;
mod export;
mod logs;

use export::wait_until;
