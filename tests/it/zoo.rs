//! The zoo: every hostile guest ends in the one outcome it must have, in time, and the server goes on.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use airlock_proto::v1::invoke_response;
use airlock_tests::{
    Harness, reason,
    zoo::{Specimen, specimens},
};
use tonic::Status;
use tonic_types::StatusExt;

/// What a call may take beyond its deadline here, where neighbours are busy; the zoo's runner measures the real bar.
const GRACE: Duration = Duration::from_secs(5);
/// The deadline of a call whose manifest does not set one.
const DEFAULT_WALL_TIME_MS: u64 = 10_000;

#[tokio::test]
async fn every_hostile_guest_has_its_one_outcome() {
    let harness = Harness::start().await;
    let mut wrong = Vec::new();
    for specimen in specimens() {
        let (actual, text, took) = outcome(&harness, &specimen).await;
        if !is_expected(&actual, specimen.expected) {
            wrong.push(format!("{}: expected {}, was {actual}: {text}", specimen.name, specimen.expected));
        }
        if took > wall_time(specimen.manifest) + GRACE {
            wrong.push(format!("{}: took {} ms", specimen.name, took.as_millis()));
        }
        assert!(harness.is_serving().await, "{}: the server is gone", specimen.name);
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn specimens_are_many_and_told_apart() {
    let all = specimens();
    assert!(all.len() >= 64, "{} specimens", all.len());
    let mut names = BTreeSet::new();
    for specimen in &all {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(specimen.name.chars().all(plain) && specimen.name.len() <= 63, "{}", specimen.name);
        assert!(names.insert(specimen.name), "{} is there twice", specimen.name);
    }
}

/// What came of it in the words of [`Specimen::expected`], what was said, and how long the call took.
async fn outcome(harness: &Harness, specimen: &Specimen) -> (String, String, Duration) {
    let manifest = format!("name = \"{}\"\nlanguage = \"component\"\n{}", specimen.name, specimen.manifest);
    if let Err(status) = harness.deploy(&manifest, (specimen.component)()).await {
        return (refusal(&status), status.message().to_owned(), Duration::ZERO);
    }
    let began = Instant::now();
    let answer = harness.invoke(specimen.name, specimen.payload).await;
    let took = began.elapsed();
    match answer {
        Err(status) => (reason(&status), status.message().to_owned(), took),
        Ok(response) => match response.result {
            Some(invoke_response::Result::Output(_)) => ("returned".to_owned(), String::new(), took),
            Some(invoke_response::Result::FunctionError(error)) => ("function_error".to_owned(), error.message, took),
            None => ("nothing".to_owned(), String::new(), took),
        },
    }
}

/// `rejected:` and every rule that was broken, or the reason when it is another one.
fn refusal(status: &Status) -> String {
    let why = reason(status);
    if why != "component_rejected" {
        return why;
    }
    let details = status.get_error_details();
    let violations = details.precondition_failure().map(|failure| failure.violations.clone()).unwrap_or_default();
    let rules: BTreeSet<_> = violations.into_iter().map(|violation| violation.r#type).collect();
    format!("rejected:{}", rules.into_iter().collect::<Vec<_>>().join(","))
}

fn is_expected(actual: &str, expected: &str) -> bool {
    match (actual.strip_prefix("rejected:"), expected.strip_prefix("rejected:")) {
        (Some(rules), Some(rule)) => rules.split(',').any(|found| found == rule),
        _ => actual == expected || expected.split_once(':').is_some_and(|(kind, _)| kind == actual),
    }
}

fn wall_time(manifest: &str) -> Duration {
    let manifest: toml::Table = manifest.parse().expect("TOML");
    let set = manifest.get("limits").and_then(|limits| limits.get("wall_time_ms")).and_then(toml::Value::as_integer);
    Duration::from_millis(set.and_then(|value| u64::try_from(value).ok()).unwrap_or(DEFAULT_WALL_TIME_MS))
}
