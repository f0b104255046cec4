//! The dashboard, the alert rules and the documentation name what a server exposes, all of it and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use airlock_tests::{
    Harness, Options,
    guests::{WatGuest, root},
    tokens::TokenSpec,
};
use serde_json::Value;

use super::{
    collector::{Collector, Manner},
    metrics::numbers,
};

/// Labels of every metric that is exposed.
type Exposed = BTreeMap<String, BTreeSet<String>>;

/// A server that has seen a bit of everything.
async fn exposed() -> String {
    let collector = Collector::start(Manner::Well).await;
    let harness = Harness::start_with(Options { more_config: collector.config("interval_s = 1") }).await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    harness.deploy_built("sql-probe").await;
    harness.invoke("one", "null").await.expect("it runs");
    let everything = TokenSpec::everything();
    harness.probe(&everything, r#"{"op":"query","statement":"SELECT id FROM orders"}"#).await;
    harness.invoke("nothing", "null").await.expect_err("not deployed");
    collector.trace_of("invoke sql-probe", 3).await;
    collector.until(|seen| (!seen.numbers().is_empty()).then_some(())).await;
    harness.app().telemetry().flush().await;
    numbers(&harness).await
}

/// Reads the text format of Prometheus.
fn read(text: &str) -> Exposed {
    let mut exposed = Exposed::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').expect("a value");
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let known = exposed.entry(name.to_owned()).or_default();
        known
            .extend(labels.split("\",").filter_map(|label| label.split_once("=\"")).map(|(label, _)| label.to_owned()));
    }
    exposed
}

/// What one PromQL expression names.
#[derive(Debug, Default)]
struct Named {
    /// Metrics, with the labels that select among their series.
    metrics: Vec<(String, BTreeSet<String>)>,
    /// Labels that are grouped by.
    grouped: BTreeSet<String>,
}

const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
const OPERATORS: [&str; 6] = ["and", "or", "unless", "offset", "bool", "atan2"];

/// Names of a PromQL expression: a name before `(` is a function or an aggregation, one in `{}` a label, one in the list of a
/// grouping a label too, and every other one a metric.
fn names(expression: &str) -> Named {
    let tokens = tokens(expression);
    let mut named = Named::default();
    let (mut braces, mut list) = (false, false);
    for (place, token) in tokens.iter().enumerate() {
        let next = tokens.get(place + 1).map(String::as_str);
        let is_name = token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        match token.as_str() {
            "{" => braces = true,
            "}" => braces = false,
            ")" => list = false,
            _ if !is_name => {}
            label if braces => {
                named.metrics.last_mut().expect("a metric before its labels").1.insert(label.to_owned());
            }
            label if list => {
                named.grouped.insert(label.to_owned());
            }
            word if GROUPING.contains(&word) => list = next == Some("("),
            word if OPERATORS.contains(&word) || next == Some("(") => {}
            // `sum by (x) (..)`: the aggregation stands before its grouping.
            _ if next.is_some_and(|next| GROUPING.contains(&next)) => {}
            metric => named.metrics.push((metric.to_owned(), BTreeSet::new())),
        }
    }
    named
}

/// Words, and everything else that counts; texts, durations and numbers left out.
fn tokens(expression: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        let length = match first {
            '"' => 2 + rest[1..].find('"').expect("a text ends"),
            '[' => 1 + rest.find(']').expect("a range ends"),
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let (token, behind) = rest.split_at(length);
        if !token.starts_with(['"', '[']) && !token.starts_with(|c: char| c.is_ascii_digit() || c.is_whitespace()) {
            tokens.push(token.to_owned());
        }
        rest = behind;
    }
    tokens
}

#[test]
fn promql_is_read_as_it_is_meant() {
    let text = "histogram_quantile(0.99, sum by (instance, le) (rate(a_bucket{x=~\"b_c{d}\", y!=\"$e\"}[5m]))) > 0.8 * on (z) f_total \
                unless sum(g) without (h) offset 5m";
    let Named { metrics, grouped } = names(text);
    let metrics: Vec<_> = metrics.iter().map(|(name, labels)| (name.as_str(), labels.len())).collect();
    assert_eq!(metrics, [("a_bucket", 2), ("f_total", 0), ("g", 0)]);
    assert_eq!(grouped.into_iter().collect::<Vec<_>>(), ["h", "instance", "le", "z"]);
}

