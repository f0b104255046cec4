//! `airlock egress explain`: the same verdicts from the command line.

use std::process::{Command, Output};

use airlock_tests::{Harness, airlock_binary};
use serde_json::Value;

fn explain(harness: &Harness, environment: &str, method: &str, url: &str) -> Output {
    let config = harness.dir().join("airlock.toml");
    let arguments = ["--json", "egress", "explain", "--resource", "crm", "--environment", environment, "--config"];
    Command::new(airlock_binary()).args(arguments).arg(config).args([method, url]).output().expect("airlock")
}

#[tokio::test]
async fn verdicts_have_a_rule_an_address_and_an_exit_code() {
    let harness = Harness::start().await;
    let api = format!("http://{}", harness.crm.address);
    for (environment, method, url, rule, code) in [
        ("dev", "GET", format!("{api}/customers/ada"), "allowed", 0),
        ("dev", "POST", format!("{api}/customers/ada"), "operation_not_listed", 3),
        ("dev", "BREW", format!("{api}/customers/ada"), "method_unknown", 3),
        ("dev", "GET", format!("{api}/a/../b"), "path_ambiguous", 3),
        ("dev", "GET", "http://169.254.169.254/".to_owned(), "origin_not_listed", 3),
        ("dev", "GET", "http://2130706433/".to_owned(), "url_host_spelling", 3),
        ("prod", "GET", format!("{api}/customers/ada"), "address_forbidden", 3),
    ] {
        let output = explain(&harness, environment, method, &url);
        let verdict: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        assert_eq!(
            (verdict["rule"].as_str(), output.status.code()),
            (Some(rule), Some(code)),
            "{method} {url}: {verdict}"
        );
        assert_eq!(verdict["decision"], if code == 0 { "allow" } else { "deny" });
        assert!(verdict["why"].as_array().is_some_and(|why| !why.is_empty()));
    }
    let allowed = explain(&harness, "dev", "GET", &format!("{api}/customers/ada"));
    let verdict: Value = serde_json::from_slice(&allowed.stdout).expect("JSON");
    assert_eq!(verdict["address"], harness.crm.address.to_string());
    assert_eq!(harness.crm.request_count(), 0, "nothing is sent");
    assert_eq!(explain(&harness, "bare", "GET", &api).status.code(), Some(1));
}
