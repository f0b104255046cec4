//! Key-value stores: the embedded one and a real Redis, with the same expectations.

mod guests;
mod kv;
mod redis;
