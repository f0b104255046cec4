//! Component bytes, SQL text and GraphQL documents to findings: what a function can touch and what a statement does, before
//! either runs.
//!
//! Pure by contract: no I/O, no clock, no panic and no stack overflow, whatever the bytes. Every answer that is not
//! certain is a refusal.

pub mod component;
pub mod graphql;
pub mod manifest;
pub mod packages;
mod schema;
pub mod soql;
pub mod source;
pub mod sql;
pub mod statements;

pub use component::{
    Bounds, ComponentReport, GUEST_ALLOWED, HANDLER, HandlerExport, Import, ImportClass, ResourceImport, Sizes,
    WASI_ALLOWED, features, inspect,
};
pub use graphql::{Document, DocumentLimits, DocumentRefusal, DocumentRules, GraphqlSchema, Variables, sdl_of};
pub use schema::{SchemaRefusal, schema_cost};
pub use soql::{SoqlRefusal, SoqlReport, soql};
pub use sql::{
    Dialect, ReadFunctionError, ReadFunctions, SqlRefusal, classify, classify_with, effect, fingerprint, rows_before,
};
