//! Who did what, when, from which app, to which table: asked of a server and of its state directory.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
    time::Duration,
};

use airlock_proto::v1::{
    AuditServiceQueryRequest, AuditServiceTailRequest, AuditServiceTailResponse, TokenServiceRevokeRequest,
};
use airlock_tests::{
    Harness,
    command::{airlock_command, outcome},
    reason,
    tokens::TokenSpec,
    with_token,
};
use serde_json::{Value, json};
use tokio::time::timeout;
use tonic::Streaming;

const READ: &str = r#"{"op":"query","statement":"select count(*) as n from orders"}"#;
const WRITE: &str = r#"{"op":"execute","statement":"update orders set total = total"}"#;
const PATIENCE: Duration = Duration::from_secs(30);

/// Three people of two tenants through two apps, one of whom may not write.
async fn house() -> Harness {
    let harness = Harness::start().await;
    harness.deploy_built("sql-probe").await;
    let all = TokenSpec::everything();
    harness.probe(&all.clone().subject("ada").app("shop"), READ).await;
    harness.probe(&all.clone().subject("bob").app("desk"), READ).await;
    harness.probe(&TokenSpec::only("sql-probe", &["orders-db:read"]).subject("bob").app("shop"), WRITE).await;
    harness.probe(&all.tenant("globex").subject("ada").app("shop"), READ).await;
    harness
}

fn asked(change: impl FnOnce(&mut AuditServiceQueryRequest)) -> AuditServiceQueryRequest {
    let mut asked = AuditServiceQueryRequest { environment: "dev".to_owned(), ..AuditServiceQueryRequest::default() };
    change(&mut asked);
    asked
}

fn auditor() -> TokenSpec {
    TokenSpec::control_with(&["audit:read"])
}

async fn found(harness: &Harness, asked: AuditServiceQueryRequest) -> Vec<Value> {
    let answer = harness.audit_service().query(with_token(asked, &harness.token(&auditor()))).await.expect("an answer");
    let read = |record: &airlock_proto::v1::AuditRecord| serde_json::from_slice(&record.event).expect("an event");
    answer.into_inner().records.iter().map(read).collect()
}

fn subjects(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["principal"]["subject"].as_str().unwrap_or("-")).collect()
}

#[tokio::test]
async fn an_auditor_asks_by_any_word_and_sees_the_own_tenant_alone() {
    let harness = house().await;
    let of_ada = found(&harness, asked(|query| query.principal = "ada".to_owned())).await;
    // An intent, its outcome and the end of the call; the ada of another tenant is somebody else.
    assert_eq!(subjects(&of_ada), ["ada"; 3], "{of_ada:?}");
    assert!(of_ada.iter().all(|event| event["principal"]["tenant"] == "acme"));
    let denied = found(&harness, asked(|query| query.decision = "deny".to_owned())).await;
    assert_eq!((subjects(&denied), &denied[0]["reason"]), (vec!["bob"], &json!("not_granted")), "{denied:?}");
    let through_desk = found(&harness, asked(|query| query.app = "desk".to_owned())).await;
    assert_eq!(subjects(&through_desk), ["bob"; 3]);
    let table = |query: &mut AuditServiceQueryRequest| query.table = "orders".to_owned();
    assert_eq!(subjects(&found(&harness, asked(table)).await), ["ada", "ada", "bob", "bob", "bob"]);
    let both = found(&harness, asked(|query| (query.table, query.decision) = ("orders".into(), "permit".into()))).await;
    assert_eq!(subjects(&both), ["ada", "bob"]);
    let other = found(&harness, asked(|query| query.resource = "crm".to_owned())).await;
    assert!(other.is_empty(), "{other:?}");
    let newest = found(&harness, asked(|query| (query.newest_first, query.page_size) = (true, 1))).await;
    assert_eq!(newest[0]["kind"], "invocation_finished");
    let ended = prost_types::Timestamp { seconds: 1_000, nanos: 0 };
    assert!(found(&harness, asked(|query| query.until = Some(ended))).await.is_empty());
}

#[tokio::test]
async fn pages_follow_each_other_without_a_gap_in_both_directions() {
    let harness = house().await;
    let all = found(&harness, asked(|_| ())).await;
    let token = harness.token(&auditor());
    for newest_first in [false, true] {
        let (mut seen, mut position) = (Vec::new(), 0);
        loop {
            let asked = asked(|query| {
                (query.page_size, query.newest_first) = (2, newest_first);
                (query.after_sequence, query.before_sequence) =
                    if newest_first { (0, position) } else { (position, 0) };
            });
            let page = harness.audit_service().query(with_token(asked, &token)).await.expect("a page").into_inner();
            seen.extend(page.records.iter().map(|record| serde_json::from_slice::<Value>(&record.event).unwrap()));
            position = page.position;
            if !page.more {
                break;
            }
        }
        if newest_first {
            seen.reverse();
        }
        assert_eq!(seen, all);
    }
}

