//! Host calls as an attack: what a guest asks too often or too much is refused without harm to anybody else.

use std::time::{Duration, Instant};

use airlock_model::AuditKind;
use airlock_proto::v1::{InvokeStreamRequest, invoke_stream_response::Event};
use airlock_tests::{
    Harness, Options, function_error, guests, output, reason, tokens::TokenSpec, with_token, zoo::specimens,
};
use serde_json::json;
use tokio_stream::StreamExt;

/// Deploys the attacker with `[limits]`.
async fn deploy(harness: &Harness, limits: &str) {
    let (manifest, component) = guests::built("zoo-host");
    harness.deploy(&format!("{manifest}\n[limits]\n{limits}\n"), component).await.expect("deployed");
}

#[tokio::test]
async fn refusals_beyond_the_budget_are_counted_and_not_recorded_one_by_one() {
    let harness = Harness::start().await;
    deploy(&harness, "wall_time_ms = 1000\nhost_calls = 20").await;
    let flood = json!({ "op": "flood", "call": { "to": "sql", "before": "select 1" } });
    let status = harness.invoke("zoo-host", &flood.to_string()).await.expect_err("stopped");
    assert_eq!(reason(&status), "time_exhausted");
    let trail = harness.trail().await;
    assert!(trail.len() < 200, "{} records", trail.len());
    let calls: Vec<_> = trail.iter().filter(|record| record.event.kind == AuditKind::HostCallOutcome).collect();
    let told = calls.last().and_then(|record| record.event.message.clone()).expect("a last record");
    assert!(told.contains("more host calls of this call were refused"), "{told}");
    assert_eq!(trail.last().expect("a record").event.kind, AuditKind::InvocationFinished);
}

#[tokio::test]
async fn a_guest_that_calls_the_host_in_a_loop_meets_its_deadline_and_lets_neighbours_run() {
    let harness = Harness::start().await;
    deploy(&harness, "wall_time_ms = 1500").await;
    harness.deploy_wat("one", &guests::WatGuest::returning("1"), "").await;
    for flood in [
        json!({ "op": "log", "count": 1_000_000_000, "bytes": 0 }),
        json!({ "op": "flood", "call": { "to": "sql", "before": "drop table orders" } }),
    ] {
        let began = Instant::now();
        let hostile = async {
            let flood = flood.to_string();
            (harness.invoke("zoo-host", &flood).await, began.elapsed())
        };
        let neighbour = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let spec = TokenSpec::everything().tenant("neighbour");
            (harness.invoke_as(&spec, "one", "null").await, began.elapsed())
        };
        let ((ended, took), (answer, answered)) = tokio::join!(hostile, neighbour);
        assert_eq!(reason(&ended.expect_err("stopped")), "time_exhausted");
        assert_eq!(output(&answer.expect("served")), json!(1));
        assert!(
            answered < took,
            "the only worker served the neighbour after {answered:?}, the flood ended after {took:?}"
        );
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
}

#[tokio::test]
async fn a_statement_too_long_to_be_parsed_is_refused_by_its_length() {
    let harness = Harness::start().await;
    deploy(&harness, "").await;
    let call = json!({ "op": "once", "call":
        { "to": "sql", "before": "select 1 where 1 in (", "unit": "?,", "middle": "?)", "count": 65_536 } });
    let answer = harness.invoke("zoo-host", &call.to_string()).await.expect("an answer");
    let (code, details) = function_error(&answer);
    assert_eq!(code, "denied", "{details}");
    assert!(details["rule"].as_str().expect("a rule").contains("the limit is 65536"), "{details}");
}

#[tokio::test]
async fn log_lines_reach_nobody_unescaped() {
    let harness = Harness::start().await;
    deploy(&harness, "").await;
    let request = InvokeStreamRequest {
        function: "zoo-host".to_owned(),
        environment: "dev".to_owned(),
        payload: br#"{"op":"escapes"}"#.to_vec(),
        request_id: String::new(),
        alias: String::new(),
    };
    let token = harness.token(&TokenSpec::everything());
    let mut events =
        harness.invocations().invoke_stream(with_token(request, &token)).await.expect("a stream").into_inner();
    let mut lines = Vec::new();
    while let Some(event) = events.next().await {
        if let Some(Event::Log(line)) = event.expect("an event").event {
            lines.push(line);
        }
    }
    assert_eq!(lines.len(), 5);
    for line in lines {
        let text = format!("{}{}", line.message, String::from_utf8_lossy(&line.fields));
        let odd = |c: char| c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c) || c == '\u{200b}';
        assert!(!text.contains(odd), "{text:?}");
        assert!(line.message.contains("\\u{"), "{text:?}");
    }
}

#[tokio::test]
async fn a_listener_that_does_not_read_holds_up_no_call_beyond_its_deadline() {
    let harness = Harness::start().await;
    let lines = specimens().into_iter().find(|specimen| specimen.name == "stdout-lines").expect("a guest that prints");
    let manifest = "name = \"lines\"\nlanguage = \"component\"\n[limits]\nwall_time_ms = 300\n";
    harness.deploy(manifest, (lines.component)()).await.expect("deployed");
    let request = InvokeStreamRequest {
        function: "lines".to_owned(),
        environment: "dev".to_owned(),
        payload: b"null".to_vec(),
        request_id: String::new(),
        alias: String::new(),
    };
    let token = harness.token(&TokenSpec::everything());
    let unread = harness.invocations().invoke_stream(with_token(request, &token)).await.expect("a stream");
    let began = Instant::now();
    while harness.server().counters().in_flight > 0 {
        assert!(began.elapsed() < Duration::from_secs(20), "the call still runs");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(unread);
}

#[tokio::test]
async fn a_tenant_that_calls_the_host_too_often_waits_and_another_does_not() {
    const PER_SECOND: usize = 100;
    const SECONDS: usize = 3;
    let more_config = format!("[admission]\nhost_calls_per_second = {PER_SECOND}\n");
    let harness = Harness::start_with(Options { more_config }).await;
    deploy(&harness, &format!("wall_time_ms = {SECONDS}000\nhost_calls = 1000000")).await;
    let flood = json!({ "op": "flood", "call": { "to": "sql", "before": "select 1" } });
    let status = harness.invoke("zoo-host", &flood.to_string()).await.expect_err("stopped");
    assert_eq!(reason(&status), "time_exhausted");
    let made = async || {
        let intent = |record: &&airlock_store::AuditRecord| record.event.kind == AuditKind::HostCallIntent;
        harness.trail().await.iter().filter(intent).count()
    };
    let first = made().await;
    // A second's worth at once, then as many as the seconds allow, and twice that for a machine that stops the clock.
    assert!((PER_SECOND..=2 * PER_SECOND * (SECONDS + 1)).contains(&first), "{first} host calls");
    let neighbour = TokenSpec::everything().tenant("neighbour");
    harness.invoke_as(&neighbour, "zoo-host", &flood.to_string()).await.expect_err("stopped");
    assert!(made().await - first >= PER_SECOND, "the neighbour has a pace of its own");
}
