//! What a collector is told of a call: the tree of its spans, what they say, and what they never say.

use std::time::Duration;

use airlock_proto::v1::InvokeRequest;
use airlock_service::telemetry::Format;
use airlock_tests::{
    CRM_SECRET, Harness, Options, guests::WatGuest, http_post, output, process::Place, tokens::TokenSpec, with_token,
};

use super::{
    collector::{Collector, Manner, Told},
    metrics::{numbers, value},
};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const STATE: &str = "congo=t61rcWkgMzE";
/// Nobody but the collector itself may ever see it.
const HEADER_SECRET: &str = "canary-otlp-header-51c07b";

async fn told(more: &str) -> (Harness, Collector) {
    let collector = Collector::start(Manner::Well).await;
    let more_config = collector.config(more);
    (Harness::start_with(Options { more_config }).await, collector)
}

/// The binding of the sample API sends traces along.
fn traced_api(harness: &Harness) {
    harness.set_config(
        &harness
            .config()
            .replace("operations = [\"GET\", \"POST:/echo\"]", "operations = [\"GET\", \"POST:/echo\"]\ntrace = true"),
    );
}

/// Calls with these headers, and gives what the function said.
async fn invoke(
    harness: &Harness,
    function: &str,
    payload: &str,
    headers: &[(&'static str, &str)],
) -> serde_json::Value {
    let message = InvokeRequest {
        function: function.to_owned(),
        environment: "dev".to_owned(),
        payload: payload.as_bytes().to_vec(),
        ..InvokeRequest::default()
    };
    let mut request = with_token(message, &harness.token(&TokenSpec::everything()));
    for (name, text) in headers {
        request.metadata_mut().insert(*name, text.parse().expect("ascii"));
    }
    output(&harness.invocations().invoke(request).await.expect("it runs").into_inner())
}

fn named<'a>(spans: &'a [Told], name: &str) -> &'a Told {
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no `{name}`: {spans:#?}"))
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one call, and every span of it")]
async fn a_call_is_a_tree_of_spans_below_its_callers() {
    let (harness, collector) = told("").await;
    traced_api(&harness);
    harness.reload().await.expect("reloaded");
    harness.deploy_built("sql-probe").await;
    let payload = r#"{"calls":[
        {"op":"query","statement":"SELECT id FROM orders WHERE customer = ?1","params":["canary-parameter-83b1"]},
        {"op":"http","method":"POST","path":"/echo","query":[["q","canary-query-77aa"]],
         "headers":[["x-own","canary-guest-header-12dd"]],"body":"canary-body-90fe"}]}"#;
    let said = invoke(&harness, "sql-probe", payload, &[("traceparent", PARENT), ("tracestate", STATE)]).await;
    let spans = collector.trace_of("invoke sql-probe", 4).await;
    assert!(spans.iter().all(|span| span.trace == TRACE && span.state == STATE), "{spans:#?}");

    let rpc = named(&spans, "airlock.v1.InvocationService/Invoke");
    assert_eq!((rpc.parent.as_str(), rpc.kind, rpc.is_error), ("00f067aa0ba902b7", 2, false), "{rpc:#?}");
    assert_eq!(
        [rpc.says("rpc.system.name"), rpc.says("rpc.method"), rpc.says("rpc.grpc.status_code")],
        ["grpc", "Invoke", "0"]
    );

    let call = named(&spans, "invoke sql-probe");
    assert_eq!((&call.parent, call.is_error), (&rpc.id, false), "{call:#?}");
    for (key, expected) in [
        ("airlock.function", "sql-probe"),
        ("airlock.environment", "dev"),
        ("airlock.tenant", "acme"),
        ("airlock.outcome", "ok"),
        ("airlock.host_calls", "2"),
    ] {
        assert_eq!(call.says(key), expected, "{call:#?}");
    }
    assert!(call.says("airlock.fuel").parse::<u64>().is_ok_and(|fuel| fuel > 0), "{call:#?}");
    let recorded = harness.trail().await;
    let finished = recorded.iter().find(|record| record.event.usage.is_some()).expect("on record");
    assert_eq!(finished.event.invocation.as_deref(), Some(call.says("airlock.invocation.id")));
    assert_eq!(finished.event.revision.as_deref(), Some(call.says("airlock.revision")));

    let sql = named(&spans, "SELECT orders");
    assert_eq!((&sql.parent, sql.kind), (&call.id, 3), "{sql:#?}");
    for (key, expected) in [
        ("db.system.name", "sqlite"),
        ("db.operation.name", "SELECT"),
        ("db.collection.name", "orders"),
        ("db.query.summary", "SELECT orders"),
        ("db.query.text", "(nothing)"),
        ("airlock.resource", "orders-db"),
    ] {
        assert_eq!(sql.says(key), expected, "{sql:#?}");
    }

    let http = named(&spans, "POST");
    assert_eq!((&http.parent, http.kind), (&call.id, 3), "{http:#?}");
    for (key, expected) in [
        ("http.request.method", "POST"),
        ("http.response.status_code", "200"),
        ("server.address", "127.0.0.1"),
        ("server.port", &harness.crm.address.port().to_string()),
        ("url.full", &format!("http://{}/echo", harness.crm.address)),
    ] {
        assert_eq!(http.says(key), expected, "{http:#?}");
    }
    for span in &spans {
        assert!(span.times.0 > 0 && span.times.0 <= span.times.1, "{span:#?}");
    }
    for child in [sql, http] {
        assert!(call.times.0 <= child.times.0 && child.times.1 <= call.times.1, "{child:#?} in {call:#?}");
    }
    let exposed = harness.app().metrics_text(Format::OpenMetrics).await;
    assert!(exposed.ends_with("# EOF\n"), "{exposed}");
    for (metric, span) in
        [("airlock_invocation_duration_seconds_bucket", call), ("airlock_host_call_duration_seconds_bucket", sql)]
    {
        let exemplar = format!("# {{trace_id=\"{TRACE}\",span_id=\"{}\"}}", span.id);
        assert!(
            exposed.lines().any(|line| line.starts_with(metric) && line.contains(&exemplar)),
            "{exemplar}\n{exposed}"
        );
    }
    // What the API was told is the span of the very host call, and what others passed along.
    let echoed = said.to_string();
    assert!(echoed.contains(&format!("00-{TRACE}-{}-01", http.id)) && echoed.contains(STATE), "{echoed}");
    expect_no_secret(&harness, &collector).await;
}

