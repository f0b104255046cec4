//! The one door: grants in three layers, statement classes, policies, budgets, and the record of each.

use airlock_model::{AuditKind, Decision};
use airlock_tests::{Harness, tokens::TokenSpec};
use serde_json::{Value, json};

const READ: &str = r#"{"op":"query","statement":"select count(*) as n from orders"}"#;
const WRITE: &str =
    r#"{"op":"execute","statement":"update orders set total = total + 1 where customer = ?1","params":["ada"]}"#;

fn denial(answer: &Value) -> (&str, &str) {
    let error = &answer["error"];
    (error["kind"].as_str().unwrap_or_default(), error["reason"].as_str().unwrap_or_default())
}

async fn with_probe() -> Harness {
    let harness = Harness::start().await;
    harness.deploy_built("sql-probe").await;
    harness
}

#[tokio::test]
async fn reads_and_writes_pass_with_their_grants_and_not_without() {
    let harness = with_probe().await;
    let all = TokenSpec::everything();
    assert_eq!(harness.probe(&all, READ).await["rows"], json!([[4]]));
    assert_eq!(harness.probe(&all, WRITE).await["affected"], json!(3));
    let reader = TokenSpec::only("sql-probe", &["orders-db:read"]);
    assert_eq!(harness.probe(&reader, READ).await["rows"], json!([[4]]));
    assert_eq!(denial(&harness.probe(&reader, WRITE).await), ("denied", "not_granted"));
    let nothing = TokenSpec::only("sql-probe", &[]);
    assert_eq!(denial(&harness.probe(&nothing, READ).await), ("denied", "not_granted"));
    let elsewhere = TokenSpec::only("sql-probe", &["other-db:read"]);
    assert_eq!(denial(&harness.probe(&elsewhere, READ).await), ("denied", "not_granted"));
}

#[tokio::test]
async fn an_environment_decides_about_writes() {
    let harness = with_probe().await;
    let (manifest, component) = airlock_tests::guests::built("sql-probe");
    for (environment, wanted) in [("prod", "writes_denied"), ("qa", "approval_pending")] {
        harness.deploy_to(environment, &manifest, component.clone()).await.expect("deployed");
        let all = TokenSpec::everything().environment(environment);
        assert_eq!(harness.probe(&all, READ).await["rows"], json!([[4]]), "{environment}");
        assert_eq!(denial(&harness.probe(&all, WRITE).await), ("denied", wanted), "{environment}");
    }
}

#[tokio::test]
async fn statements_beyond_rows_are_never_accepted() {
    let harness = with_probe().await;
    let all = TokenSpec::everything();
    let refused = [
        "drop table orders",
        "DROP/**/TABLE orders",
        "drop table \"orders\"",
        "attach database '/tmp/x' as x",
        "vacuum into '/tmp/copy.db'",
        "pragma query_only = 0",
        "select load_extension('x')",
        "begin",
        "select 1; select 2",
        "selec 1",
        "",
    ];
    for statement in refused {
        for op in ["query", "execute"] {
            let answer = harness.probe(&all, &json!({ "op": op, "statement": statement }).to_string()).await;
            let (kind, reason) = denial(&answer);
            // An unknown function counts as a write: `query` says so, `execute` meets the database's own authorizer.
            let refused =
                (kind == "denied" && reason == "statement_refused") || (op == "query" && kind == "bad_request");
            assert!(refused, "{op} {statement}: {answer}");
        }
    }
    assert_eq!(harness.probe(&all, READ).await["rows"], json!([[4]]), "nothing happened");
}

#[tokio::test]
async fn values_are_bound_and_never_part_of_the_statement() {
    let harness = with_probe().await;
    let call = json!({ "op": "query", "statement": "select ?1 as said", "params": ["'; drop table orders; --"] });
    let answer = harness.probe(&TokenSpec::everything(), &call.to_string()).await;
    assert_eq!(answer["rows"], json!([["'; drop table orders; --"]]));
}

