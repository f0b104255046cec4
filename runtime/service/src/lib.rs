//! The application, transport-free: how a call is invoked, gated and recorded, and how a function is deployed.
//!
//! This is the only crate where access, analysis, sandbox, resources and store meet.

mod app;
mod approvals;
mod audit;
mod catalog;
mod checkpoints;
mod clock;
pub mod config;
mod control;
mod deploy;
mod explain;
mod gate;
mod headroom;
pub mod health;
mod identity;
mod input;
mod introspect;
mod invoke;
pub mod isolation;
mod keys;
mod lifecycle;
mod line;
mod loader;
mod operator;
mod packages;
mod record;
mod recorder;
mod refusals;
mod registry;
mod reload;
mod retention;
mod revision_name;
mod revocations;
mod running;
mod settings;
mod signatures;
mod spending;
mod tls;
mod today;
mod token_uses;
mod unused;
mod usage;

pub use airlock_access::{Functions, Holding, Holdings, HoldingsConfig, Minted, Wish};
pub use airlock_access::{Presented, Proof, ProvenRequest, Sender, Thumbprint};
pub use airlock_resources::{Column, Dialect, EgressDecision, EgressVerdict, Schema, Table};
pub use airlock_store::{ApprovalFilter, AuditFilter, AuditOrder, AuditPage, AuditRecord, KeptValue};
pub use airlock_store::{CallReport, Checkpoint, Erased, VerifyReport};
pub use airlock_store::{
    Dimension, Figures, ResourceFigures, SortBy, Spread, Step, UsageLine, UsageQuery, UsageRecount, UsageReport,
};
pub use airlock_store::{LIVE_ALIAS, Landing, LiveFunction, Share};
pub use airlock_store::{Page, PageRequest, PageToken, Revision};
pub use app::{App, Looking, Parts, StartError, Wanted};
pub use approvals::{AffectedTable, Decision, Preview, Shown, SimilarApproval};
pub use audit::AuditTail;
pub use catalog::{Described, ResourceSummary};
pub use checkpoints::{BadCheckpoint, SignedCheckpoint, TrailReport, audit_keys, verify_trail};
pub use config::{Config, ConfigError, Setting};
pub use deploy::{CheckReport, Deployment, Promotion, Upload};
pub use explain::{ExplainedStep, Explanation, HostAsk, HostQuestion, Question, Ruling, Verdict};
pub use headroom::{DayBudget, QuotaInForce, day_budgets, limits_of, quotas_of};
pub use identity::{Attenuation, Exchange, Exchanged, RevocationRequest, RevokedCalls, SubjectToken};
pub use introspect::IntrospectError;
pub use invoke::{Answer, InvokeCall, InvokeError, InvokeReply};
pub use lifecycle::FunctionChange;
pub use operator::{EgressError, EgressQuestion, LimitInForce};
pub use packages::check_packages;
pub use reload::Change;
pub use running::CallName;
pub use tls::Listener;
pub use unused::{GrantUses, UnusedGrant};
pub use usage::{QUANTILE_PARTS, UnusedGrants, grant_uses_since};
