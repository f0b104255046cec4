//! What Prometheus reads.

use std::{net::SocketAddr, path::Path, time::Duration};

use airlock_tests::{Harness, Options, guests::WatGuest, process::Place, reason, tokens::TokenSpec};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

pub(super) const LISTENING: &str = "[telemetry]\nmetrics = { listen = \"127.0.0.1:0\" }\n";
const PATIENCE: Duration = Duration::from_secs(60);

#[expect(clippy::disallowed_methods, reason = "a test is a client")]
async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.expect("connected")
}

/// One request by hand: the head and the body of the answer.
async fn ask(address: SocketAddr, request: &str) -> (String, String) {
    let mut stream = connect(address).await;
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), body.to_owned())
}

/// What is exposed.
pub(super) async fn scrape(address: SocketAddr) -> String {
    let (head, body) = ask(address, "GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/plain; version=0.0.4"), "{head}");
    body
}

pub(super) async fn numbers(harness: &Harness) -> String {
    scrape(harness.server().metrics_addr().expect("listening")).await
}

/// The value of one series, 0 when it is not there.
pub(super) fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series).and_then(|rest| rest.strip_prefix(' ')));
    line.map_or(0.0, |number| number.parse().expect("a number"))
}

pub(super) fn listening(more: &str) -> Options {
    Options { more_config: format!("{LISTENING}{more}") }
}

#[tokio::test]
async fn nobody_is_told_anything_unless_it_is_written() {
    let harness = Harness::start().await;
    assert_eq!(harness.server().metrics_addr(), None);
}

