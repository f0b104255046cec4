//! `airlock audit`: what the trail says, and whether it is true.

mod erase;
mod export;
mod prove;
pub mod query;
pub mod trail;
mod verify;

use std::{collections::BTreeMap, io::Write, process::ExitCode};

use airlock_model::AuditEvent;
use airlock_store::{AuditRecord, KeptValue};
use serde::Serialize;

use crate::{args::AuditCommand, output::Style, when};

/// A record as printed.
#[derive(Serialize)]
pub struct Printed {
    seq: u64,
    hash: String,
    #[serde(flatten)]
    event: AuditEvent,
    /// What is kept beside the record, by what it is of it.
    #[serde(flatten)]
    values: BTreeMap<&'static str, KeptValue>,
}

impl From<AuditRecord> for Printed {
    fn from(record: AuditRecord) -> Self {
        let values = record.values.into_iter().map(|value| (value.field.as_str(), value)).collect();
        Self { seq: record.seq, hash: record.hash.to_string(), event: record.event, values }
    }
}

/// Searches or verifies.
pub async fn run(command: AuditCommand, style: Style) -> anyhow::Result<ExitCode> {
    match command {
        AuditCommand::Query(options) => query::run(*options, style).await,
        AuditCommand::Prove(options) => prove::run(&options, style).await,
        AuditCommand::Erase(options) => erase::run(*options, style).await,
        AuditCommand::UnusedGrants(options) => super::usage::unused_grants::run(&options, style).await,
        AuditCommand::Export(options) => export::run(&options).await,
        AuditCommand::Exports(options) => export::standings(&options, style).await,
        AuditCommand::Checkpoint(options) => verify::checkpoint(&options, style).await,
        AuditCommand::Verify(options) => verify::run(&options, style).await,
    }
}

/// One record on one line.
pub fn line(out: &mut dyn Write, record: &Printed) -> std::io::Result<()> {
    let event = &record.event;
    let kind = serde_json::to_value(event.kind).unwrap_or_default();
    let time = when::utc_ms(event.time_unix_ms);
    write!(out, "{:>6} {time} {:<22}", record.seq, kind.as_str().unwrap_or_default())?;
    let who = event.principal.as_ref().map(|principal| principal.subject.as_str());
    let parts = [
        who,
        event.function.as_deref(),
        event.resource.as_deref(),
        event.operation.as_deref(),
        event.reason.as_deref(),
    ];
    for part in parts.into_iter().flatten() {
        write!(out, " {part}")?;
    }
    if let Some(rows) = event.rows {
        write!(out, " rows={rows}")?;
    }
    if let Some(target) = &event.target {
        let short: String = target.chars().take(80).collect();
        write!(out, " {short:?}")?;
    }
    for (field, KeptValue { policy, bytes, value, .. }) in &record.values {
        let shown = value.as_deref().unwrap_or("not kept");
        write!(out, "\n       {field} ({}, {bytes} bytes): {shown:?}", policy.as_str())?;
    }
    writeln!(out)
}
