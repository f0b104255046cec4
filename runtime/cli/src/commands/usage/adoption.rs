//! `airlock usage adoption`: which apps call, by whom, how often, since when, and whether more or less.

use std::{collections::BTreeMap, io::Write, process::ExitCode};

use airlock_service::{Dimension, SortBy, Step, UsageLine, UsageQuery, UsageReport};
use serde::Serialize;

use super::{
    charts::Charts,
    quantities::count,
    source::{self, Source},
    span::{DAY_MS, now_unix_ms},
    table::{self, Column, shown},
};
use crate::{args::AdoptionOptions, output::Style, when};

/// Callers that are named in the table; `--json` has all.
const CALLERS_SHOWN: usize = 3;
/// What an app is.
const APP: [Dimension; 3] = [Dimension::Tenant, Dimension::Environment, Dimension::App];

/// An app that calls.
#[derive(Serialize)]
struct App {
    tenant: String,
    environment: String,
    app: String,
    /// Calls in the days that are looked at.
    calls: u64,
    errors: u64,
    refused: u64,
    /// Days of them with a call.
    active_days: usize,
    /// Calls of each day, the oldest first.
    days: Vec<u64>,
    /// The later half of the days against the earlier half, in percent; none when there were no calls in the earlier.
    trend_percent: Option<i64>,
    /// Ever.
    first_seen_unix_ms: u64,
    last_seen_unix_ms: u64,
    /// Who calls, most calls first.
    callers: Vec<Caller>,
}

#[derive(Serialize)]
struct Caller {
    subject: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    actor: String,
    calls: u64,
    first_seen_unix_ms: u64,
    last_seen_unix_ms: u64,
}

/// Asks thrice: day by day, by caller, and since ever.
pub async fn run(options: &AdoptionOptions, style: Style) -> anyhow::Result<ExitCode> {
    let source = Source::open(&options.source, source::environment(&options.only)).await?;
    let today = now_unix_ms() / DAY_MS;
    let first_day = today.saturating_sub(u64::from(options.days) - 1);
    let whole = UsageQuery { by: APP.to_vec(), only: source::only(&options.only), ..UsageQuery::default() };
    let recent = UsageQuery { since_unix_ms: Some(first_day * DAY_MS), ..whole.clone() };
    let by_day = source.usage(UsageQuery { step: Step::Day, ..recent.clone() }).await?;
    let callers = [APP.as_slice(), &[Dimension::Subject, Dimension::Actor]].concat();
    let by_caller = source.usage(UsageQuery { by: callers, ..recent }).await?;
    let ever = source.usage(UsageQuery { sort: SortBy::LastSeen, ..whole }).await?;
    let apps = apps(&by_day, &by_caller, &ever, first_day..=today);
    style.print(&apps, |out| text(out, &apps, options.days))?;
    Ok(ExitCode::SUCCESS)
}

fn apps(
    by_day: &UsageReport,
    by_caller: &UsageReport,
    ever: &UsageReport,
    days: std::ops::RangeInclusive<u64>,
) -> Vec<App> {
    let mut apps: BTreeMap<Vec<String>, App> = BTreeMap::new();
    // Without an app it is somebody without a token.
    for line in ever.lines.iter().filter(|line| !line.other && line.group.get(2).is_some_and(|app| !app.is_empty())) {
        let [tenant, environment, app] = [0, 1, 2].map(|at| line.group.get(at).cloned().unwrap_or_default());
        let new = App {
            tenant,
            environment,
            app,
            calls: 0,
            errors: 0,
            refused: 0,
            active_days: 0,
            days: days.clone().map(|_| 0).collect(),
            trend_percent: None,
            first_seen_unix_ms: line.used.first_seen_unix_ms,
            last_seen_unix_ms: line.used.last_seen_unix_ms,
            callers: Vec::new(),
        };
        apps.insert(line.group.clone(), new);
    }
    for line in &by_day.lines {
        if let Some(app) = apps.get_mut(&line.group) {
            app.add_day(line, *days.start());
        }
    }
    for line in by_caller.lines.iter().filter(|line| !line.other && line.used.calls + line.used.refused > 0) {
        let (app, who) = line.group.split_at(APP.len().min(line.group.len()));
        let (Some(app), [subject, actor]) = (apps.get_mut(app), who) else { continue };
        app.callers.push(Caller {
            subject: subject.clone(),
            actor: actor.clone(),
            calls: line.used.calls,
            first_seen_unix_ms: line.used.first_seen_unix_ms,
            last_seen_unix_ms: line.used.last_seen_unix_ms,
        });
    }
    let mut apps: Vec<App> = apps.into_values().map(App::with_trend).collect();
    apps.sort_by_key(|app| (std::cmp::Reverse(app.calls), app.app.clone(), app.environment.clone()));
    apps
}

