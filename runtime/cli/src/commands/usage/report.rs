//! `airlock usage`: what was used, in groups.

use std::{collections::BTreeMap, io::Write, process::ExitCode};

use airlock_service::{Dimension, Figures, QUANTILE_PARTS, UsageLine, UsageQuery, UsageReport};
use serde_json::json;

use super::{
    charts::Charts,
    csv,
    quantities::{bytes, cost, count, duration, percent},
    source::{self, Source},
    span::span,
    table::{self, Column, shown},
};
use crate::{args::UsageReportOptions, output::Style, when};

/// Characters of a bar.
const BAR: u64 = 12;
/// Characters of a digest that people read.
const DIGEST_SHORT: usize = 12;

/// Asks and prints.
pub async fn run(options: &UsageReportOptions, style: Style) -> anyhow::Result<ExitCode> {
    let query = query(options)?;
    let (by, step) = (query.by.clone(), query.step);
    let source = Source::open(&options.source, source::environment(&options.only)).await?;
    let report = source.usage(query).await?;
    if options.csv {
        csv::print(&mut std::io::stdout().lock(), &by, &report.lines)?;
        return Ok(ExitCode::SUCCESS);
    }
    let printed =
        json!({ "by": by, "step": step, "quantile_error": 1.0 / f64::from(QUANTILE_PARTS), "report": report });
    style.print(&printed, |out| text(out, &by, &report))?;
    Ok(ExitCode::SUCCESS)
}

fn query(options: &UsageReportOptions) -> anyhow::Result<UsageQuery> {
    let (since, until) = span(&options.since, options.until.as_deref())?;
    let mut by = Vec::new();
    for name in &options.by {
        match name.as_str() {
            "principal" => by.extend([Dimension::Subject, Dimension::Actor]),
            name => by.push(name.parse().map_err(anyhow::Error::msg)?),
        }
    }
    Ok(UsageQuery {
        since_unix_ms: Some(since),
        until_unix_ms: until,
        only: source::only(&options.only),
        by,
        step: options.step.parse().map_err(anyhow::Error::msg)?,
        sort: options.sort.parse().map_err(anyhow::Error::msg)?,
        top: Some(options.top),
    })
}

/// A table of calls or, by resource, of host calls; then how each group went over time.
fn text(out: &mut dyn Write, by: &[Dimension], report: &UsageReport) -> std::io::Result<()> {
    if report.lines.is_empty() {
        return writeln!(out, "nothing was used: ask for more time with `--since 30d`, or for more with fewer filters");
    }
    let is_host = by.contains(&Dimension::Resource);
    let (columns, rows) = if is_host { host_table(by, report) } else { call_table(by, report) };
    table::print(out, &columns, &rows)?;
    trends(out, report, is_host)?;
    let (groups, Figures { calls, errors, refused, .. }) = (report.groups, &report.total);
    writeln!(out, "\n{groups} groups, {calls} calls, {errors} errors, {refused} refused")?;
    writeln!(out, "times in UTC; quantiles off by at most 1/{QUANTILE_PARTS} of their value")
}

fn call_table(by: &[Dimension], report: &UsageReport) -> (Vec<Column>, Vec<Vec<String>>) {
    let highest = report.lines.iter().map(|line| line.used.calls).max().unwrap_or(0);
    let has_cost = report.total.resources.tokens != 0 || report.total.resources.cost_micros != 0;
    let mut columns = group_columns(by, report);
    columns.push(Column::number("CALLS"));
    columns.push(Column::name(""));
    columns.extend(
        ["ERRORS", "REFUSED", "P50", "P99", "FUEL", "MEMORY max", "HOST CALLS", "ROWS", "EGRESS", "LOGS"]
            .map(Column::number),
    );
    if has_cost {
        columns.extend(["TOKENS", "COST"].map(Column::number));
    }
    let charts = Charts::here();
    let row = |line: &UsageLine| {
        let used = &line.used;
        let mut row = group_cells(by, line);
        row.extend([
            count(used.calls),
            charts.bar(used.calls, highest, BAR),
            percent(used.errors, used.calls),
            count(used.refused),
            duration(used.wall_us.p50),
            duration(used.wall_us.p99),
            count(used.fuel.sum),
            bytes(used.memory_bytes.max),
            count(used.host_calls.sum),
            count(used.result_rows.sum),
            bytes(used.egress_bytes.sum),
            bytes(used.log_bytes.sum),
        ]);
        if has_cost {
            row.extend(spent(used));
        }
        row
    };
    (columns, report.lines.iter().map(row).collect())
}

