//! Calls over real gRPC: authorization by name, streams of log lines, restarts.

use airlock_proto::v1::{InvokeStreamRequest, invoke_stream_response::Event};
use airlock_tests::{Harness, guests::WatGuest, output, reason, tokens::TokenSpec, with_token};
use serde_json::json;
use tokio_stream::StreamExt;

#[tokio::test]
async fn a_function_runs_for_a_token_that_covers_it_and_for_no_other() {
    let harness = Harness::start().await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    assert_eq!(output(&harness.invoke_as(&TokenSpec::only("one", &[]), "one", "null").await.unwrap()), json!(1));
    let cases = [
        (TokenSpec::only("two", &[]), "not_granted"),
        (TokenSpec::control().for_functions(&[]), "not_granted"),
        (TokenSpec::everything().age_s(3_600), "token_invalid"),
        (TokenSpec::everything().instance("elsewhere"), "token_invalid"),
    ];
    for (spec, wanted) in cases {
        let status = harness.invoke_as(&spec, "one", "null").await.expect_err("refused");
        assert_eq!(reason(&status), wanted, "{status:?}");
    }
}

#[tokio::test]
async fn what_exists_cannot_be_told_from_what_does_not() {
    let harness = Harness::start().await;
    harness.deploy_wat("secret", &WatGuest::returning("1"), "").await;
    let other = TokenSpec::only("other", &[]);
    let mut texts = Vec::new();
    for name in ["secret", "absent"] {
        let status = harness.invoke_as(&other, name, "null").await.expect_err("refused");
        texts.push((status.code(), status.message().replace(name, "NAME")));
    }
    assert_eq!(texts[0], texts[1]);
}

#[tokio::test]
async fn an_environment_is_no_way_into_another() {
    let harness = Harness::start().await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    let request = airlock_proto::v1::InvokeRequest {
        function: "one".to_owned(),
        environment: "dev".to_owned(),
        payload: b"null".to_vec(),
        request_id: String::new(),
        alias: String::new(),
    };
    let token = harness.token(&TokenSpec::everything().environment("prod"));
    let status = harness.invocations().invoke(with_token(request, &token)).await.expect_err("refused");
    assert_eq!(reason(&status), "not_granted");
}

#[tokio::test]
async fn a_payload_that_is_no_json_is_refused() {
    let harness = Harness::start().await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    for payload in ["{", "nul", "{\"a\":1}x"] {
        let status = harness.invoke("one", payload).await.expect_err("refused");
        assert_eq!(reason(&status), "request_malformed", "{payload:?}");
    }
}

#[tokio::test]
async fn log_lines_arrive_while_the_function_runs() {
    let harness = Harness::start().await;
    harness.deploy_built("order-summary").await;
    harness.deploy_built("chatty").await;
    let request = InvokeStreamRequest {
        function: "chatty".to_owned(),
        environment: "dev".to_owned(),
        payload: br#"{"name":"Ada"}"#.to_vec(),
        request_id: String::new(),
        alias: String::new(),
    };
    let token = harness.token(&TokenSpec::everything());
    let mut events =
        harness.invocations().invoke_stream(with_token(request, &token)).await.expect("a stream").into_inner();
    let mut lines = Vec::new();
    let mut result = None;
    while let Some(event) = events.next().await {
        match event.expect("an event").event {
            Some(Event::Log(line)) => lines.push(line.message),
            Some(Event::Done(done)) => result = Some(output(&done)),
            None => {}
        }
    }
    assert_eq!(result, Some(json!({ "greeting": "hello, Ada" })));
    assert!(lines.iter().any(|line| line.contains("greeting Ada")), "{lines:?}");
    assert!(lines.iter().all(|line| !line.contains('\u{1b}') && !line.contains('\n')), "{lines:?}");
}

#[tokio::test]
async fn what_was_deployed_runs_after_a_restart() {
    let mut harness = Harness::start().await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    harness.restart().await;
    assert_eq!(output(&harness.invoke("one", "null").await.unwrap()), json!(1));
}

#[tokio::test]
async fn a_new_revision_replaces_the_old_one() {
    let harness = Harness::start().await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    harness.deploy_wat("one", &WatGuest::returning("2"), "").await;
    assert_eq!(output(&harness.invoke("one", "null").await.unwrap()), json!(2));
}

#[tokio::test]
async fn a_caller_that_goes_away_ends_the_run_and_leaves_a_record() {
    let harness = Harness::start().await;
    harness.deploy_wat("spin", &WatGuest::new("(loop $again (br $again)) (i32.const 0)"), "").await;
    let call = harness.invoke("spin", "null");
    assert!(tokio::time::timeout(std::time::Duration::from_millis(300), call).await.is_err());
    for _ in 0..100 {
        let last = harness.trail().await.pop().expect("a record");
        if last.event.kind == airlock_model::AuditKind::InvocationAbandoned {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("no record of the abandoned call: {:?}", harness.trail().await.pop());
}