/// Neither what a collector was sent nor what Prometheus reads has a secret, whoever's.
async fn expect_no_secret(harness: &Harness, collector: &Collector) {
    let token = harness.token(&TokenSpec::everything());
    let signature = token.rsplit('.').next().expect("a signature");
    let exposed = numbers(harness).await;
    let bodies: Vec<_> = collector.received().into_iter().map(|(_, _, body)| body).collect();
    assert!(!bodies.is_empty());
    for secret in [CRM_SECRET, "canary-", HEADER_SECRET, &token, signature] {
        assert!(!exposed.contains(secret), "{secret} in {exposed}");
        for body in &bodies {
            let found = body.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!found, "{secret} in {}", String::from_utf8_lossy(body));
        }
    }
}

#[tokio::test]
async fn the_collectors_own_secret_goes_to_it_alone() {
    let (mut harness, collector) = told("").await;
    let token = harness.dir().join("otlp-token");
    std::fs::write(&token, format!("Bearer {HEADER_SECRET}\n")).expect("written");
    harness.set_config(
        &harness.config().replace(
            "[telemetry.otlp]\n",
            "[telemetry.otlp]\nheaders = { authorization = { file = \"otlp-token\" } }\n",
        ),
    );
    harness.restart().await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    harness.invoke("one", "null").await.expect("it runs");
    collector.trace_of("invoke one", 2).await;
    let last = collector.received().pop().expect("told");
    assert_eq!(last.1["authorization"].to_str().expect("text"), format!("Bearer {HEADER_SECRET}"));
    assert_eq!(last.1["content-type"], "application/x-protobuf");
    expect_no_secret(&harness, &collector).await;
    let shown = harness.app().metrics_text(Format::OpenMetrics).await;
    assert!(!shown.contains(HEADER_SECRET));
}

#[tokio::test]
async fn a_denial_and_a_failure_are_errors_by_their_stable_names() {
    let (harness, collector) = told("").await;
    harness.deploy_built("sql-probe").await;
    harness.deploy_wat("spin", &WatGuest::new("(loop $again (br $again)) (i32.const 0)"), "fuel = 1_000_000").await;
    harness.invoke("spin", "null").await.expect_err("endless");
    let spans = collector.trace_of("invoke spin", 2).await;
    let call = named(&spans, "invoke spin");
    assert_eq!((call.is_error, call.says("error.type")), (true, "fuel_exhausted"), "{call:#?}");
    let rpc = named(&spans, "airlock.v1.InvocationService/Invoke");
    assert_eq!((rpc.is_error, rpc.says("rpc.grpc.status_code")), (false, "8"), "no fault of the server: {rpc:#?}");

    let denied = r#"{"op":"query","statement":"DROP TABLE orders -- canary-statement-4e5f"}"#;
    harness.probe(&TokenSpec::everything(), denied).await;
    let spans = collector.trace_of("invoke sql-probe", 3).await;
    let denied = spans.iter().find(|span| span.says("db.operation.name") == "DROP").expect("a span of the denial");
    assert!(denied.is_error && denied.says("error.type") != "(nothing)", "{denied:#?}");
    assert_eq!(denied.parent, named(&spans, "invoke sql-probe").id);
    expect_no_secret(&harness, &collector).await;
}

