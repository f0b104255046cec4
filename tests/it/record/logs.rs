//! What functions write: followed, kept by policy, and never with a secret.

use std::{path::Path, time::Duration};

use airlock_proto::v1::{
    InvokeStreamRequest, LogLevel, TailRequest, TailResponse, TailedLine, TokenServiceRevokeRequest,
    invoke_stream_response, log_service_client::LogServiceClient, tail_response::Event,
};
use airlock_tests::{
    CRM_SECRET, Harness, Options, command::airlock_command, command::outcome, guests, reason, tokens::TokenSpec,
    with_token,
};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_stream::StreamExt as _;
use tonic::{Status, Streaming};

const PATIENCE: Duration = Duration::from_secs(60);

async fn start(config: &str) -> Harness {
    let harness = Harness::start_with(Options { more_config: config.to_owned() }).await;
    harness.deploy_built("chatty").await;
    harness
}

fn reader() -> TokenSpec {
    TokenSpec::control_with(&["logs:read"])
}

async fn tail(harness: &Harness, spec: &TokenSpec, request: TailRequest) -> Result<Streaming<TailResponse>, Status> {
    let address = format!("http://{}", harness.server().control_addr());
    let mut client = LogServiceClient::connect(address).await.expect("connected");
    client.tail(with_token(request, &harness.token(spec))).await.map(tonic::Response::into_inner)
}

fn following() -> TailRequest {
    TailRequest { environment: "dev".to_owned(), follow: true, ..TailRequest::default() }
}

fn kept() -> TailRequest {
    TailRequest { environment: "dev".to_owned(), ..TailRequest::default() }
}

async fn next(events: &mut Streaming<TailResponse>) -> Event {
    let next = timeout(PATIENCE, events.next()).await.expect("something comes").expect("not the end");
    next.expect("no error").event.expect("an event")
}

async fn next_line(events: &mut Streaming<TailResponse>) -> TailedLine {
    match next(events).await {
        Event::Line(line) => line,
        other @ Event::Dropped(_) => panic!("{other:?}"),
    }
}

async fn all(events: Streaming<TailResponse>) -> Vec<TailedLine> {
    let events: Vec<_> = timeout(PATIENCE, events.collect()).await.expect("it ends");
    let line = |event: Result<TailResponse, Status>| match event.expect("no error").event {
        Some(Event::Line(line)) => line,
        other => panic!("{other:?}"),
    };
    events.into_iter().map(line).collect()
}

fn message(line: &TailedLine) -> &str {
    line.line.as_ref().map_or("", |line| line.message.as_str())
}

async fn greet(harness: &Harness, spec: &TokenSpec, name: &str) -> String {
    let payload = json!({ "name": name }).to_string();
    harness.invoke_as(spec, "chatty", &payload).await.expect("it runs").invocation_id
}