#[tokio::test]
async fn calls_are_counted_by_function_and_host_calls_by_resource() {
    let harness = Harness::start_with(listening("")).await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    harness.deploy_wat("spin", &WatGuest::new("(loop $again (br $again)) (i32.const 0)"), "fuel = 1_000_000").await;
    harness.deploy_built("sql-probe").await;
    for _ in 0..3 {
        harness.invoke("one", "null").await.expect("it runs");
    }
    assert_eq!(reason(&harness.invoke("spin", "null").await.expect_err("endless")), "fuel_exhausted");
    let everything = TokenSpec::everything();
    harness.probe(&everything, r#"{"op":"query","statement":"SELECT id FROM orders"}"#).await;
    harness.probe(&everything, r#"{"op":"query","statement":"SELECT 1; SELECT 2"}"#).await;
    harness.invoke_with("no token", "dev", "one", "null").await.expect_err("no token");
    harness.invoke("nothing-here", "null").await.expect_err("not deployed");
    let text = numbers(&harness).await;
    for (series, expected) in [
        (r#"airlock_invocations_total{environment="dev",function="one",outcome="ok"}"#, 3.0),
        (r#"airlock_invocations_total{environment="dev",function="spin",outcome="fuel_exhausted"}"#, 1.0),
        (r#"airlock_invocation_duration_seconds_count{environment="dev",function="one"}"#, 3.0),
        (r#"airlock_tenant_invocations_total{environment="dev",outcome="ok",tenant="acme"}"#, 5.0),
        (r#"airlock_host_calls_total{environment="dev",outcome="ok",resource="orders-db"}"#, 1.0),
        (r#"airlock_host_call_duration_seconds_count{environment="dev",resource="orders-db"}"#, 1.0),
        (r#"airlock_refusals_total{plane="data",reason="token_invalid"}"#, 1.0),
        (r#"airlock_refusals_total{plane="data",reason="function_unknown"}"#, 1.0),
        (r#"airlock_deploys_total{kind="deploy",outcome="ok"}"#, 3.0),
        (r#"airlock_rpcs_total{code="OK",method="airlock.v1.InvocationService/Invoke"}"#, 5.0),
        (r#"airlock_rpcs_total{code="UNAUTHENTICATED",method="airlock.v1.InvocationService/Invoke"}"#, 1.0),
        (r#"airlock_token_verifications_total{outcome="token_invalid"}"#, 1.0),
        (r#"airlock_limit{of="instances"}"#, 64.0),
        (r#"airlock_in_use{of="instances"}"#, 0.0),
        ("airlock_audit_available", 1.0),
        ("airlock_panics_total", 0.0),
    ] {
        assert_eq!(value(&text, series), expected, "{series}\n{text}");
    }
    assert!(value(&text, "airlock_audit_group_size_count") > 0.0, "{text}");
    assert!(value(&text, "process_resident_memory_bytes") > 1e6, "{text}");
    assert!(value(&text, r#"airlock_invocation_fuel_total{environment="dev",function="spin"}"#) >= 1e6, "{text}");
    let denied =
        text.lines().any(|line| line.contains("airlock_host_calls_total") && line.contains("statement_refused"));
    assert!(denied, "{text}");
}

#[tokio::test]
async fn bad_names_make_no_series() {
    let harness = Harness::start_with(listening("")).await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    let token = harness.token(&TokenSpec::everything());
    harness.invoke_with(&token, "dev", "nothing", "null").await.expect_err("not deployed");
    harness.invoke_with(&token, "nowhere", "one", "null").await.expect_err("another environment");
    harness.invoke("one", "null").await.expect("it runs");
    let series = |text: &str| text.lines().filter(|line| !line.starts_with('#')).count();
    let before = series(&numbers(&harness).await);
    for number in 0..10_000 {
        harness.invoke_with(&token, "dev", &format!("bad-{number}"), "null").await.expect_err("not deployed");
        if number % 100 == 0 {
            harness.invoke_with(&token, &format!("env-{number}"), "one", "null").await.expect_err("no environment");
        }
    }
    let text = numbers(&harness).await;
    assert_eq!(series(&text), before, "{text}");
    assert!(value(&text, r#"airlock_refusals_total{plane="data",reason="function_unknown"}"#) >= 10_000.0, "{text}");
}

#[tokio::test]
async fn the_listener_answers_one_question_and_lets_nobody_hold_it() {
    let harness = Harness::start_with(listening("")).await;
    let address = harness.server().metrics_addr().expect("listening");
    for (request, status) in [
        ("POST /metrics HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n", "405"),
        ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", "404"),
        ("GET /metrics/../x HTTP/1.1\r\nhost: a\r\n\r\n", "404"),
        ("HEAD /metrics HTTP/1.1\r\nhost: a\r\n\r\n", "200"),
    ] {
        let (head, body) = ask(address, request).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{request}: {head}");
        assert!(!body.contains("airlock_"), "{body}");
    }
    let open = "GET /metrics HTTP/1.1\r\nhost: a\r\naccept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n\r\n";
    let (head, body) = ask(address, open).await;
    assert!(
        head.contains("application/openmetrics-text; version=1.0.0") && body.ends_with("# EOF\n"),
        "{head}\n{body}"
    );
    // As many as there are places, and none of them says a word: they are cut off, and the next one is answered.
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(connect(address).await);
    }
    let text = timeout(PATIENCE, scrape(address)).await.expect("answered in time");
    assert!(text.contains("airlock_build_info"), "{text}");
    drop(silent);
}

#[tokio::test]
async fn a_server_behind_its_wall_tells_prometheus_and_its_own_memory() {
    let place = Place::make(None).await;
    let path = place.path("airlock.toml");
    let text = std::fs::read_to_string(&path).expect("readable");
    std::fs::write(&path, format!("{text}\n{LISTENING}")).expect("written");
    let served = place.serve().await;
    let address = address_of_metrics(&served.lines);
    let text = scrape(address).await;
    assert!(text.contains("isolation=\"L1\""), "{text}");
    assert!(value(&text, "process_resident_memory_bytes") > 1e6, "{text}");
    assert!(value(&text, "process_cpu_seconds_total") > 0.0, "{text}");
    let (status, said) = served.stop().await;
    assert!(status.success(), "{said:#?}");
}

fn address_of_metrics(lines: &[String]) -> SocketAddr {
    let line = lines.iter().find_map(|line| line.split_once("metrics on http://"));
    let (_, rest) = line.unwrap_or_else(|| panic!("{lines:#?}"));
    rest.trim().trim_end_matches("/metrics").parse().expect("an address")
}

#[tokio::test]
async fn what_is_written_wrongly_is_refused_with_its_line() {
    let place = Place::make(None).await;
    let text = std::fs::read_to_string(place.path("airlock.toml")).expect("readable").replace("\"L1\"", "\"L0\"");
    for (more, named) in [
        ("[telemetry]\nmetrics = { listen = \"localhost\" }", "socket address"),
        ("[telemetry.otlp]\nurl = \"http://collector.example:4318\"", "allow_plaintext"),
        ("[telemetry.otlp]\nurl = \"https://collector.example\"\nsample = 1.5", "telemetry.otlp.sample"),
        ("[telemetry.otlp]\nurl = \"https://collector.example\"\ninterval_s = 0", "telemetry.otlp.interval_s"),
        ("[telemetry.otlp]\nurl = \"https://collector.example/?a=b\"", "telemetry.otlp.url"),
        (
            "[telemetry.otlp]\nurl = \"https://collector.example\"\nheaders = { host = { file = \"crm-token\" } }",
            "headers",
        ),
        ("[telemetry.otlp]\nurl = \"https://collector.example\"\nheaders = { a = { file = \"none\" } }", "none"),
        (
            "[telemetry.otlp]\nurl = \"https://collector.example\"\nheaders = { a = \"canary-inline\" }",
            "configuration itself",
        ),
    ] {
        std::fs::write(place.path("other.toml"), format!("{text}\n{more}\n")).expect("written");
        let said = refusal(&place, Path::new("other.toml"));
        assert!(said.contains(named) && said.contains("other.toml") && !said.contains("canary"), "{more}: {said}");
    }
}

fn refusal(place: &Place, config: &Path) -> String {
    let mut command = place.command(&airlock_tests::airlock_binary());
    let output = command.args(["serve", "--config"]).arg(config).output().expect("it runs");
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}
