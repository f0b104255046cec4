//! The application, transport-free: how a call is invoked, gated and recorded, and how a function is deployed.
//!
//! This is the only crate where access, analysis, sandbox, resources and store meet.

mod app;
mod approvals;
mod catalog;
mod clock;
pub mod config;
mod control;
mod deploy;
mod gate;
pub mod health;
mod input;
mod introspect;
mod invoke;
pub mod isolation;
mod lifecycle;
mod loader;
mod operator;
mod packages;
mod record;
mod recorder;
mod refusals;
mod registry;
mod reload;
mod running;
mod settings;
mod signatures;
mod spending;
mod tls;
mod today;

pub use airlock_access::{Holding, Holdings, HoldingsConfig};
pub use airlock_access::{Presented, Proof, ProvenRequest, Sender, Thumbprint};
pub use airlock_resources::{Column, Dialect, EgressDecision, EgressVerdict, Schema, Table};
pub use airlock_store::{ApprovalFilter, AuditFilter, AuditOrder, AuditRecord, Page, PageRequest, PageToken, Revision};
pub use airlock_store::{LIVE_ALIAS, Landing, LiveFunction, Share};
pub use app::{App, Parts, StartError, Wanted};
pub use approvals::{AffectedTable, Decision, Preview, Shown, SimilarApproval};
pub use catalog::{Described, ResourceSummary};
pub use config::{Config, ConfigError, Setting};
pub use deploy::{CheckReport, Deployment, Promotion, Upload};
pub use introspect::IntrospectError;
pub use invoke::{Answer, InvokeCall, InvokeError, InvokeReply};
pub use lifecycle::FunctionChange;
pub use operator::{EgressError, EgressQuestion, LimitInForce};
pub use packages::check_packages;
pub use reload::Change;
pub use running::CallName;
pub use tls::Listener;
