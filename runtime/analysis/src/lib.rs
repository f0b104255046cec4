//! Component bytes and SQL text to findings: what a function can touch and what a statement does, before either runs.
//!
//! Pure by contract: no I/O, no clock, no panic and no stack overflow, whatever the bytes. Every answer that is not
//! certain is a refusal.

pub mod component;
pub mod manifest;
mod schema;
pub mod source;
pub mod sql;

pub use component::{
    Bounds, ComponentReport, GUEST_ALLOWED, HANDLER, HandlerExport, Import, ImportClass, ResourceImport, Sizes,
    WASI_ALLOWED, features, inspect,
};
pub use schema::{SchemaRefusal, schema_cost};
pub use sql::{Dialect, ReadFunctionError, ReadFunctions, SqlRefusal, classify, classify_with, fingerprint};