#[tokio::test]
async fn statements_are_told_only_where_the_operator_says_so_and_values_never() {
    let (harness, collector) = told("statements = true").await;
    harness.deploy_built("sql-probe").await;
    let payload =
        r#"{"op":"query","statement":"SELECT id FROM orders WHERE customer = ?1","params":["canary-parameter-83b1"]}"#;
    harness.probe(&TokenSpec::everything(), payload).await;
    let spans = collector.trace_of("invoke sql-probe", 3).await;
    assert_eq!(named(&spans, "SELECT orders").says("db.query.text"), "SELECT id FROM orders WHERE customer = ?1");
    expect_no_secret(&harness, &collector).await;
}

#[tokio::test]
async fn a_parent_over_json_counts_and_one_that_cannot_be_read_begins_a_trace() {
    let (harness, collector) = told("").await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    let token = harness.token(&TokenSpec::everything());
    let post = async |parent: &str| {
        let headers = [("authorization", format!("Bearer {token}")), ("traceparent", parent.to_owned())];
        let body = r#"{"function":"one","environment":"dev","payload":null}"#;
        let path = "/airlock.v1.InvocationService/Invoke";
        http_post(harness.server().data_addr(), path, &headers, body).await
    };
    assert_eq!(post(PARENT).await.0, 200);
    let spans = collector.trace_of("invoke one", 2).await;
    let rpc = named(&spans, "airlock.v1.InvocationService/Invoke");
    assert_eq!((rpc.trace.as_str(), rpc.parent.as_str()), (TRACE, "00f067aa0ba902b7"), "{rpc:#?}");
    assert_eq!([rpc.says("http.response.status_code"), rpc.says("http.request.method")], ["200", "POST"], "{rpc:#?}");
    for bad in ["00-0-0-01", "not a parent", &PARENT.to_uppercase()] {
        let before = collector.spans().len();
        assert_eq!(post(bad).await.0, 200);
        let enough = |seen: &Collector| (seen.spans().len() >= before + 2).then(|| seen.spans().split_off(before));
        let spans = collector.until(enough).await;
        let rpc = named(&spans, "airlock.v1.InvocationService/Invoke");
        assert!(rpc.parent.is_empty() && rpc.trace != TRACE, "{bad}: {rpc:#?}");
    }
}

#[tokio::test]
async fn a_caller_who_samples_nothing_gets_no_spans_and_is_passed_on() {
    let (harness, collector) = told("sample = 0.0").await;
    traced_api(&harness);
    harness.reload().await.expect("reloaded");
    harness.deploy_built("sql-probe").await;
    let payload = r#"{"op":"http","method":"POST","path":"/echo"}"#;
    let unsampled = PARENT.replace("-01", "-00");
    let said = invoke(&harness, "sql-probe", payload, &[("traceparent", &unsampled)]).await.to_string();
    assert!(said.contains(&format!("00-{TRACE}-")) && said.contains("-00"), "{said}");
    let alone = invoke(&harness, "sql-probe", payload, &[]).await.to_string();
    assert!(alone.contains("traceparent") && !alone.contains(TRACE), "{alone}");
    // A sampled one behind them: when its spans are here, theirs would be.
    invoke(&harness, "sql-probe", payload, &[("traceparent", PARENT)]).await;
    let spans = collector.trace_of("invoke sql-probe", 3).await;
    assert_eq!(spans.len(), collector.spans().len(), "{:#?}", collector.spans());
}

#[tokio::test]
async fn nothing_is_sent_to_an_api_whose_binding_does_not_say_so() {
    let (harness, collector) = told("").await;
    harness.deploy_built("sql-probe").await;
    let payload = r#"{"op":"http","method":"POST","path":"/echo"}"#;
    let said = invoke(&harness, "sql-probe", payload, &[("traceparent", PARENT), ("tracestate", STATE)]).await;
    assert!(!said.to_string().contains(TRACE) && !said.to_string().contains(STATE), "{said}");
    collector.trace_of("invoke sql-probe", 3).await;
}