#[tokio::test]
async fn a_follower_sees_what_its_own_token_covers_and_nothing_else() {
    let harness = start("").await;
    let acme = TokenSpec::everything();
    let globex = TokenSpec::everything().tenant("globex");
    let mut own = tail(&harness, &reader(), following()).await.expect("followed");
    let mut other = tail(&harness, &reader().tenant("globex"), following()).await.expect("followed");
    let mut narrow = tail(&harness, &reader().for_functions(&["another"]), following()).await.expect("followed");
    let mut warnings =
        tail(&harness, &reader(), TailRequest { level: LogLevel::Warn.into(), ..following() }).await.expect("followed");
    let id = greet(&harness, &acme, "of-acme").await;
    greet(&harness, &globex, "of-globex").await;
    let line = next_line(&mut own).await;
    assert_eq!(
        (message(&line), line.invocation_id.as_str(), line.function.as_str()),
        ("greeting of-acme", &*id, "chatty")
    );
    let warned = next_line(&mut own).await;
    assert_eq!(message(&warned), "a line\\u{a}and \\u{1b}[31mred\\u{1b}[0m");
    assert_eq!(message(&next_line(&mut warnings).await), message(&warned));
    assert_eq!(message(&next_line(&mut other).await), "greeting of-globex");
    let (manifest, component) = guests::built("chatty");
    harness.deploy(&manifest.replace("\"chatty\"", "\"another\""), component).await.expect("deployed");
    harness.invoke("another", r#"{"name":"later"}"#).await.expect("it runs");
    let line = next_line(&mut own).await;
    assert_eq!((message(&line), line.function.as_str()), ("greeting later", "another"), "nothing of globex between");
    let line = next_line(&mut narrow).await;
    assert_eq!((message(&line), line.function.as_str()), ("greeting later", "another"), "nothing of chatty before");

    let refused = tail(&harness, &TokenSpec::control_with(&["audit:read"]), following()).await.expect_err("no right");
    assert_eq!(reason(&refused), "not_granted");
    let elsewhere = reader().environment("prod");
    let refused = tail(&harness, &elsewhere, following()).await.expect_err("another environment");
    assert_eq!(reason(&refused), "not_granted");
    let unnamed = TailRequest { function: "chatty".to_owned(), ..following() };
    let refused = tail(&harness, &reader().for_functions(&["another"]), unnamed).await.expect_err("not named");
    assert_eq!(reason(&refused), "not_granted");
}

/// Everything under the directory of the lines that are kept.
fn on_disk(dir: &Path) -> String {
    let Ok(entries) = std::fs::read_dir(dir) else { return String::new() };
    let read = |path: &Path| if path.is_dir() { on_disk(path) } else { std::fs::read_to_string(path).expect("read") };
    entries.map(|entry| read(&entry.expect("an entry").path())).collect()
}

#[tokio::test]
async fn secrets_are_taken_out_wherever_a_line_goes() {
    let harness = start("[logs]\nstore = \"all\"\nredact = ['\\b\\d{4}-\\d{4}\\b']\n").await;
    let name = format!("{CRM_SECRET} and 1234-5678");
    let mut live = tail(&harness, &reader(), following()).await.expect("followed");
    let request = InvokeStreamRequest {
        function: "chatty".to_owned(),
        environment: "dev".to_owned(),
        payload: json!({ "name": name }).to_string().into_bytes(),
        ..InvokeStreamRequest::default()
    };
    let token = harness.token(&TokenSpec::everything());
    let events = harness.invocations().invoke_stream(with_token(request, &token)).await.expect("a stream").into_inner();
    let events: Vec<_> = events.collect().await;
    let streamed = events.iter().find_map(|event| match &event.as_ref().expect("no error").event {
        Some(invoke_stream_response::Event::Log(line)) => Some(line.message.clone()),
        _ => None,
    });
    let clean = "greeting [redacted] and [redacted]";
    assert_eq!(streamed.as_deref(), Some(clean), "to the caller");
    assert_eq!(message(&next_line(&mut live).await), clean, "to a follower");
    let dir = harness.dir().join("state/logs");
    super::wait_until("the line to be kept", || on_disk(&dir).contains(clean)).await;
    assert!(!on_disk(&dir).contains(CRM_SECRET) && !on_disk(&dir).contains("1234-5678"));
    let lines = all(tail(&harness, &reader(), kept()).await.expect("read")).await;
    assert_eq!(message(&lines[0]), clean, "what is kept");
    let trail = harness.trail().await;
    assert!(!format!("{trail:?}").contains("greeting"), "lines are no part of the trail");
}

fn logs(harness: &Harness, more: &[&str]) -> (Option<i32>, String, String) {
    let address = format!("http://{}", harness.server().control_addr());
    let mut command = airlock_command(&["logs", "--server", &address]);
    command.args(more).env("AIRLOCK_TOKEN", harness.token(&reader()));
    outcome(command)
}

#[tokio::test]
async fn lines_are_kept_by_the_policy_of_their_environment_and_shown_by_call() {
    let mut harness = start("[logs]\nstore = \"none\"\n[logs.environments.dev]\nstore = \"all\"\n").await;
    let acme = TokenSpec::everything();
    let first = greet(&harness, &acme, "first").await;
    greet(&harness, &acme, "second").await;
    let dir = harness.dir().join("state/logs");
    super::wait_until("the lines to be kept", || on_disk(&dir).lines().count() == 4).await;
    harness.restart().await;
    let (code, out, said) = logs(&harness, &["--invocation", &first, "--json"]);
    assert_eq!(code, Some(0), "{said}");
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 2, "{out}");
    assert_eq!((&lines[0]["message"], &lines[1]["level"]), (&"greeting first".into(), &"warn".into()));
    let (code, out, _) = logs(&harness, &["--level", "warn"]);
    assert_eq!((code, out.lines().count()), (Some(0), 2), "{out}");
    let (code, out, said) = logs(&harness, &["--invocation", "none"]);
    assert_eq!((code, out.as_str()), (Some(0), ""));
    assert!(said.contains("no line is kept"), "{said}");

    harness.set_config(&harness.config().replace("store = \"all\"", "store = \"errors\""));
    harness.reload().await.expect("reloaded");
    let third = greet(&harness, &acme, "third").await;
    super::wait_until("the warning to be kept", || on_disk(&dir).contains(&third)).await;
    assert!(!on_disk(&dir).contains("greeting third"), "only what is `warn` or worse");
}

