//! `airlock usage unused`: functions that are live and nobody calls, and apps that have stopped calling.

use std::{collections::HashMap, io::Write, process::ExitCode};

use airlock_proto::v1::FunctionServiceListRequest;
use airlock_service::{Dimension, UsageQuery, UsageReport};
use serde::Serialize;

use super::{
    adoption::day,
    source::Source,
    span::{DAY_MS, now_unix_ms},
    table::{self, Column, shown},
};
use crate::{args::UnusedOptions, client::Rejected, output::Style};

/// Rows of one page.
const PAGE: i32 = 500;

#[derive(Serialize)]
struct Unused {
    days: u32,
    functions: Vec<Idle>,
    apps: Vec<Idle>,
}

/// Something that was not called, or did not call.
#[derive(Serialize)]
struct Idle {
    environment: String,
    name: String,
    /// Of an app.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    /// When the live revision of a function was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    deployed_unix_ms: Option<u64>,
    /// The last call ever; none when there was none.
    last_called_unix_ms: Option<u64>,
}

/// What is live.
struct Live {
    environment: String,
    function: String,
    deployed_unix_ms: u64,
}

/// Compares what is live with what was called.
pub async fn run(options: &UnusedOptions, style: Style) -> anyhow::Result<ExitCode> {
    let source = Source::open(&options.source, options.environment.as_deref()).await?;
    let since = now_unix_ms().saturating_sub(u64::from(options.days).saturating_mul(DAY_MS));
    let functions = [Dimension::Environment, Dimension::Function];
    let apps = [Dimension::Environment, Dimension::App, Dimension::Tenant];
    let (called, called_ever) = asked(&source, options, &functions, since).await?;
    let (calling, calling_ever) = asked(&source, options, &apps, since).await?;
    let live = live(&source, options).await?;
    let unused = Unused {
        days: options.days,
        functions: idle_functions(live, &calls(&called), &calls(&called_ever)),
        apps: idle_apps(&calls(&calling), calls(&calling_ever)),
    };
    style.print(&unused, |out| text(out, &unused))?;
    Ok(ExitCode::SUCCESS)
}

/// Since then, and ever.
async fn asked(
    source: &Source,
    options: &UnusedOptions,
    by: &[Dimension],
    since: u64,
) -> anyhow::Result<(UsageReport, UsageReport)> {
    let only = options.environment.iter().map(|name| (Dimension::Environment, vec![name.clone()])).collect();
    let ever = UsageQuery { by: by.to_vec(), only, ..UsageQuery::default() };
    let recent = UsageQuery { since_unix_ms: Some(since), ..ever.clone() };
    Ok((source.usage(recent).await?, source.usage(ever).await?))
}

/// The last call of each group that has any. A refusal is none.
fn calls(report: &UsageReport) -> HashMap<Vec<String>, u64> {
    let lines = report.lines.iter().filter(|line| !line.other && line.used.calls > 0);
    lines.map(|line| (line.group.clone(), line.used.last_seen_unix_ms)).collect()
}

async fn live(source: &Source, options: &UnusedOptions) -> anyhow::Result<Vec<Live>> {
    match source {
        Source::State(reader) => {
            let is_meant = |environment: &str| options.environment.as_deref().is_none_or(|one| one == environment);
            let all = reader.all_live().await?.into_iter().map(|one| one.revision);
            let live = all.filter(|revision| is_meant(revision.environment.as_str())).map(|revision| Live {
                environment: revision.environment.to_string(),
                function: revision.function.to_string(),
                deployed_unix_ms: revision.created_unix_ms,
            });
            Ok(live.collect())
        }
        Source::Server(client) => {
            let (mut live, mut page_token) = (Vec::new(), String::new());
            loop {
                let environment = client.environment();
                let request =
                    FunctionServiceListRequest { environment: environment.clone(), page_size: PAGE, page_token };
                let page = client.functions().list(client.request(request)).await.map_err(Rejected::from)?.into_inner();
                let revisions = page.functions.into_iter().filter_map(|function| function.live_revision);
                live.extend(revisions.map(|revision| Live {
                    environment: environment.clone(),
                    function: revision.function,
                    deployed_unix_ms:
                        revision.create_time.map_or(0, |time| u64::try_from(time.seconds).unwrap_or(0) * 1_000),
                }));
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    return Ok(live);
                }
            }
        }
    }
}

/// What is younger than the days is listed too: its date says so.
fn idle_functions(live: Vec<Live>, called: &HashMap<Vec<String>, u64>, ever: &HashMap<Vec<String>, u64>) -> Vec<Idle> {
    let mut idle = Vec::new();
    for Live { environment, function, deployed_unix_ms } in live {
        let key = vec![environment.clone(), function.clone()];
        if !called.contains_key(&key) {
            idle.push(Idle {
                environment,
                name: function,
                tenant: None,
                deployed_unix_ms: Some(deployed_unix_ms),
                last_called_unix_ms: ever.get(&key).copied(),
            });
        }
    }
    idle
}

fn idle_apps(calling: &HashMap<Vec<String>, u64>, ever: HashMap<Vec<String>, u64>) -> Vec<Idle> {
    let gone = ever.into_iter().filter(|(key, _)| !calling.contains_key(key));
    let mut idle: Vec<Idle> = gone
        .filter_map(|(key, last)| {
            let [environment, name, tenant] = <[String; 3]>::try_from(key).ok()?;
            let last_called_unix_ms = Some(last);
            Some(Idle { environment, name, tenant: Some(tenant), deployed_unix_ms: None, last_called_unix_ms })
        })
        .collect();
    idle.sort_by(|a, b| (&a.environment, &a.name).cmp(&(&b.environment, &b.name)));
    idle
}

fn text(out: &mut dyn Write, unused: &Unused) -> std::io::Result<()> {
    let Unused { days, functions, apps } = unused;
    writeln!(out, "{} live functions were not called in the last {days} days", functions.len())?;
    if !functions.is_empty() {
        let columns = [
            Column::name("FUNCTION"),
            Column::name("ENVIRONMENT"),
            Column::name("DEPLOYED"),
            Column::name("LAST CALL"),
        ];
        let row = |one: &Idle| {
            let last = one.last_called_unix_ms.map_or_else(|| "never".to_owned(), day);
            vec![shown(&one.name), shown(&one.environment), day(one.deployed_unix_ms.unwrap_or(0)), last]
        };
        table::print(out, &columns, &functions.iter().map(row).collect::<Vec<_>>())?;
        writeln!(out, "take one out of service with `airlock disable`, and end it with `airlock delete`")?;
    }
    writeln!(out, "{} apps that called before made no call in the last {days} days", apps.len())?;
    if !apps.is_empty() {
        let columns =
            [Column::name("APP"), Column::name("TENANT"), Column::name("ENVIRONMENT"), Column::name("LAST CALL")];
        let row = |one: &Idle| {
            let (tenant, last) = (one.tenant.as_deref().unwrap_or_default(), day(one.last_called_unix_ms.unwrap_or(0)));
            vec![shown(&one.name), shown(tenant), shown(&one.environment), last]
        };
        table::print(out, &columns, &apps.iter().map(row).collect::<Vec<_>>())?;
    }
    Ok(())
}
