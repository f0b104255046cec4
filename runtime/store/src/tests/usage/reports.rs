//! What reports can be asked for.

use super::{HOUR_MS, call, open, principal, state_dir};
use crate::{Dimension, SortBy, Step, Store, StoreError, UsageQuery, UsageReport};

/// Ada calls thrice, Bob twice, Eve once, in hours of two days; Mallory is of another tenant.
async fn filled(dir: &std::path::Path) -> Store {
    let store = open(dir);
    for (number, (tenant, subject, hour)) in [
        ("acme", "ada", 1),
        ("acme", "ada", 2),
        ("acme", "ada", 30),
        ("acme", "bob", 2),
        ("acme", "bob", 3),
        ("acme", "eve", 40),
        ("globex", "mallory", 2),
    ]
    .into_iter()
    .enumerate()
    {
        let mut event = call(number as u64 + 1, &principal(tenant, subject), hour * HOUR_MS + 7);
        if subject == "bob" {
            event.reason = Some("trap".to_owned());
        }
        store.append(event).await.expect("appended");
    }
    store
}

async fn asked(store: &Store, query: UsageQuery) -> UsageReport {
    store.usage(query).await.expect("reported")
}

fn of_acme() -> UsageQuery {
    UsageQuery {
        only: vec![(Dimension::Tenant, vec!["acme".to_owned()])],
        by: vec![Dimension::Subject],
        ..UsageQuery::default()
    }
}

fn told(report: &UsageReport) -> Vec<(Option<u64>, String, u64)> {
    let name = |line: &crate::UsageLine| if line.other { "(other)".to_owned() } else { line.group.join("/") };
    let hour = |begin: u64| begin / HOUR_MS;
    report.lines.iter().map(|line| (line.begin_unix_ms.map(hour), name(line), line.used.calls)).collect()
}

fn of(wanted: &[(Option<u64>, &str, u64)]) -> Vec<(Option<u64>, String, u64)> {
    wanted.iter().map(|(begin, name, calls)| (*begin, (*name).to_owned(), *calls)).collect()
}

#[tokio::test]
async fn groups_come_in_order_and_the_rest_is_one() {
    let dir = state_dir();
    let store = filled(dir.path()).await;
    let report = asked(&store, of_acme()).await;
    assert_eq!(told(&report), of(&[(None, "ada", 3), (None, "bob", 2), (None, "eve", 1)]));
    let report = asked(&store, UsageQuery { top: Some(1), ..of_acme() }).await;
    assert_eq!(told(&report), of(&[(None, "ada", 3), (None, "(other)", 3)]));
    assert_eq!((report.groups, report.total.calls), (3, 6));
    let report = asked(&store, UsageQuery { sort: SortBy::Errors, top: Some(1), ..of_acme() }).await;
    assert_eq!(told(&report), of(&[(None, "bob", 2), (None, "(other)", 4)]));
    assert_eq!((report.total.errors, report.total.outcomes["trap"]), (2, 2));
    let report = asked(&store, UsageQuery { sort: SortBy::P99, ..of_acme() }).await;
    assert_eq!(told(&report)[0].1, "eve", "the last calls took longest");
}

#[tokio::test]
async fn time_is_cut_into_hours_and_days_and_bounded_by_whole_hours() {
    let dir = state_dir();
    let store = filled(dir.path()).await;
    let days = asked(&store, UsageQuery { step: Step::Day, top: Some(1), ..of_acme() }).await;
    let wanted = of(&[(Some(0), "ada", 2), (Some(24), "ada", 1), (Some(0), "(other)", 2), (Some(24), "(other)", 1)]);
    assert_eq!(told(&days), wanted);
    let hours = UsageQuery {
        step: Step::Hour,
        since_unix_ms: Some(2 * HOUR_MS + HOUR_MS / 2),
        until_unix_ms: Some(30 * HOUR_MS + 1),
        ..of_acme()
    };
    let hours = asked(&store, hours).await;
    let wanted = of(&[(Some(2), "ada", 1), (Some(30), "ada", 1), (Some(2), "bob", 1), (Some(3), "bob", 1)]);
    assert_eq!(told(&hours), wanted, "an hour counts when any of it is asked for");
    assert_eq!(hours.total.calls, 4);
}

#[tokio::test]
async fn a_filter_lets_nothing_else_through() {
    let dir = state_dir();
    let store = filled(dir.path()).await;
    let everybody = asked(&store, UsageQuery { by: vec![Dimension::Tenant], ..UsageQuery::default() }).await;
    assert_eq!(told(&everybody), of(&[(None, "acme", 6), (None, "globex", 1)]));
    let mut two = of_acme();
    two.only.push((Dimension::Subject, vec!["eve".to_owned(), "mallory".to_owned()]));
    assert_eq!(told(&asked(&store, two).await), of(&[(None, "eve", 1)]));
    let mut elsewhere = of_acme();
    elsewhere.only.push((Dimension::Environment, vec!["prod".to_owned()]));
    let nothing = asked(&store, elsewhere).await;
    assert_eq!((nothing.lines.len(), nothing.total.calls, nothing.groups), (0, 0, 0));
}

#[tokio::test]
async fn an_answer_that_is_too_long_says_what_to_ask_instead() {
    let dir = state_dir();
    let store = open(dir.path());
    for number in 0..20_001 {
        let next = call(number, &principal("acme", "ada"), number * HOUR_MS);
        match store.enqueue(next.clone()) {
            // The queue is full: wait for its end.
            Err(StoreError::Busy { .. }) => drop(store.append(next).await.expect("appended")),
            queued => queued.expect("queued"),
        }
    }
    store.append(call(1, &principal("acme", "ada"), 0)).await.expect("appended");
    let by_hour = UsageQuery { step: Step::Hour, ..of_acme() };
    let error = store.usage(by_hour).await.expect_err("too long");
    assert!(matches!(error, StoreError::TooMuch { max: 20_000 }), "{error:?}");
    assert!(error.to_string().contains("a longer step"), "{error}");
    let by_day = asked(&store, UsageQuery { step: Step::Day, ..of_acme() }).await;
    assert_eq!(by_day.total.calls, 20_002);
}
