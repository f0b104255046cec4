//! `airlock reload` and `airlock limits`: what operators ask a running server.

use std::process::ExitCode;

use airlock_proto::v1::{LimitsRequest, ReloadRequest};
use serde::Serialize;

use crate::{
    args::{ControlOptions, LimitsOptions},
    client::{Client, Rejected},
    output,
    output::Style,
};

#[derive(Serialize)]
struct Change {
    key: String,
    old: Option<String>,
    new: Option<String>,
}

#[derive(Serialize)]
struct Row {
    limit: String,
    value: u64,
    source: String,
    place: String,
}

/// Has a server read its configuration again and prints what changed.
pub async fn reload(options: &ControlOptions, style: Style) -> anyhow::Result<ExitCode> {
    let client = Client::to_control(options).await?;
    let request = client.request(ReloadRequest { environment: client.environment() });
    let response = client.operator().reload(request).await.map_err(Rejected::from)?.into_inner();
    let change = |one: airlock_proto::v1::ConfigChange| Change { key: one.key, old: one.old_value, new: one.new_value };
    let changes: Vec<_> = response.changes.into_iter().map(change).collect();
    output::progress("Reloaded", format!("{} value(s) changed", changes.len()));
    style.print(&changes, |out| {
        changes.iter().try_for_each(|Change { key, old, new }| {
            let none = || "(none)".to_owned();
            let (old, new) = (old.clone().unwrap_or_else(none), new.clone().unwrap_or_else(none));
            writeln!(out, "{key}: {old} -> {new}")
        })
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the limits that calls start from, each with its source.
pub async fn limits(options: &LimitsOptions, style: Style) -> anyhow::Result<ExitCode> {
    let client = Client::to_control(&options.control).await?;
    let request = client.request(LimitsRequest {
        environment: client.environment(),
        tenant: options.tenant.clone().unwrap_or_default(),
        function: options.function.clone().unwrap_or_default(),
    });
    let response = client.operator().limits(request).await.map_err(Rejected::from)?.into_inner();
    let rows = response.limits.into_iter().map(|one| Row {
        limit: one.limit,
        value: one.value,
        source: one.source,
        place: one.place,
    });
    let rows: Vec<_> = rows.collect();
    style.print(&rows, |out| {
        rows.iter().try_for_each(|row| writeln!(out, "{:<16} {:>14}  {}", row.limit, row.value, row.place))
    })?;
    Ok(ExitCode::SUCCESS)
}
