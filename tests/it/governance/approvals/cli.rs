//! `airlock approvals`, as people and scripts type it.

use std::process::{Command, Output};

use airlock_tests::{Harness, airlock_binary, approvals::approver};
use serde_json::{Value, json};

use super::{asked, caller, execute, stage};

fn airlock(harness: &Harness, arguments: &[&str]) -> Output {
    let mut command = Command::new(airlock_binary());
    command.arg("approvals").args(arguments).args(["--environment", "each"]);
    command.args(["--server", &format!("http://{}", harness.server().control_addr())]);
    command.env("AIRLOCK_TOKEN", harness.token(&approver("each"))).env("NO_COLOR", "1");
    command.output().expect("the binary runs")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {output:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_lists_looks_tries_and_decides() {
    let harness = stage().await;
    let call = execute("update orders set total = ?1 where customer = ?2", &json!([1, "grace"]));
    let id = asked(&harness, &caller("each"), &call).await;

    let listed = airlock(&harness, &["list", "--state", "pending", "--json"]);
    assert_eq!((document(&listed)[0]["id"].as_str(), listed.status.code()), (Some(id.as_str()), Some(0)));
    let shown = text(&airlock(&harness, &["show", &id]));
    for wanted in ["pending (execution)", "ada@example.com", "orders", r#"[1,"grace"]"#, "update orders set total = ?1"]
    {
        assert!(shown.contains(wanted), "{wanted} is missing: {shown}");
    }
    let tried = document(&airlock(&harness, &["preview", &id, "--json"]));
    assert_eq!((&tried["affected"], &tried["sample"][0][1]), (&json!(1), &json!("text(5) g…")));
    let approved = airlock(&harness, &["approve", &id, "--rows-max", "1", "--json"]);
    assert_eq!(document(&approved)["state"], "approved");
    assert_eq!(harness.probe(&caller("each"), &call).await, json!({ "affected": 1 }));

    let late = airlock(&harness, &["reject", &id, "--reason", "no"]);
    assert_eq!(late.status.code(), Some(3), "{late:?}");
    assert!(String::from_utf8_lossy(&late.stderr).contains("approval_closed"), "{late:?}");
    let again = asked(&harness, &caller("each"), &call).await;
    let rejected = airlock(&harness, &["reject", &again, "--reason", "once is enough", "--json"]);
    assert_eq!(document(&rejected)["reason"], "once is enough");
}