#[tokio::test]
async fn values_that_a_number_cannot_carry_arrive_as_text() {
    let harness = with_probe().await;
    let call = json!({ "op": "query", "statement": "select big, bytes, text from secrets" });
    let answer = harness.probe(&TokenSpec::everything(), &call.to_string()).await;
    assert_eq!(answer["rows"], json!([["9007199254740993", "AP8Q", "it's \"quoted\""]]));
}

#[tokio::test]
async fn http_passes_by_method_and_path_and_nothing_else_leaves() {
    let harness = with_probe().await;
    let all = TokenSpec::everything();
    let get = |path: &str| json!({ "op": "http", "method": "GET", "path": path }).to_string();
    assert_eq!(harness.probe(&all, &get("/customers/ada")).await["status"], json!(200));
    let narrow = TokenSpec::only("sql-probe", &["crm:GET:/customers/*"]);
    assert_eq!(harness.probe(&narrow, &get("/customers/ada")).await["status"], json!(200));
    let sent = harness.crm.request_count();
    let refused = [
        (get("/echo"), "not_granted"),
        (get("/customers/ada/orders"), "not_granted"),
        (get("/customers/../echo"), "egress_denied"),
        (get("//echo"), "egress_denied"),
        (get("http://127.0.0.1/echo"), "egress_denied"),
        (get("/customers/%2e%2e"), "egress_denied"),
        (json!({ "op": "http", "method": "POST", "path": "/customers/ada" }).to_string(), "not_granted"),
        (
            json!({ "op": "http", "method": "GET", "path": "/customers/ada", "headers": [["host", "evil"]] })
                .to_string(),
            "egress_denied",
        ),
        (
            json!({ "op": "http", "method": "GET", "path": "/customers/ada", "headers": [["authorization", "x"]] })
                .to_string(),
            "egress_denied",
        ),
    ];
    for (call, wanted) in refused {
        assert_eq!(denial(&harness.probe(&narrow, &call).await).1, wanted, "{call}");
    }
    assert_eq!(harness.crm.request_count(), sent, "nothing reached the API");
}

#[tokio::test]
async fn redirects_are_given_back_and_not_followed() {
    let harness = with_probe().await;
    let call = json!({ "op": "http", "method": "GET", "path": "/redirect" }).to_string();
    assert_eq!(harness.probe(&TokenSpec::everything(), &call).await["status"], json!(302));
    assert_eq!(harness.crm.trapped_count(), 0);
}

#[tokio::test]
async fn a_private_address_needs_the_operators_word() {
    let harness = with_probe().await;
    let (manifest, component) = airlock_tests::guests::built("sql-probe");
    harness.deploy_to("prod", &manifest, component).await.expect("deployed");
    let call = json!({ "op": "http", "method": "GET", "path": "/customers/ada" }).to_string();
    let answer = harness.probe(&TokenSpec::everything().environment("prod"), &call).await;
    assert_eq!(denial(&answer), ("denied", "egress_denied"), "{answer}");
    assert_eq!(harness.crm.request_count(), 0);
}

#[tokio::test]
async fn budgets_end_host_calls_with_the_limit_named() {
    let harness = with_probe().await;
    let few = TokenSpec::everything().limits("host_calls = 3");
    let reads: Vec<Value> = (0..5).map(|_| serde_json::from_str(READ).unwrap()).collect();
    let answer = harness.probe(&few, &json!({ "calls": reads }).to_string()).await;
    let limited: Vec<_> =
        answer["answers"].as_array().expect("answers").iter().filter(|a| a["error"]["kind"] == "limit").collect();
    assert_eq!(limited.len(), 2, "{answer}");
    assert_eq!(limited[0]["error"]["limit"], "host_calls");
    let call = json!({ "op": "http", "method": "GET", "path": "/flood" }).to_string();
    let answer = harness.probe(&TokenSpec::everything().limits("egress_bytes = 100_000"), &call).await;
    assert_eq!(answer["error"]["limit"], "egress_bytes", "{answer}");
    let answer = harness.probe(&TokenSpec::everything().limits("egress_requests = 1"), &json!({ "calls": [
        { "op": "http", "method": "GET", "path": "/customers/ada" }, { "op": "http", "method": "GET", "path": "/customers/ada" },
    ] }).to_string()).await;
    assert!(answer["answers"].as_array().unwrap().iter().any(|a| a["error"]["limit"] == "egress_requests"), "{answer}");
}

