//! `airlock audit query`: which records there are.

use std::{io::Write as _, process::ExitCode};

use airlock_model::{AuditKind, Decision};
use airlock_store::{AuditFilter, AuditOrder, AuditPage, AuditRecord};
use anyhow::{Context as _, bail};
use futures::StreamExt as _;
use serde_json::Value;

use super::{Printed, line, trail::Trail};
use crate::{
    args::{DecisionName, FilterOptions, QueryOptions},
    output::{self, Style},
};

/// Most records of one page.
const PAGE_ROWS: u32 = 1_000;

/// Prints what matches, and what comes if asked to.
pub async fn run(options: QueryOptions, style: Style) -> anyhow::Result<ExitCode> {
    let QueryOptions { place, filter, limit, after, follow, values } = options;
    let mut filter = filter_of(filter, place.environment.clone())?;
    filter.with_values = values;
    if follow && filter.until_unix_ms.is_some() {
        bail!("what comes has no end: leave out --until or --follow");
    }
    let trail = Trail::open(&place).await?;
    filter.after_seq = after;
    let (records, position) = match after {
        Some(_) => collect(&trail, filter.clone(), limit).await?,
        None => latest(&trail, filter.clone(), limit).await?,
    };
    let records: Vec<_> = records.into_iter().map(Printed::from).collect();
    if !follow && records.is_empty() {
        output::warning(
            "no record matches: names are whole, case counts, and tables are written as `--json` shows them",
        );
    }
    if !follow {
        style.print(&records, |out| records.iter().try_for_each(|record| line(out, record)))?;
        return Ok(ExitCode::SUCCESS);
    }
    print_each(&records, style)?;
    filter.after_seq = Some(position);
    let mut pages = trail.follow(filter).await?;
    while let Some(page) = pages.next().await {
        let records: Vec<_> = page?.records.into_iter().map(Printed::from).collect();
        print_each(&records, style)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print_each(records: &[Printed], style: Style) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    for record in records {
        if style.json {
            serde_json::to_writer(&mut out, record)?;
            writeln!(out)?;
        } else {
            line(&mut out, record)?;
        }
    }
    Ok(out.flush()?)
}

fn filter_of(options: FilterOptions, environment: Option<String>) -> anyhow::Result<AuditFilter> {
    Ok(AuditFilter {
        tenant: options.tenant.map(String::from),
        environment,
        principal: options.principal,
        app: options.app.map(String::from),
        function: options.function.map(String::from),
        resource: options.resource.map(String::from),
        table: options.table,
        decision: options.decision.map(|decision| match decision {
            DecisionName::Permit => Decision::Permit,
            DecisionName::Deny => Decision::Deny,
        }),
        kind: options.kind.map(|name| kind_named(&name)).transpose()?,
        invocation: options.invocation,
        token_id: options.token_id,
        approval: options.approval,
        since_unix_ms: options.since.map(|since| since.0),
        until_unix_ms: options.until.map(|until| until.0),
        ..AuditFilter::default()
    })
}

/// A kind by its name.
pub fn kind_named(name: &str) -> anyhow::Result<AuditKind> {
    let kind = serde_json::from_value(Value::from(name));
    kind.with_context(|| {
        format!("`{name}` is no kind of record: `airlock audit query` shows them, for instance `invocation_finished`")
    })
}

/// The last `limit` records that match, oldest first, and the last record there was.
pub async fn latest(trail: &Trail, mut filter: AuditFilter, limit: u32) -> anyhow::Result<(Vec<AuditRecord>, u64)> {
    filter.order = AuditOrder::NewestFirst;
    let newest = AuditFilter { order: AuditOrder::NewestFirst, limit: Some(1), ..AuditFilter::default() };
    let newest = AuditFilter { environment: filter.environment.clone(), ..newest };
    let head = trail.page(&newest).await?.records.first().map_or(0, |record| record.seq);
    // What comes meanwhile is for whoever follows.
    filter.before_seq = Some(head.saturating_add(1));
    let (mut records, _) = collect(trail, filter, limit).await?;
    records.reverse();
    Ok((records, head))
}

/// The first `limit` records that match, by as many pages as it takes, and how far that went.
async fn collect(trail: &Trail, mut filter: AuditFilter, limit: u32) -> anyhow::Result<(Vec<AuditRecord>, u64)> {
    let mut records: Vec<AuditRecord> = Vec::new();
    loop {
        let found = u32::try_from(records.len()).unwrap_or(u32::MAX);
        filter.limit = Some(limit.saturating_sub(found).min(PAGE_ROWS));
        let page: AuditPage = trail.page(&filter).await?;
        filter.go_on(&page);
        records.extend(page.records);
        if page.is_last || records.len() >= limit as usize {
            return Ok((records, page.position));
        }
    }
}