#[tokio::test]
async fn a_collector_is_told_the_numbers_that_prometheus_reads() {
    let (harness, collector) = told("interval_s = 1").await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    harness.invoke("one", "null").await.expect("it runs");
    let has = |seen: &Collector| seen.numbers().iter().any(|name| name == "airlock_invocations_total").then_some(());
    collector.until(has).await;
    let exposed = numbers(&harness).await;
    for name in collector.numbers() {
        assert!(exposed.contains(&format!("# TYPE {name} ")), "{name}");
    }
    assert!(value(&exposed, r#"airlock_otlp_exports_total{outcome="ok",signal="metrics"}"#) >= 1.0, "{exposed}");
}

#[tokio::test]
async fn a_stream_is_one_span_until_its_end_and_the_control_plane_has_spans_too() {
    let (harness, collector) = told("").await;
    harness.deploy_wat("spin", &WatGuest::new("(loop $again (br $again)) (i32.const 0)"), "fuel = 1_000_000").await;
    let deploy = collector.trace_of("airlock.v1.FunctionService/Deploy", 1).await;
    assert_eq!(named(&deploy, "airlock.v1.FunctionService/Deploy").says("rpc.grpc.status_code"), "0");
    let message = airlock_proto::v1::InvokeStreamRequest {
        function: "spin".to_owned(),
        environment: "dev".to_owned(),
        payload: b"null".to_vec(),
        ..Default::default()
    };
    let request = with_token(message, &harness.token(&TokenSpec::everything()));
    let mut events = harness.invocations().invoke_stream(request).await.expect("begun").into_inner();
    while let Ok(Some(_)) = events.message().await {}
    let spans = collector.trace_of("invoke spin", 2).await;
    let rpc = named(&spans, "airlock.v1.InvocationService/InvokeStream");
    assert_eq!(rpc.says("rpc.grpc.status_code"), "8", "as it ended, not as it began: {rpc:#?}");
    assert!(rpc.times.1 >= named(&spans, "invoke spin").times.1);
}

#[tokio::test]
async fn a_server_that_ends_behind_its_wall_has_told_everything() {
    let collector = Collector::start(Manner::Well).await;
    let place = Place::make(None).await;
    let path = place.path("airlock.toml");
    let text = std::fs::read_to_string(&path).expect("readable");
    std::fs::write(&path, format!("{text}\n{}", collector.config("sample = 1.0"))).expect("written");
    let served = place.serve().await;
    let guest = WatGuest::returning("1");
    served.deploy("name = \"one\"\nlanguage = \"component\"\n", guest.component()).await.expect("deployed");
    served.invoke("one", "null").await.expect("it runs");
    let (status, said) = served.stop().await;
    assert!(status.success(), "{said:#?}");
    assert!(collector.spans().iter().any(|span| span.name == "invoke one"), "{:#?}", collector.spans());
}

#[tokio::test]
async fn a_log_line_names_the_trace_that_it_is_about() {
    let collector = Collector::start(Manner::Well).await;
    let place = Place::make(None).await;
    let path = place.path("airlock.toml");
    let text = std::fs::read_to_string(&path).expect("readable");
    std::fs::write(&path, format!("{text}\n{}", collector.config(""))).expect("written");
    let mut command = place.command(&airlock_tests::airlock_binary());
    command.args(place.serve_arguments()).env("AIRLOCK_LOG", "info,airlock_server=debug");
    let served = place.start(command).await;
    served.invoke("nothing", "null").await.expect_err("not deployed");
    let (_, said) = served.stop().await;
    let spans = collector.spans();
    let rpc = named(&spans, "airlock.v1.InvocationService/Invoke");
    let line = said.iter().find(|line| line.contains("\"function_unknown\"")).unwrap_or_else(|| panic!("{said:#?}"));
    let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
    assert_eq!((line["trace_id"].as_str(), line["span_id"].as_str()), (Some(&*rpc.trace), Some(&*rpc.id)), "{line}");
}

/// Spans are about what the trail has, and the trail keeps nothing of them.
#[tokio::test]
async fn the_trail_is_the_same_with_and_without_traces() {
    let (harness, _collector) = told("").await;
    harness.deploy_built("sql-probe").await;
    harness.probe(&TokenSpec::everything(), r#"{"op":"query","statement":"SELECT id FROM orders"}"#).await;
    for record in harness.trail().await {
        let body = serde_json::to_string(&record.event).expect("JSON");
        assert!(!body.contains("span"), "{body}");
    }
    tokio::time::timeout(Duration::from_secs(60), harness.app().telemetry().flush()).await.expect("flushed");
}