impl App {
    fn add_day(&mut self, line: &UsageLine, first_day: u64) {
        let used = &line.used;
        (self.calls, self.errors) = (self.calls + used.calls, self.errors + used.errors);
        self.refused += used.refused;
        let day = (line.begin_unix_ms.unwrap_or_default() / DAY_MS).saturating_sub(first_day);
        if let Some(calls) = usize::try_from(day).ok().and_then(|day| self.days.get_mut(day)) {
            *calls += used.calls;
        }
    }

    fn with_trend(mut self) -> Self {
        self.active_days = self.days.iter().filter(|calls| **calls > 0).count();
        let (earlier, later) = self.days.split_at(self.days.len() / 2);
        // Of an odd number of days, the first counts on neither side.
        let later: u64 = later.iter().rev().take(earlier.len()).sum();
        let earlier: u64 = earlier.iter().sum();
        let change = i128::from(later) - i128::from(earlier);
        self.trend_percent = (change * 100).checked_div(earlier.into()).and_then(|percent| i64::try_from(percent).ok());
        self
    }
}

fn text(out: &mut dyn Write, apps: &[App], days: u32) -> std::io::Result<()> {
    if apps.is_empty() {
        return writeln!(out, "no app has called yet: `airlock invoke` with a token of one is its first call");
    }
    let charts = Charts::here();
    let titles = [Column::name("APP"), Column::name("TENANT"), Column::name("ENVIRONMENT"), Column::number("CALLS")];
    let by_day = Column { title: format!("LAST {days} DAYS"), is_number: false };
    let rest = [Column::number("ACTIVE DAYS"), by_day, Column::number("TREND"), Column::name("FIRST SEEN")];
    let last = [Column::name("LAST SEEN"), Column::number("CALLERS"), Column::name("MOST BY")];
    let columns: Vec<Column> = titles.into_iter().chain(rest).chain(last).collect();
    let rows: Vec<Vec<String>> = apps
        .iter()
        .map(|app| {
            let trend = app.trend_percent.map_or_else(|| "-".to_owned(), |percent| format!("{percent:+} %"));
            vec![
                shown(&app.app),
                shown(&app.tenant),
                shown(&app.environment),
                count(app.calls),
                app.active_days.to_string(),
                format!("|{}|", charts.line(&app.days)),
                trend,
                day(app.first_seen_unix_ms),
                day(app.last_seen_unix_ms),
                app.callers.len().to_string(),
                app.callers.iter().take(CALLERS_SHOWN).map(Caller::shown).collect::<Vec<_>>().join(", "),
            ]
        })
        .collect();
    table::print(out, &columns, &rows)?;
    writeln!(out, "\nthe trend is the later half of the days against the earlier half; days of UTC")
}

impl Caller {
    fn shown(&self) -> String {
        let actor = if self.actor.is_empty() { String::new() } else { format!(" by {}", shown(&self.actor)) };
        format!("{}{actor} ({})", shown(&self.subject), count(self.calls))
    }
}

pub fn day(unix_ms: u64) -> String {
    if unix_ms == 0 { "-".to_owned() } else { when::utc(unix_ms / 1_000).chars().take(10).collect() }
}

#[cfg(test)]
mod tests {
    use airlock_service::Figures;

    use super::*;

    fn line(group: &[&str], day: Option<u64>, calls: u64) -> UsageLine {
        let used = Figures { calls, first_seen_unix_ms: 7, last_seen_unix_ms: 9, ..Figures::default() };
        let group = group.iter().map(|text| (*text).to_owned()).collect();
        UsageLine { begin_unix_ms: day.map(|day| day * DAY_MS), group, other: false, used }
    }

    fn report(lines: Vec<UsageLine>) -> UsageReport {
        UsageReport { lines, total: Figures::default(), groups: 0, through_seq: 0 }
    }

    #[test]
    fn an_app_has_its_days_its_callers_and_a_trend() {
        let desk = ["acme", "dev", "desk"];
        let by_day = report(vec![line(&desk, Some(10), 4), line(&desk, Some(12), 5), line(&desk, Some(13), 1)]);
        let by_caller = report(vec![
            line(&["acme", "dev", "desk", "ada", ""], None, 9),
            line(&["acme", "dev", "desk", "eve", "robot"], None, 1),
            line(&["acme", "dev", "other", "mallory", ""], None, 1),
        ]);
        let ever =
            report(vec![line(&desk, None, 99), line(&["", "", ""], None, 3), line(&["acme", "dev", "old"], None, 1)]);
        let apps = apps(&by_day, &by_caller, &ever, 10..=13);
        let [desk, old] = apps.as_slice() else { panic!("{} apps", apps.len()) };
        assert_eq!((desk.calls, desk.active_days, desk.days.as_slice()), (10, 3, [4, 0, 5, 1].as_slice()));
        assert_eq!(desk.trend_percent, Some(50), "six after four");
        assert_eq!(desk.callers.iter().map(Caller::shown).collect::<Vec<_>>(), ["ada (9)", "eve by robot (1)"]);
        assert_eq!((old.calls, old.trend_percent, old.callers.len()), (0, None, 0), "it called once, long ago");
    }
}
