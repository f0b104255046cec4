//! Wasmtime: engine, compile, store, limits, imports to host calls. Dials nothing.
