//! From inside a function: whole URLs, exchanges step by step, and what the trail keeps of them.

use airlock_model::AuditKind;
use airlock_tests::{CRM_SECRET, Harness, tokens::TokenSpec};
use serde_json::{Value, json};

async fn with_probe() -> Harness {
    let harness = Harness::start().await;
    harness.deploy_built("sql-probe").await;
    harness
}

async fn ask(harness: &Harness, call: &Value) -> Value {
    harness.probe(&TokenSpec::everything(), &call.to_string()).await
}

#[tokio::test]
async fn a_whole_url_is_a_request_where_the_binding_covers_it_and_a_named_refusal_where_not() {
    let harness = with_probe().await;
    let api = format!("http://{}", harness.crm.address);
    let get = |url: String| json!({ "op": "http", "method": "GET", "path": url });
    let found = ask(&harness, &get(format!("{api}/customers/ada?x=1"))).await;
    assert_eq!(found["status"], json!(200), "{found}");
    for (url, rule) in [
        ("http://127.0.0.1:1/customers/ada".to_owned(), "origin_not_listed"),
        (format!("{api}/customers/../echo"), "path_ambiguous"),
        (format!("http://user@{}/echo", harness.crm.address), "url_user_info"),
        ("http://2130706433/".to_owned(), "url_host_spelling"),
    ] {
        let refused = ask(&harness, &get(url.clone())).await;
        assert_eq!(refused["error"]["reason"], "egress_denied", "{url}: {refused}");
        assert!(refused["error"]["rule"].as_str().is_some_and(|text| text.contains(rule)), "{url}: {refused}");
    }
    for (url, expected) in
        [(format!("{api}/x"), true), ("https://elsewhere.test/".to_owned(), false), ("x".to_owned(), false)]
    {
        assert_eq!(
            ask(&harness, &json!({ "op": "covers", "url": url })).await,
            json!({ "covered": expected }),
            "{url}"
        );
    }
    assert_eq!(harness.crm.request_count(), 1);
}

#[tokio::test]
async fn an_exchange_step_by_step_is_scrubbed_and_has_one_intent_and_one_outcome() {
    let harness = with_probe().await;
    let call = json!({ "op": "stream", "method": "POST", "path": "/echo", "pieces": ["one ", "two"] });
    let answer = ask(&harness, &call).await;
    assert_eq!(answer["status"], json!(200), "{answer}");
    let body = answer["body"].as_str().expect("a body");
    assert!(body.contains("one two") && body.contains("[redacted]") && !body.contains(CRM_SECRET), "{body}");
    let left_early = json!({ "op": "stream", "method": "GET", "path": "/flood", "read": 1 });
    assert_eq!(ask(&harness, &left_early).await["status"], json!(200));
    // The probe asks for the response, and its call ends before the API has one.
    let unanswered = json!({ "op": "stream", "method": "GET", "path": "/slow" }).to_string();
    let hurried = TokenSpec::everything().limits("wall_time_ms = 8000");
    drop(harness.invoke_as(&hurried, "sql-probe", &unanswered).await);
    let denied = json!({ "op": "stream", "method": "DELETE", "path": "/echo", "pieces": ["x"] });
    assert_eq!(ask(&harness, &denied).await["error"]["reason"], "not_granted");

    let trail = harness.trail().await;
    let of = |kind| trail.iter().map(|record| &record.event).filter(move |event| event.kind == kind);
    let outcomes: Vec<_> = of(AuditKind::HostCallOutcome).collect();
    assert_eq!(of(AuditKind::HostCallIntent).count(), 3);
    let cut = outcomes.iter().find(|event| event.target.as_deref() == Some("/slow")).expect("an outcome");
    assert_eq!(cut.reason.as_deref(), Some("backend_timeout"), "a GET changes nothing: {cut:?}");
    assert_eq!((cut.attempts, cut.hosts.len()), (Some(1), 1), "what had left stands there: {cut:?}");
    let echoed = outcomes.iter().find(|event| event.operation.as_deref() == Some("POST")).expect("an outcome");
    assert_eq!((echoed.status, echoed.attempts, echoed.target.as_deref()), (Some(200), Some(1), Some("/echo")));
    assert_eq!(echoed.hosts, [harness.crm.address.to_string()]);
    assert!(echoed.sent_bytes.is_some_and(|sent| sent > 7) && echoed.received_bytes.is_some_and(|got| got > 100));
    assert!(echoed.duration_us.is_some() && echoed.reason.as_deref() == Some("ok"), "{echoed:?}");
}

#[tokio::test]
async fn a_path_stands_in_the_trail_as_the_operator_wants_it() {
    for (policy, expected) in [("plain", "/customers/ada"), ("redacted", "/**"), ("hash", "sha256:")] {
        let harness = with_probe().await;
        let config = harness.config().replace(
            "operations = [\"GET\", \"POST:/echo\"]",
            &format!("operations = [\"GET\", \"POST:/echo\"]\naudit_path = \"{policy}\""),
        );
        harness.set_config(&config);
        harness.reload().await.expect("reloaded");
        let found = ask(&harness, &json!({ "op": "http", "method": "GET", "path": "/customers/ada" })).await;
        assert_eq!(found["status"], json!(200), "{found}");
        let narrow = TokenSpec::only("sql-probe", &["crm:GET:/echo"]);
        let call = json!({ "op": "http", "method": "GET", "path": "/customers/ada" }).to_string();
        assert_eq!(harness.probe(&narrow, &call).await["error"]["reason"], "not_granted");
        let trail = harness.trail().await;
        let text = trail.iter().map(|record| format!("{:?}", record.event)).collect::<String>();
        assert_eq!(text.contains("/customers/ada"), policy == "plain", "{policy}: {text}");
        let targets: Vec<_> = trail.iter().filter_map(|record| record.event.target.as_deref()).collect();
        assert!(
            !targets.is_empty() && targets.iter().all(|target| target.starts_with(expected)),
            "{policy}: {targets:?}"
        );
    }
}
