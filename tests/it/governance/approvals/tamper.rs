//! Every way to execute something else than was approved: nothing of it happens, as the database's own rows say.

use std::time::Duration;

use airlock_proto::v1::ApproveRequest;
use airlock_tests::{
    Harness,
    approvals::{approval_in, approver},
    tokens::TokenSpec,
};
use serde_json::{Value, json};

use super::{approved, asked, caller, execute, rows, stage, state};

const STATEMENT: &str = "update orders set total = total + 1000 where customer = ?1 and id = ?2";

fn params(id: u64) -> Value {
    json!(["ada", id])
}

/// Requests that the attempts leave behind would fill the list of those who decide.
async fn clear(harness: &Harness, environment: &str) {
    for approval in harness.approvals_in(&approver(environment), "pending").await {
        harness.reject(&approver(environment), &approval.id, "an attempt of the test").await.expect("rejected");
    }
}

/// Makes the calls; none may be executed. Gives how many there were.
async fn all_denied(harness: &Harness, spec: &TokenSpec, calls: &[String]) -> usize {
    let before = rows(harness).await;
    for calls_of_a_round in calls.chunks(50) {
        for call in calls_of_a_round {
            let answer = harness.probe(spec, call).await;
            let reason = answer["error"]["reason"].as_str().unwrap_or_default();
            let is_denied =
                ["approval_pending", "approval_rejected", "not_granted", "statement_refused"].contains(&reason);
            assert!(is_denied, "{call}: {answer}");
        }
        clear(harness, spec.environment_name()).await;
    }
    assert_eq!(rows(harness).await, before, "something was executed");
    calls.len()
}

/// The statement with each character changed a little.
fn other_statements() -> Vec<String> {
    let changed = |(index, c): (usize, char)| {
        let other: String = match c {
            ' ' => "  ".to_owned(),
            c if c.is_ascii_lowercase() => c.to_ascii_uppercase().to_string(),
            c if c.is_ascii_digit() => char::from(b'0' + (c as u8 - b'0' + 1) % 10).to_string(),
            '=' => " =".to_owned(),
            other => format!("{other} "),
        };
        format!("{}{other}{}", &STATEMENT[..index], &STATEMENT[index + c.len_utf8()..])
    };
    let mut texts: Vec<String> = STATEMENT.char_indices().map(changed).collect();
    texts.extend([
        format!("{STATEMENT};"),
        format!("{STATEMENT} "),
        format!(" {STATEMENT}"),
        format!("{STATEMENT} -- x"),
        format!("/* x */ {STATEMENT}"),
        STATEMENT.replace("and", "or"),
        STATEMENT.replace("+ 1000", "+ 1000.0"),
    ]);
    texts
}

