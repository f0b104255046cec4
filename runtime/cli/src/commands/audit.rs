//! `airlock audit`: reads a state directory, whether or not a server runs on it.

use std::{io::Write, path::Path, process::ExitCode};

use airlock_model::AuditEvent;
use airlock_store::{AuditFilter, AuditOrder, AuditRecord, Reader, Store};
use serde::Serialize;

use crate::{
    args::AuditCommand,
    output::{EXIT_FAILURE, Style},
};

/// A record as printed.
#[derive(Serialize)]
pub struct Printed {
    seq: u64,
    hash: String,
    #[serde(flatten)]
    event: AuditEvent,
}

impl From<AuditRecord> for Printed {
    fn from(record: AuditRecord) -> Self {
        Self { seq: record.seq, hash: record.hash.to_string(), event: record.event }
    }
}

/// Lists or verifies.
pub async fn run(command: AuditCommand, style: Style) -> anyhow::Result<ExitCode> {
    match command {
        AuditCommand::List { state, invocation, function, limit } => {
            let order = AuditOrder::NewestFirst;
            let filter = AuditFilter { invocation, function, limit: Some(limit), order, ..AuditFilter::default() };
            let records = list(&Store::open_read_only(&state.state)?, filter).await?;
            style.print(&records, |out| records.iter().try_for_each(|record| line(out, record)))?;
            Ok(ExitCode::SUCCESS)
        }
        AuditCommand::Verify { state } => verify(&state.state, style).await,
    }
}

/// Records, oldest first.
pub async fn list(reader: &Reader, filter: AuditFilter) -> anyhow::Result<Vec<Printed>> {
    let newest_first = filter.order == AuditOrder::NewestFirst;
    let mut records: Vec<_> = reader.query(filter).await?.into_iter().map(Printed::from).collect();
    if newest_first {
        records.reverse();
    }
    Ok(records)
}

/// One record on one line.
pub fn line(out: &mut dyn Write, record: &Printed) -> std::io::Result<()> {
    let event = &record.event;
    let kind = serde_json::to_value(event.kind).unwrap_or_default();
    write!(out, "{:>6} {:<22}", record.seq, kind.as_str().unwrap_or_default())?;
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
    writeln!(out)
}

async fn verify(state: &Path, style: Style) -> anyhow::Result<ExitCode> {
    let report = Store::open_read_only(state)?.verify(None).await?;
    style.print(&report, |out| {
        let yes = |good: bool| if good { "yes" } else { "NO" };
        writeln!(out, "records    {}", report.records)?;
        writeln!(out, "integrity  {}", yes(report.integrity))?;
        if let Some(bad) = &report.first_bad {
            writeln!(out, "  first bad record {}: {}", bad.seq, bad.why)?;
        }
        writeln!(
            out,
            "complete   {} ({} calls finished, {} without an end)",
            yes(report.calls.complete),
            report.calls.finished,
            report.calls.unfinished_count
        )?;
        writeln!(out, "head       {} {}", report.head.seq, report.head.hash)
    })?;
    Ok(if report.integrity && report.calls.complete { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FAILURE) })
}
