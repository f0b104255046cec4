//! A record of the trail in the words of others.

mod datadog;
mod ocsf;
mod otlp;
#[cfg(test)]
mod tests;
mod view;

use airlock_model::{AuditEvent, Digest};
use airlock_store::AuditRecord;
use serde::Serialize;

use crate::config::ExportFormat;

pub(super) use otlp::{rejected, request};

/// The version of Airlock in what others are told.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A record as `airlock audit list --json` prints it.
#[derive(Serialize)]
struct Plain<'a> {
    seq: u64,
    hash: &'a Digest,
    #[serde(flatten)]
    event: &'a AuditEvent,
}

/// Writes a record as one line of JSON, without the end of the line.
#[must_use]
pub fn export_line(format: ExportFormat, record: &AuditRecord) -> String {
    let line = match format {
        ExportFormat::Airlock => {
            serde_json::to_string(&Plain { seq: record.seq, hash: &record.hash, event: &record.event })
        }
        ExportFormat::Ocsf => serde_json::to_string(&ocsf::event(record)),
        ExportFormat::Datadog => serde_json::to_string(&datadog::event(record)),
    };
    // Plain structures of numbers and texts: there is nothing that JSON cannot say.
    line.unwrap_or_default()
}