fn other_parameters() -> Vec<Value> {
    let mut all = vec![
        json!([1, "ada"]),
        json!(["ada", "1"]),
        json!(["ada", 1.0]),
        json!(["Ada", 1]),
        json!(["ada ", 1]),
        json!([" ada", 1]),
        json!(["ada\u{0}", 1]),
        json!(["ada", true]),
        json!(["ada", null]),
        json!([null, 1]),
        json!(["ada", 1, null]),
        json!(["ada"]),
        json!([]),
        json!([["ada"], 1]),
        json!([{ "ada": 1 }, 1]),
    ];
    all.extend((2..60).map(|id| json!(["ada", id])));
    all.extend((0..20).map(|number| json!([format!("ada{number}"), 1])));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_from_what_was_approved_is_not_executed() {
    let harness = stage().await;
    let call = execute(STATEMENT, &params(1));
    let id = approved(&harness, "each", &call).await;
    let ada = caller("each");

    let texts = other_statements();
    assert!(!texts.iter().any(|text| text == STATEMENT), "a change that changes nothing");
    let texts: Vec<_> = texts.iter().map(|text| execute(text, &params(1))).collect();
    let values: Vec<_> = other_parameters().iter().map(|values| execute(STATEMENT, values)).collect();
    let mut tried = all_denied(&harness, &ada, &texts).await;
    tried += all_denied(&harness, &ada, &values).await;
    let same = vec![call.clone(); 10];
    for stranger in [
        ada.clone().subject("bob@example.com"),
        ada.clone().app("other-app"),
        ada.clone().tenant("globex"),
        caller("other"),
        caller("text"),
    ] {
        tried += all_denied(&harness, &stranger, &same).await;
    }
    tried += other_revision(&harness, &ada, &same).await;
    assert!(tried >= 210, "{tried} cases");

    // It was there all the while.
    assert_eq!(harness.probe(&ada, &call).await, json!({ "affected": 1 }));
    assert_eq!(state(&harness, "each", &id).await, "used");
}

/// The same statement of another revision; afterwards the first is live again.
async fn other_revision(harness: &Harness, spec: &TokenSpec, calls: &[String]) -> usize {
    let (manifest, component) = airlock_tests::guests::built("sql-probe");
    let ddl =
        |text: &str| text.replace(r#"operations = ["read", "write"]"#, r#"operations = ["read", "write", "ddl"]"#);
    let other = ddl(&manifest).replace("Makes the host calls", "Makes all host calls");
    harness.deploy_to("each", &other, component.clone()).await.expect("deployed");
    let tried = all_denied(harness, spec, calls).await;
    harness.deploy_to("each", &ddl(&manifest), component).await.expect("deployed");
    tried
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_decided_otherwise_or_by_others_is_not_executed() {
    let harness = stage().await;
    let before = rows(&harness).await;
    let (ada, grace) = (caller("each"), approver("each"));
    let call = |case: &str, number: u64| {
        execute("update orders set status = ?1 where id = ?2", &json!([format!("{case}-{number}"), number % 4 + 1]))
    };
    let ending = harness.approve_with(
        &grace,
        ApproveRequest {
            id: asked(&harness, &ada, &call("expired", 99)).await,
            expires_after_s: Some(1),
            ..ApproveRequest::default()
        },
    );
    ending.await.expect("approved");
    for number in 0..20 {
        let id = asked(&harness, &ada, &call("author", number)).await;
        let own = harness.approve(&grace.clone().subject("ada@example.com"), &id).await.expect_err("an author");
        assert_eq!(airlock_tests::reason(&own), "not_granted");
        let id = asked(&harness, &ada, &call("foreign", number)).await;
        for stranger in [grace.clone().tenant("globex"), approver("other"), approver("dev")] {
            let refused = harness.approve(&stranger, &id).await.expect_err("a stranger");
            assert_eq!(airlock_tests::reason(&refused), "approval_unknown");
        }
        let id = asked(&harness, &ada, &call("rejected", number)).await;
        harness.reject(&grace, &id, "not like this").await.expect("rejected");
        let late = harness.approve(&grace, &id).await.expect_err("it is closed");
        assert_eq!(airlock_tests::reason(&late), "approval_closed");
        let id = asked(&harness, &ada, &call("revoked", number)).await;
        harness.approve(&grace, &id).await.expect("approved");
        harness.revoke(&grace, &id).await.expect("revoked");
        for case in ["author", "foreign", "rejected", "revoked"] {
            let answer = harness.probe(&ada, &call(case, number)).await;
            let wanted = if case == "rejected" { "approval_rejected" } else { "approval_pending" };
            assert_eq!(super::reason(&answer), wanted, "{case}: {answer}");
            if case == "rejected" {
                assert!(answer.to_string().contains("not like this"), "the author is told why: {answer}");
            }
        }
        clear(&harness, "each").await;
    }
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let late = asked(&harness, &ada, &call("expired", 99)).await;
    assert_eq!(state(&harness, "each", &late).await, "pending", "the old one has ended, so it is asked for anew");
    assert_eq!(rows(&harness).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_executed_is_not_executed_again() {
    let harness = stage().await;
    let ada = caller("each");
    for number in 0..40_u32 {
        let call = execute("update orders set total = total + ?1 where id = 2", &json!([number]));
        let id = approved(&harness, "each", &call).await;
        assert_eq!(harness.probe(&ada, &call).await, json!({ "affected": 1 }));
        let after = rows(&harness).await;
        let again = harness.probe(&ada, &call).await;
        assert_eq!(super::reason(&again), "approval_pending");
        assert_ne!(approval_in(&again), id);
        assert_eq!(rows(&harness).await, after);
        assert_eq!(state(&harness, "each", &id).await, "used");
        clear(&harness, "each").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixty_four_calls_at_once_one_executes() {
    let harness = std::sync::Arc::new(stage().await);
    for round in 1..=3 {
        // A text of its own: what the losers of the last round asked for was rejected.
        let text = format!("update orders set total = total + 1000 where id = ?1 -- {round}");
        let call = execute(&text, &json!([1]));
        let id = approved(&harness, "each", &call).await;
        let calls: Vec<_> = (0..64)
            .map(|_| {
                let (harness, call) = (std::sync::Arc::clone(&harness), call.clone());
                tokio::spawn(async move { harness.invoke_as(&caller("each"), "sql-probe", &call).await })
            })
            .collect();
        let mut executed = 0;
        for call in calls {
            // What is shed was not executed either.
            let Ok(answer) = call.await.expect("a call") else { continue };
            executed += usize::from(airlock_tests::output(&answer) == json!({ "affected": 1 }));
        }
        assert_eq!(executed, 1, "round {round}");
        assert_eq!(state(&harness, "each", &id).await, "used");
        assert_eq!(rows(&harness).await[0][2], json!(19.5 + 1000.0 * f64::from(round)), "the database says so too");
        clear(&harness, "each").await;
    }
}