async fn tail(
    harness: &Harness,
    after: u64,
    token: &str,
) -> Result<Streaming<AuditServiceTailResponse>, tonic::Status> {
    let asked = AuditServiceTailRequest {
        environment: "dev".to_owned(),
        after_sequence: after,
        kind: "invocation_finished".to_owned(),
        ..AuditServiceTailRequest::default()
    };
    harness.audit_service().tail(with_token(asked, token)).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn whoever_follows_sees_what_comes_and_nothing_of_others_until_the_token_is_revoked() {
    let harness = house().await;
    let token = harness.token(&auditor());
    let mut pages = tail(&harness, 0, &token).await.expect("followed");
    harness.probe(&TokenSpec::everything().tenant("globex").subject("eve"), READ).await;
    harness.probe(&TokenSpec::everything().subject("carol"), READ).await;
    let page = timeout(PATIENCE, pages.message()).await.expect("in time").expect("no error").expect("a page");
    let events: Vec<Value> = page.records.iter().map(|record| serde_json::from_slice(&record.event).unwrap()).collect();
    assert_eq!(subjects(&events), ["carol"]);
    // From a place: what was before is told as well.
    let mut again = tail(&harness, 1, &token).await.expect("followed");
    let first = timeout(PATIENCE, again.message()).await.expect("in time").expect("no error").expect("a page");
    assert_eq!(first.records.len(), 4, "three of before and carol's");
    drop(again);

    let ended = TokenServiceRevokeRequest {
        environment: "dev".to_owned(),
        kind: "token".to_owned(),
        value: airlock_access::claims_unverified(&token).expect("claims")["jti"].as_str().expect("a jti").to_owned(),
        ..TokenServiceRevokeRequest::default()
    };
    let operator = harness.token(&TokenSpec::control_with(&["token:revoke"]));
    harness.tokens().revoke(with_token(ended, &operator)).await.expect("revoked");
    let refused = timeout(PATIENCE, pages.message()).await.expect("in time").expect_err("ended");
    assert_eq!(reason(&refused), "revoked");
}

#[tokio::test]
async fn a_tenant_follows_eight_times_and_a_drain_ends_them() {
    let mut harness = house().await;
    let token = harness.token(&auditor());
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(tail(&harness, 0, &token).await.expect("followed"));
    }
    assert_eq!(reason(&tail(&harness, 0, &token).await.expect_err("too many")), "tenant_busy");
    let rival = harness.token(&auditor().tenant("globex"));
    drop(tail(&harness, 0, &rival).await.expect("another tenant has its own places"));
    let report = harness.drain(Duration::from_secs(20)).await;
    assert!(report.complete, "followers do not hold a server up: {report:?}");
    let told = timeout(PATIENCE, held.remove(0).message()).await.expect("in time").expect_err("ended");
    assert_eq!(reason(&told), "draining");
}

#[tokio::test]
async fn the_command_asks_a_directory_and_a_server_alike() {
    let harness = house().await;
    let (state, server) = (harness.dir().join("state"), format!("http://{}", harness.server().control_addr()));
    let (state, token) = (state.to_str().expect("UTF-8"), harness.token(&auditor()));
    let query = |more: &[&str]| {
        let (code, out, err) = outcome(airlock_command(&[&["audit", "query", "--json"], more].concat()));
        assert_eq!(code, Some(0), "{err}");
        let found: Value = serde_json::from_str(&out).expect("JSON");
        found.as_array().expect("a list").clone()
    };
    let here = ["--state", state, "--tenant", "acme", "-e", "dev"];
    let there = ["--server", &server, "--token", &token];
    for more in [
        &["--principal", "bob"][..],
        &["--table", "orders", "--decision", "deny"],
        &["--app", "shop", "--limit", "2"],
        &["--after", "3", "--limit", "3"],
        &["--since", "1h", "--until", "2099-01-01"],
        &["--since", "2099-01-01"],
        &["--kind", "invocation_finished", "--function", "sql-probe"],
    ] {
        let (of_directory, of_server) = (query(&[&here, more].concat()), query(&[&there, more].concat()));
        assert_eq!(of_directory, of_server, "{more:?}");
        assert_eq!(of_directory.is_empty(), more == ["--since", "2099-01-01"], "{more:?}");
    }
    assert_eq!(query(&["--state", state, "--principal", "ada"]).len(), 6, "of both tenants");
}

#[tokio::test]
async fn the_command_says_what_is_wrong_with_a_question() {
    for (arguments, told) in [
        (&["--since", "yesterday"][..], "how long ago"),
        (&["--kind", "nonsense"], "is no kind of record"),
        (&["--server", "http://127.0.0.1:1"], "a server wants a token"),
        (&["--server", "http://127.0.0.1:1", "--tenant", "acme"], "cannot be used with"),
        (&["--follow", "--until", "1h"], "has no end"),
        (&["--decision", "maybe"], "permit"),
    ] {
        let mut command = airlock_command(&[&["audit", "query"], arguments].concat());
        command.env_remove("AIRLOCK_TOKEN");
        let (code, _, said) = outcome(command);
        assert!(code != Some(0) && said.contains(told), "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn the_command_follows_a_directory_and_a_server() {
    let harness = house().await;
    let (state, server) = (harness.dir().join("state"), format!("http://{}", harness.server().control_addr()));
    let token = harness.token(&auditor());
    let places = [vec!["--state", state.to_str().expect("UTF-8")], vec!["--server", &server, "--token", &token]];
    for (place, who) in places.into_iter().zip(["dora", "emil"]) {
        let mut command = airlock_command(&["audit", "query", "--follow", "--json", "--principal", who]);
        let mut child = command.args(place).stdout(Stdio::piped()).spawn().expect("airlock starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        // It may not follow yet: what it missed it finds, because it looks back first.
        harness.probe(&TokenSpec::everything().subject(who), READ).await;
        let line = tokio::task::spawn_blocking(move || lines.next().expect("a line").expect("read"));
        let line: Value = serde_json::from_str(&line.await.expect("read")).expect("JSON");
        assert_eq!((&line["principal"]["subject"], &line["kind"]), (&json!(who), &json!("host_call_intent")));
        child.kill().expect("ended");
        child.wait().expect("ended");
    }
}
