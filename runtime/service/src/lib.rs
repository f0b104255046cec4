//! The application, transport-free: how a call is invoked, gated and recorded, and how a function is deployed.
//!
//! This is the only crate where access, analysis, sandbox, resources and store meet.

mod app;
mod clock;
pub mod config;
mod control;
mod deploy;
mod gate;
mod invoke;
pub mod isolation;
mod record;
mod refusals;
mod registry;

pub use airlock_store::{AuditFilter, AuditOrder, AuditRecord, Page, PageRequest, PageToken, Revision};
pub use app::{App, Parts, StartError};
pub use config::{Config, ConfigError};
pub use deploy::{CheckReport, Deployment, Upload};
pub use invoke::{Answer, InvokeCall, InvokeError, InvokeReply};
