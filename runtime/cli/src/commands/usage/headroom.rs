//! `airlock usage headroom`: what calls used against what they may use.

use std::{
    collections::{BTreeMap, HashMap},
    io::Write,
    process::ExitCode,
};

use airlock_model::{EffectiveLimits, Limit, Quota};
use airlock_service::{
    Config, DayBudget, Dimension, Figures, QuotaInForce, Spread, Step, UsageLine, UsageQuery, UsageReport, day_budgets,
    limits_of, quotas_of,
};
use airlock_store::Reader;
use serde::Serialize;

use super::{
    charts::Charts,
    quantities::{bytes, cost, count},
    source::open_state,
    span::{DAY_MS, now_unix_ms},
    table::{self, Column, shown},
};
use crate::{
    args::HeadroomOptions,
    output::{self, EXIT_FAILURE, Style},
};

/// Characters of a bar that is a whole limit.
const BAR: u64 = 20;

type Measure = (Limit, fn(&Figures) -> Spread);

/// Limits that every call leaves a value for. Times are microseconds and their limit milliseconds; rows are those of all results
/// of a call, their limit is that of one result, so they are never more than told here.
const MEASURES: [Measure; 9] = [
    (Limit::Fuel, |used| used.fuel),
    (Limit::MemoryBytes, |used| used.memory_bytes),
    (Limit::WallTimeMs, |used| in_ms(used.wall_us)),
    (Limit::HostCalls, |used| used.host_calls),
    (Limit::HostBytes, |used| used.host_bytes),
    (Limit::LogBytes, |used| used.log_bytes),
    (Limit::EgressRequests, |used| used.egress_requests),
    (Limit::EgressBytes, |used| used.egress_bytes),
    (Limit::ResultRows, |used| used.result_rows),
];

/// One limit, and what came nearest to it.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Row {
    /// None for what all tenants take together.
    #[serde(skip_serializing_if = "String::is_empty")]
    tenant: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    environment: String,
    /// Of a budget of models.
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    /// Of a budget of one app.
    #[serde(skip_serializing_if = "Option::is_none")]
    app: Option<String>,
    /// None for what a tenant may take over time.
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<String>,
    /// Name of the limit or quota.
    limit: &'static str,
    /// In the unit of its name.
    configured: u64,
    highest: u64,
    /// Of calls; none for what is taken over time.
    #[serde(skip_serializing_if = "Option::is_none")]
    p99: Option<u64>,
    /// The highest in percent of what is configured.
    percent: u64,
    /// Who set it.
    source: &'static str,
    /// Where it stands.
    place: String,
    /// Whether the highest is as near as one asked to be warned of.
    warns: bool,
}

/// Compares, and ends with 1 when anything is near.
pub async fn run(options: &HeadroomOptions, style: Style) -> anyhow::Result<ExitCode> {
    let config = Config::load(&options.config)?;
    let reader = open_state(&config.state.dir)?;
    let since = now_unix_ms().saturating_sub(u64::from(options.days).saturating_mul(DAY_MS));
    let only = options.environment.iter().map(|name| (Dimension::Environment, vec![name.clone()])).collect();
    let query = UsageQuery { since_unix_ms: Some(since), only, ..UsageQuery::default() };
    let by = vec![Dimension::Tenant, Dimension::Environment, Dimension::Function];
    let of_calls = reader.usage(UsageQuery { by, ..query.clone() }).await?;
    let manifests = manifests(&reader).await?;
    let mut rows = of_functions(&config, &of_calls, &manifests);
    // A tenant's quotas hold over all environments.
    let by = vec![Dimension::Tenant];
    let by_hour = UsageQuery { by: by.clone(), step: Step::Hour, only: Vec::new(), ..query.clone() };
    let by_day = UsageQuery { by, step: Step::Day, only: Vec::new(), ..query.clone() };
    rows.extend(of_tenants(&config, &reader.usage(by_hour).await?, &reader.usage(by_day).await?));
    let by = vec![Dimension::Environment, Dimension::Resource, Dimension::Tenant, Dimension::App];
    let of_models = reader.usage(UsageQuery { by, step: Step::Day, only: Vec::new(), ..query }).await?;
    rows.extend(day_budgets(&config).iter().map(|budget| of_budget(budget, &of_models)));
    rows.iter_mut().for_each(|row| row.warns = row.percent >= u64::from(options.warn));
    rows.sort_by_key(|row| std::cmp::Reverse(row.percent));
    style.print(&rows, |out| text(out, &rows, options))?;
    let near = rows.iter().filter(|row| row.warns).count();
    if near > 0 {
        output::warning(format!(
            "{near} limits were reached to {} % or more: raise them where they stand, or make the functions need less",
            options.warn
        ));
        return Ok(ExitCode::from(EXIT_FAILURE));
    }
    Ok(ExitCode::SUCCESS)
}