#[tokio::test]
async fn results_are_cut_and_marked() {
    let harness = with_probe().await;
    let call = json!({ "op": "query", "statement": "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000) select i from n" });
    let answer = harness.probe(&TokenSpec::everything().limits("result_rows = 10"), &call.to_string()).await;
    assert_eq!((answer["rows"].as_array().unwrap().len(), &answer["truncated"]), (10, &json!(true)));
    let answer = harness.probe(&TokenSpec::everything().limits("result_bytes = 100"), &call.to_string()).await;
    assert_eq!(answer["truncated"], json!(true));
    assert!(answer["rows"].to_string().len() <= 100);
}

#[tokio::test]
async fn a_deadline_also_ends_what_the_guest_waits_for() {
    let harness = with_probe().await;
    let endless = json!({ "op": "query", "statement": "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n" });
    let slow = json!({ "op": "http", "method": "GET", "path": "/slow" });
    for call in [endless, slow] {
        let began = std::time::Instant::now();
        let soon = TokenSpec::everything().limits("wall_time_ms = 300");
        let ended = harness.invoke_as(&soon, "sql-probe", &call.to_string()).await;
        // Never sometimes the one and sometimes an error of the resource.
        assert_eq!(airlock_tests::reason(&ended.expect_err("stopped")), "time_exhausted", "{call}");
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "{call}: {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn every_host_call_leaves_its_intent_and_its_outcome() {
    let harness = with_probe().await;
    harness.probe(&TokenSpec::everything(), WRITE).await;
    harness.probe(&TokenSpec::only("sql-probe", &["orders-db:read"]), WRITE).await;
    let trail = harness.trail().await;
    let events: Vec<_> = trail.iter().map(|record| &record.event).filter(|event| event.resource.is_some()).collect();
    let kinds: Vec<_> = events.iter().map(|event| (event.kind, event.decision)).collect();
    assert_eq!(
        kinds,
        [
            (AuditKind::HostCallIntent, None),
            (AuditKind::HostCallOutcome, Some(Decision::Permit)),
            (AuditKind::HostCallOutcome, Some(Decision::Deny)),
        ]
    );
    let done = events[1];
    assert_eq!(
        (done.resource.as_deref(), done.operation.as_deref(), done.rows),
        (Some("orders-db"), Some("write"), Some(3))
    );
    assert_eq!(done.tables, ["orders"]);
    assert!(done.target.as_deref().unwrap().starts_with("update orders"));
    assert!(done.arguments_commitment.is_some() && !format!("{done:?}").contains("\"ada\""), "values are committed to");
    assert_eq!(events[2].reason.as_deref(), Some("not_granted"));
}

#[tokio::test]
async fn a_write_that_its_function_does_not_wait_for_still_has_an_outcome() {
    let harness = Harness::start().await;
    harness.deploy_built("stuck").await;
    for _ in 0..10 {
        harness.invoke("stuck", r#"{"write":true}"#).await.expect("answers");
    }
    let trail = harness.trail().await;
    let count = |kind| trail.iter().filter(|record| record.event.kind == kind).count();
    assert_eq!(count(AuditKind::HostCallIntent), count(AuditKind::HostCallOutcome));
    let last = trail.last().expect("a record").event.kind;
    assert_eq!(last, AuditKind::InvocationFinished, "outcomes stand before the end of the call");
}