fn host_table(by: &[Dimension], report: &UsageReport) -> (Vec<Column>, Vec<Vec<String>>) {
    let highest = report.lines.iter().map(|line| line.used.resources.calls).max().unwrap_or(0);
    let mut columns = group_columns(by, report);
    columns.push(Column::number("HOST CALLS"));
    columns.push(Column::name(""));
    let numbers = ["ERRORS", "DENIED", "P50", "P99", "ROWS", "BYTES", "SENT", "RECEIVED", "TOKENS", "COST"];
    columns.extend(numbers.map(Column::number));
    let charts = Charts::here();
    let row = |line: &UsageLine| {
        let used = &line.used.resources;
        let mut row = group_cells(by, line);
        row.extend([
            count(used.calls),
            charts.bar(used.calls, highest, BAR),
            percent(used.errors, used.calls),
            count(used.denied),
            duration(used.duration_us.p50),
            duration(used.duration_us.p99),
            count(used.rows),
            bytes(used.bytes),
            bytes(used.sent_bytes),
            bytes(used.received_bytes),
        ]);
        row.extend(spent(&line.used));
        row
    };
    // What is counted by call has no resource; here it would be a row of zeros.
    let is_host = |line: &&UsageLine| line.used.resources != airlock_service::ResourceFigures::default();
    (columns, report.lines.iter().filter(is_host).map(row).collect())
}

fn spent(used: &Figures) -> [String; 2] {
    [count(u64::try_from(used.resources.tokens).unwrap_or(0)), cost(used.resources.cost_micros)]
}

fn group_columns(by: &[Dimension], report: &UsageReport) -> Vec<Column> {
    let time = report.lines.iter().any(|line| line.begin_unix_ms.is_some()).then(|| Column::name("BEGIN"));
    let names = by.iter().map(|dimension| Column::name(&dimension.as_str().to_uppercase()));
    let all = by.is_empty().then(|| Column::name("GROUP"));
    time.into_iter().chain(names).chain(all).collect()
}

fn group_cells(by: &[Dimension], line: &UsageLine) -> Vec<String> {
    let mut cells: Vec<String> = line.begin_unix_ms.map(begin).into_iter().collect();
    cells.extend(names(by, line));
    cells
}

fn names(by: &[Dimension], line: &UsageLine) -> Vec<String> {
    if line.other || by.is_empty() {
        let word = if line.other { "(other)" } else { "(all)" };
        let rest = by.iter().skip(1).map(|_| String::new());
        return [word.to_owned()].into_iter().chain(rest).collect();
    }
    let name = |(dimension, value): (&Dimension, &String)| match dimension {
        Dimension::Revision => shown(value.get(..DIGEST_SHORT).unwrap_or(value)),
        _ => shown(value),
    };
    by.iter().zip(&line.group).map(name).collect()
}

/// A step as people write it: its day, and the hour unless it is a day's first.
fn begin(unix_ms: u64) -> String {
    let text = when::utc_ms(unix_ms);
    text.get(..16).unwrap_or(&text).replace('T', " ")
}

/// One line for each group: calls, or host calls, step by step from the first to the last that anybody has.
fn trends(out: &mut dyn Write, report: &UsageReport, is_host: bool) -> std::io::Result<()> {
    let begins: std::collections::BTreeSet<u64> = report.lines.iter().filter_map(|line| line.begin_unix_ms).collect();
    if begins.len() < 2 {
        return Ok(());
    }
    let charts = Charts::here();
    let mut groups: Vec<(String, BTreeMap<u64, u64>)> = Vec::new();
    for line in &report.lines {
        let name = if line.other { "(other)".to_owned() } else { shown(&line.group.join(" / ")) };
        let calls = if is_host { line.used.resources.calls } else { line.used.calls };
        let step = (line.begin_unix_ms.unwrap_or_default(), calls);
        match groups.last_mut().filter(|(last, _)| *last == name) {
            Some((_, steps)) => drop(steps.insert(step.0, step.1)),
            None => groups.push((name, BTreeMap::from([step]))),
        }
    }
    writeln!(out)?;
    let rows = groups.iter().map(|(name, steps)| {
        let values: Vec<u64> = begins.iter().map(|begin| steps.get(begin).copied().unwrap_or_default()).collect();
        let highest = values.iter().copied().max().unwrap_or(0);
        vec![name.clone(), format!("|{}|", charts.line(&values)), count(highest)]
    });
    let columns = [Column::name("GROUP"), Column::name("BY STEP"), Column::number("HIGHEST")];
    table::print(out, &columns, &rows.collect::<Vec<_>>())
}
