//! The one binary: serve, demo, and everything a guest author or operator types.
fn main() {}