/// The manifests of live revisions, by environment and function.
async fn manifests(reader: &Reader) -> anyhow::Result<HashMap<(String, String), String>> {
    let live = reader.all_live().await?.into_iter().map(|one| one.revision);
    Ok(live.map(|one| ((one.environment.to_string(), one.function.to_string()), one.manifest)).collect())
}

fn of_functions(config: &Config, report: &UsageReport, manifests: &HashMap<(String, String), String>) -> Vec<Row> {
    let mut rows = Vec::new();
    for line in report.lines.iter().filter(|line| line.used.calls > 0) {
        let [tenant, environment, function] = line.group.as_slice() else { continue };
        let (Ok(payer), Ok(place)) = (tenant.parse(), environment.parse()) else { continue };
        let manifest = manifests.get(&(environment.clone(), function.clone()));
        let limits = limits_of(config, &payer, &place, manifest.map(String::as_str));
        let whose = (tenant.as_str(), environment.as_str(), function.as_str());
        rows.extend(MEASURES.iter().map(|(limit, spread)| row(whose, &limits, *limit, spread(&line.used))));
    }
    rows
}

fn row(
    (tenant, environment, function): (&str, &str, &str),
    limits: &EffectiveLimits,
    limit: Limit,
    used: Spread,
) -> Row {
    let configured = limits.get(limit);
    Row {
        tenant: tenant.to_owned(),
        environment: environment.to_owned(),
        function: Some(function.to_owned()),
        limit: limit.name(),
        configured,
        highest: used.max,
        p99: Some(used.p99),
        percent: percent(used.max, configured),
        source: limits.source(limit).as_str(),
        place: limits.place(limit).to_owned(),
        ..Row::default()
    }
}

fn of_tenants(config: &Config, by_hour: &UsageReport, by_day: &UsageReport) -> Vec<Row> {
    let mut rows = Vec::new();
    for tenant in config.limits.tenant.keys() {
        let of = |report: &UsageReport, used: fn(&Figures) -> u64| {
            let own = |line: &&UsageLine| line.group.first().is_some_and(|name| name == tenant.as_str());
            report.lines.iter().filter(own).map(|line| used(&line.used)).max().unwrap_or(0)
        };
        for QuotaInForce { quota, value, place } in quotas_of(config, tenant) {
            // Nobody keeps seconds: the mean of the highest hour is the least that the highest second had.
            let highest = match quota {
                Quota::CallsPerSecond => of(by_hour, |used| used.calls).div_ceil(3_600),
                Quota::HostCallsPerSecond => of(by_hour, |used| used.host_calls.sum).div_ceil(3_600),
                Quota::CallsPerDay => of(by_day, |used| used.calls),
                Quota::FuelPerDay => of(by_day, |used| used.fuel.sum),
                Quota::Weight | Quota::CallsBurst => continue,
            };
            rows.push(Row {
                tenant: tenant.to_string(),
                limit: quota.name(),
                configured: value,
                highest,
                percent: percent(highest, value),
                source: "tenant",
                place,
                ..Row::default()
            });
        }
    }
    rows
}