fn document(name: &str) -> String {
    std::fs::read_to_string(root().join("docs").join(name)).unwrap_or_else(|why| panic!("docs/{name}: {why}"))
}

/// Every expression of the alert rules.
fn of_alerts() -> Vec<String> {
    let text = document("telemetry/alerts.yaml");
    let scalars: Vec<String> = saphyr_parser::Parser::new_from_str(&text)
        .filter_map(|event| match event.expect("YAML").0 {
            saphyr_parser::Event::Scalar(value, ..) => Some(value.into_owned()),
            _ => None,
        })
        .collect();
    scalars.windows(2).filter(|pair| pair[0] == "expr").map(|pair| pair[1].clone()).collect()
}

/// Every expression of the dashboard, those of its variables included.
fn of_dashboard() -> Vec<String> {
    let board: Value = serde_json::from_str(&document("telemetry/grafana-dashboard.json")).expect("JSON");
    let mut found = Vec::new();
    collect(&board, &mut found);
    found
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields {
                match inner.as_str().filter(|_| key == "expr" || key == "query") {
                    // The type of a data source is no expression.
                    Some("prometheus") => {}
                    Some(expression) => found.push(selected(expression)),
                    None => collect(inner, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}

/// `label_values(metric, label)` of Grafana asks for a label as a selector does.
fn selected(expression: &str) -> String {
    let inner = expression.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
    match inner.and_then(|inner| inner.split_once(", ")) {
        Some((metric, label)) => format!("{metric}{{{label}=\"\"}}"),
        None => expression.to_owned(),
    }
}

/// Prometheus adds these to what it reads, and makes `up` itself.
const OF_PROMETHEUS: [&str; 2] = ["instance", "job"];

#[tokio::test]
async fn dashboard_and_alerts_name_what_a_server_exposes() {
    let exposed = read(&exposed().await);
    let (alerts, panels) = (of_alerts(), of_dashboard());
    assert!(alerts.len() >= 15 && panels.len() >= 30, "{} {}", alerts.len(), panels.len());
    for expression in alerts.iter().chain(&panels) {
        let Named { metrics, grouped } = names(expression);
        assert!(!metrics.is_empty(), "{expression}");
        let metrics: Vec<_> = metrics.into_iter().filter(|(name, _)| name != "up").collect();
        let mut labels: BTreeSet<_> = OF_PROMETHEUS.map(str::to_owned).into();
        for (metric, selected) in metrics {
            let known = exposed.get(&metric).unwrap_or_else(|| panic!("nothing exposes `{metric}`: {expression}"));
            labels.extend(known.iter().cloned());
            let odd: Vec<_> = selected.difference(&labels).collect();
            assert!(odd.is_empty(), "`{metric}` has no labels {odd:?}: {expression}");
        }
        let odd: Vec<_> = grouped.difference(&labels).collect();
        assert!(odd.is_empty(), "no labels {odd:?}: {expression}");
    }
}

/// The reverse: what is exposed is explained, and what is explained is exposed.
#[tokio::test]
async fn the_documentation_explains_every_number_and_none_that_is_not_there() {
    let text = exposed().await;
    let typed: BTreeSet<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let page = document("telemetry.md");
    let explained: BTreeSet<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|name| name.starts_with("airlock_") || name.starts_with("process_"))
        .collect();
    assert_eq!(typed, explained);
    let labels = read(&text);
    for line in page.lines().filter(|line| line.starts_with("| `airlock_")) {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let name = cells[1].trim_matches('`');
        let said: BTreeSet<_> =
            cells[2].split(", ").map(|label| label.trim_matches('`')).filter(|label| !label.is_empty()).collect();
        let series = labels.get(name).or_else(|| labels.get(&format!("{name}_count"))).expect("exposed");
        assert_eq!(said, series.iter().map(String::as_str).collect(), "{line}");
    }
}
