//! Durable state: functions, revisions, artifacts and the audit trail, on embedded SQLite.
//!
//! One writer thread owns the only writing connection. It takes every job that waits, runs them in one transaction
//! and answers when that transaction is on disk (group commit), so the cost of an fsync is shared. Reads run on a small
//! pool of threads with connections that cannot write. A disk that is full holds writing up until space is freed; any other
//! failed write ends it: see [`StoreError`].
//!
//! The audit trail is a chain of hashes. It proves that no record was changed, moved, inserted or removed between two
//! others; that none was cut off the end shows only against a [`Checkpoint`] kept somewhere else.

mod aliases;
mod approvals;
mod artifacts;
mod audit;
mod backlog;
mod calls;
mod candidates;
mod chain;
mod checkpoints;
mod completeness;
mod completions;
mod database;
mod erase;
mod erasures;
mod error;
mod exports;
mod files;
mod lock;
mod options;
mod page;
mod queue;
mod reader;
mod relay;
mod releases;
mod reserve;
mod retention;
mod revision;
mod revisions;
mod revocations;
mod room;
mod search;
mod space;
mod spent;
mod store;
#[cfg(test)]
mod tests;
mod token_uses;
mod trail_index;
mod usage;
mod values;
mod verify;
mod writer;

pub use aliases::{LIVE_ALIAS, LiveFunction, Share};
pub use approvals::{ApprovalFilter, Claim, DecideError, Decider, Executing, PENDING_MAX, Standing, Word};
pub use artifacts::ArtifactKind;
pub use audit::{AuditFilter, AuditOrder, AuditRecord, KeptValue};
pub use backlog::{Backlog, Group};
pub use candidates::Caller;
pub use chain::{Appended, Checkpoint};
pub use checkpoints::{Checkpointer, KeptCheckpoint};
pub use completeness::{CallReport, NumberRange};
pub use completions::CompletionPayer;
pub use erase::Erased;
pub use error::StoreError;
pub use exports::{ExportCursor, ExportCursors, ExportFailure, ExportLag};
pub use files::create_dir;
pub use options::{StoreOptions, SyncMode};
pub use page::{Page, PageRequest, PageToken};
pub use reader::Reader;
pub use releases::{Landing, Releaser};
pub use revision::{NewRevision, Revision};
pub use search::AuditPage;
pub use spent::Spent;
pub use store::Store;
pub use token_uses::CountedToken;
pub use usage::{
    CallMeasures, Dimension, Distribution, Figures, HostMeasures, Measures, QUANTILE_ERROR, ResourceFigures, Seen,
    SortBy, Spread, Step, UsageDifference, UsageKey, UsageLine, UsageQuery, UsageRecount, UsageReport,
};
pub use values::draw_salt;
pub use verify::{BadRecord, Fault, VerifyReport};
