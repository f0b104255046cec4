//! `airlock audit`: reads a state directory, whether or not a server runs on it.

mod export;
mod unused;
mod verify;

use std::{io::Write, process::ExitCode};

use airlock_model::{AuditEvent, AuditKind};
use airlock_store::{AuditFilter, AuditOrder, AuditRecord, Reader, Store};
use anyhow::Context as _;
use serde::Serialize;
use serde_json::Value;

use crate::{args::AuditCommand, output::Style, when};

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
        AuditCommand::List { state, invocation, function, kind, limit } => {
            let kind = kind.map(|name| kind_named(&name)).transpose()?;
            let filter = AuditFilter { invocation, function, kind, ..AuditFilter::default() };
            let records = latest(&Store::open_read_only(&state.state)?, filter, limit).await?;
            style.print(&records, |out| records.iter().try_for_each(|record| line(out, record)))?;
            Ok(ExitCode::SUCCESS)
        }
        AuditCommand::Export(options) => export::run(&options).await,
        AuditCommand::Exports(options) => export::standings(&options, style).await,
        AuditCommand::UnusedGrants(options) => unused::run(&options, style).await,
        AuditCommand::Checkpoint(options) => verify::checkpoint(&options, style).await,
        AuditCommand::Verify(options) => verify::run(&options, style).await,
    }
}

fn kind_named(name: &str) -> anyhow::Result<AuditKind> {
    let kind = serde_json::from_value(Value::from(name));
    kind.with_context(|| {
        format!("`{name}` is no kind of record: `airlock audit list` shows them, for instance `invocation_finished`")
    })
}

/// The last `limit` records that match, oldest first. Asks for as many pages as that takes.
pub async fn latest(reader: &Reader, mut filter: AuditFilter, limit: u32) -> anyhow::Result<Vec<Printed>> {
    filter.order = AuditOrder::NewestFirst;
    let mut records: Vec<AuditRecord> = Vec::new();
    loop {
        let found = u32::try_from(records.len()).unwrap_or(u32::MAX);
        filter.limit = Some(limit.saturating_sub(found));
        filter.before_seq = records.last().map(|record| record.seq);
        let page = reader.query(filter.clone()).await?;
        if page.is_empty() {
            break;
        }
        records.extend(page);
    }
    records.reverse();
    Ok(records.into_iter().map(Printed::from).collect())
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
    writeln!(out)
}