/// The highest day of one app, or of all together.
fn of_budget(budget: &DayBudget, by_day: &UsageReport) -> Row {
    let mut days: BTreeMap<(u64, &str, &str), u64> = BTreeMap::new();
    for line in &by_day.lines {
        let [environment, resource, tenant, app] = line.group.as_slice() else { continue };
        if *environment != budget.environment.as_str() || *resource != budget.resource.as_str() {
            continue;
        }
        let whose = if budget.key.starts_with("app_") { (tenant.as_str(), app.as_str()) } else { ("", "") };
        let used = &line.used.resources;
        let taken = if budget.key.contains("cost") { used.cost_micros } else { used.tokens };
        let day = days.entry((line.begin_unix_ms.unwrap_or_default(), whose.0, whose.1)).or_default();
        *day = day.saturating_add(u64::try_from(taken).unwrap_or(0));
    }
    let highest = days.into_iter().max_by_key(|(_, taken)| *taken);
    let ((_, tenant, app), highest) = highest.unwrap_or_default();
    Row {
        tenant: tenant.to_owned(),
        environment: budget.environment.to_string(),
        resource: Some(budget.resource.to_string()),
        app: (!app.is_empty()).then(|| app.to_owned()),
        limit: budget.key,
        configured: budget.value,
        highest,
        percent: percent(highest, budget.value),
        source: "resource",
        place: budget.place.clone(),
        ..Row::default()
    }
}

fn in_ms(us: Spread) -> Spread {
    let ms = |us: u64| us.div_ceil(1_000);
    Spread { count: us.count, sum: ms(us.sum), p50: ms(us.p50), p90: ms(us.p90), p99: ms(us.p99), max: ms(us.max) }
}

fn percent(part: u64, whole: u64) -> u64 {
    u64::try_from(u128::from(part) * 100 / u128::from(whole.max(1))).unwrap_or(u64::MAX)
}

fn text(out: &mut dyn Write, rows: &[Row], options: &HeadroomOptions) -> std::io::Result<()> {
    if rows.is_empty() {
        return writeln!(out, "nothing was called in the last {} days: look further back with `--days`", options.days);
    }
    let charts = Charts::here();
    let names = ["LIMIT", "OF", "TENANT", "ENVIRONMENT"].map(Column::name);
    let numbers = ["P99", "HIGHEST", "LIMIT", "%"].map(Column::number);
    let columns: Vec<Column> = names.into_iter().chain(numbers).chain(["", "SET BY"].map(Column::name)).collect();
    let cells = |row: &Row| {
        let number = |value: u64| match row.limit {
            limit if limit.ends_with("bytes") => bytes(value),
            limit if limit.contains("cost") => cost(i64::try_from(value).unwrap_or(i64::MAX)),
            _ => count(value),
        };
        let of = row.function.clone().unwrap_or_else(|| {
            let parts = [&row.resource, &row.app].into_iter().flatten().cloned().collect::<Vec<_>>();
            if parts.is_empty() { "(all)".to_owned() } else { parts.join(" by ") }
        });
        let bar = charts.bar(row.percent.min(100), 100, BAR);
        let near = if row.warns { format!("{bar} !") } else { bar };
        vec![
            row.limit.to_owned(),
            shown(&of),
            shown(&row.tenant),
            shown(&row.environment),
            row.p99.map_or_else(|| "-".to_owned(), number),
            number(row.highest),
            number(row.configured),
            row.percent.to_string(),
            near,
            shown(&row.place),
        ]
    };
    // What is not used at all has all its room.
    let used: Vec<_> = rows.iter().filter(|row| row.highest > 0).map(cells).collect();
    table::print(out, &columns, &used)?;
    writeln!(
        out,
        "\n`!` from {} % on; of the last {} days; limits of a second are compared with the mean of the highest hour; tokens may set less",
        options.warn, options.days
    )
}
