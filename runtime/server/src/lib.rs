//! The wire: gRPC and JSON over HTTP in front of the application, and nothing else.
//!
//! [`bind`] takes two addresses and [`serve`] answers on them: data (`InvocationService`) and control
//! (`FunctionService`, `AuditService`), both with health and, behind a token, reflection. Requests are parsed into the
//! model's types here and trusted afterwards; failures become `google.rpc` statuses here and nowhere else. What runs is
//! behind [`Application`].
//!
//! hyper is driven directly instead of through tonic's own server: its timeout layer would answer CANCELLED before the
//! application could enforce the caller's deadline, and its router adds boxes and copies to every call.

mod application;
mod body;
mod config;
mod counters;
mod grpc;
mod json;
mod listen;
mod memory;
mod request;
mod route;
mod rpcs;
mod status;
mod strangers;
mod trace;
mod wire;

pub use application::Application;
pub use config::{ListenOptions, TransportLimits};
pub use counters::Counters;
pub use json::ContractError;
pub use listen::{Bound, DrainReport, ServeError, ServerHandle, bind, serve};

#[cfg(test)]
mod tests;