#[tokio::test]
async fn a_tenant_that_floods_is_counted_and_no_other_is_in_its_way() {
    let harness = start("[logs]\nlines_per_s = 3\n").await;
    let mut own = tail(&harness, &reader(), following()).await.expect("followed");
    let mut other = tail(&harness, &reader().tenant("globex"), following()).await.expect("followed");
    let mut told = false;
    for number in 0..200 {
        greet(&harness, &TokenSpec::everything(), &format!("call {number}")).await;
        while let Ok(Some(event)) = timeout(Duration::from_millis(1), own.next()).await {
            let Some(Event::Line(line)) = event.expect("no error").event else { panic!("a line") };
            told |= message(&line).contains("lines of the tenant were left out");
        }
        if told {
            break;
        }
    }
    assert!(told, "how many were left out");
    greet(&harness, &TokenSpec::everything().tenant("globex"), "quiet").await;
    assert_eq!(message(&next_line(&mut other).await), "greeting quiet");
}

#[tokio::test]
async fn a_follower_ends_with_its_token_and_keeps_no_server_from_ending() {
    let mut harness = start("").await;
    let mut events = tail(&harness, &reader().subject("eve"), following()).await.expect("followed");
    let mut stays = tail(&harness, &reader(), following()).await.expect("followed");
    let revoke = TokenServiceRevokeRequest {
        environment: "dev".to_owned(),
        kind: "subject".to_owned(),
        value: "eve".to_owned(),
        reason: "left".to_owned(),
        ..TokenServiceRevokeRequest::default()
    };
    let revoker = harness.token(&TokenSpec::control_with(&["token:revoke"]));
    harness.tokens().revoke(with_token(revoke, &revoker)).await.expect("revoked");
    let ended = timeout(PATIENCE, events.next()).await.expect("it ends").expect("with an error");
    assert_eq!(reason(&ended.expect_err("the token has ended")), "revoked");
    greet(&harness, &TokenSpec::everything(), "still here").await;
    assert_eq!(message(&next_line(&mut stays).await), "greeting still here");
    assert!(harness.drain(Duration::from_secs(20)).await.complete, "nobody waits for a follower");
    let rest = timeout(PATIENCE, stays.collect::<Vec<_>>()).await.expect("it ends");
    assert!(rest.len() <= 2, "{rest:?}");
}

#[tokio::test]
async fn a_pattern_that_cannot_be_used_is_refused_with_its_line() {
    let harness = Harness::start().await;
    for (pattern, named) in [("(", "pattern 0"), ("a*", "empty")] {
        harness.set_config(&format!("{}\n[logs]\nredact = [\"{pattern}\"]\n", harness.config()));
        let refused = harness.reload().await.expect_err("refused");
        assert!(refused.message().contains(named) && refused.message().contains("airlock.toml:"), "{refused:?}");
        harness.set_config(harness.config().split("\n[logs]").next().expect("the rest"));
    }
}
