//! GraphQL through the gate: grants, policy, limits, what comes back, and the record of each call.

use std::process::Command;

use airlock_model::AuditKind;
use airlock_proto::v1::DescribeSchemaRequest;
use airlock_tests::{
    Harness, Options, airlock_binary, output, reason,
    shop::{SHOP_SDL, SHOP_SECRET, Shop},
    tokens::TokenSpec,
    with_token,
};
use serde_json::{Value, json};

const CUSTOMER: &str = "query ($id: ID!) { customer(id: $id) { id name } }";
const RENAME: &str = "mutation { rename(id: 1, name: \"x\") { id } }";

async fn start(more: &str) -> (Shop, Harness) {
    let shop = Shop::start().await;
    let bare = "[resources.shop.prod]\nengine = \"graphql\"\nbase_url = \"https://shop.example\"\noperations = [\"query\", \"mutation\"]\n";
    let harness = Harness::start_with(Options { more_config: shop.binding("dev", more) + bare }).await;
    harness.deploy_built("api-probe").await;
    (shop, harness)
}

fn query(document: &str, variables: impl Into<Value>) -> String {
    json!({ "to": "graphql", "op": "query", "document": document, "variables": variables.into() }).to_string()
}

fn mutate(document: &str) -> String {
    json!({ "to": "graphql", "op": "mutate", "document": document }).to_string()
}

async fn ask_as(harness: &Harness, spec: &TokenSpec, call: &str) -> Value {
    output(&harness.invoke_as(spec, "api-probe", call).await.expect("the probe answers"))
}

async fn ask(harness: &Harness, call: &str) -> Value {
    ask_as(harness, &TokenSpec::everything(), call).await
}

#[tokio::test]
async fn a_query_goes_out_with_the_host_s_credential_and_comes_back_whole() {
    let (shop, harness) = start("").await;
    let answer = ask(&harness, &query(CUSTOMER, json!({ "id": "7" }))).await;
    assert_eq!(answer["data"]["customer"]["name"], "Ada Lovelace", "{answer}");
    assert_eq!(answer["problems"], json!([]));
    assert_eq!(shop.asked(), [json!({ "query": CUSTOMER, "variables": { "id": "7" } })]);
    let trail = harness.trail().await;
    let record = trail.iter().rev().find(|record| record.event.kind == AuditKind::HostCallOutcome).expect("a record");
    let event = &record.event;
    assert_eq!((event.operation.as_deref(), event.target.as_deref()), (Some("query"), Some(CUSTOMER)));
    assert_eq!((event.tables.as_slice(), event.reason.as_deref()), (&["customer".to_owned()][..], Some("ok")));
    let all = format!("{trail:?}");
    assert!(!all.contains(SHOP_SECRET), "no credential");
}

#[tokio::test]
async fn queries_and_mutations_have_grants_of_their_own() {
    let (shop, harness) = start("").await;
    let (reader, writer) =
        (TokenSpec::only("api-probe", &["shop:query"]), TokenSpec::only("api-probe", &["shop:mutation"]));
    let code = |answer: Value| answer["error"]["reason"].as_str().map(str::to_owned);
    assert_eq!(code(ask_as(&harness, &reader, &query("{ version }", json!({}))).await), None);
    assert_eq!(code(ask_as(&harness, &writer, &mutate(RENAME)).await), None);
    assert_eq!(code(ask_as(&harness, &reader, &mutate(RENAME)).await).as_deref(), Some("not_granted"));
    assert_eq!(code(ask_as(&harness, &writer, &query("{ version }", json!({}))).await).as_deref(), Some("not_granted"));
    let smuggled = ask_as(&harness, &reader, &query(RENAME, json!({}))).await;
    assert_eq!(code(smuggled).as_deref(), Some("not_granted"), "a mutation is one, whatever it is sent as");
    let confused = ask(&harness, &query(RENAME, json!({}))).await;
    assert_eq!(confused["error"]["kind"], "bad_request", "{confused}");
    assert_eq!((shop.changes(), shop.asked().len()), (1, 2));
}

#[tokio::test]
async fn an_environment_decides_about_mutations() {
    let (shop, harness) = start("").await;
    let (manifest, component) = airlock_tests::guests::built("api-probe");
    harness.deploy_to("prod", &manifest, component).await.expect("deployed");
    let answer = ask_as(&harness, &TokenSpec::everything().environment("prod"), &mutate(RENAME)).await;
    assert_eq!(answer["error"]["reason"], "writes_denied", "{answer}");
    assert_eq!(shop.asked().len(), 0);
}

#[tokio::test]
async fn what_a_document_may_not_do_never_leaves_the_host() {
    let (shop, harness) = start("depth_max = 3\ncost_max = 50\naliases_max = 2").await;
    for (document, part) in [
        ("subscription { renamed { id } }", "subscriptions are not available"),
        ("{ __schema { types { name } } }", "introspection is off"),
        ("{ version } { version }", "2 operations"),
        ("{ customers(first: 100) { id } }", "`cost_max` is 50"),
        ("{ customers { orders { id { x } } } }", "`depth_max` is 3"),
        ("{ a: version b: version c: version }", "`aliases_max` is 2"),
        ("{ version", "at line 1"),
    ] {
        let answer = ask(&harness, &query(document, json!({}))).await;
        assert_eq!(answer["error"]["reason"], "statement_refused", "{document}: {answer}");
        assert!(answer["error"]["rule"].as_str().is_some_and(|rule| rule.contains(part)), "{document}: {answer}");
    }
    let document = "query ($n: Int) { customers(first: $n) { id } }";
    let costly = ask(&harness, &query(document, json!({ "n": 26 }))).await;
    assert_eq!(costly["error"]["reason"], "statement_refused", "{costly}");
    assert_eq!(ask(&harness, &query("{ version }", json!([1]))).await["error"]["kind"], "bad_request");
    assert_eq!(shop.asked().len(), 0, "none of it was sent");
    assert!(ask(&harness, &query(document, json!({ "n": 25 }))).await.get("error").is_none());
}

#[tokio::test]
async fn a_schema_refuses_what_the_api_does_not_have_and_is_told_to_builders() {
    let (shop, harness) = start("schema = \"shop.graphql\"").await;
    let answer = ask(&harness, &query("{ nothing }", json!({}))).await;
    let rule = answer["error"]["rule"].as_str().expect("a rule");
    assert!(rule.contains("line 1, column 3") && rule.contains("nothing"), "{rule}");
    assert_eq!(shop.asked().len(), 0);
    let describe = async |scope: &str| {
        let request =
            DescribeSchemaRequest { environment: "dev".to_owned(), resource: "shop".to_owned(), refresh: false };
        let token = harness.token(&TokenSpec::only("none", &["resource:read", scope]));
        harness.resource_service().describe_schema(with_token(request, &token)).await.map(tonic::Response::into_inner)
    };
    assert_eq!(describe("shop:query").await.expect("told").sdl, SHOP_SDL);
    assert_eq!(reason(&describe("shop:mutation").await.expect_err("refused")), "not_granted");
}

#[tokio::test]
async fn a_part_of_the_data_comes_with_its_problems_and_none_is_an_error() {
    let (_shop, harness) = start("").await;
    let partial = ask(&harness, &query(CUSTOMER, json!({ "id": "missing" }))).await;
    let problem = json!({ "message": "no such customer", "code": "NOT_FOUND", "path": "customer" });
    assert_eq!(partial, json!({ "data": { "customer": null }, "problems": [problem] }));
    let refused = ask(&harness, &query(CUSTOMER, json!({ "id": "refused" }))).await;
    let error = json!({ "kind": "backend", "code": "NOT_FOUND", "message": "no such customer (at customer)" });
    assert_eq!(refused, json!({ "error": error }));
}

#[tokio::test]
async fn nothing_of_the_backend_reaches_a_guest_that_is_no_answer() {
    let (_shop, harness) = start("timeout_ms = 2000\nresponse_bytes_max = 100_000").await;
    for (id, kind) in
        [("html", "backend"), ("broken", "unavailable"), ("large", "backend"), ("slow", "timeout"), ("echo", "backend")]
    {
        let answer = ask(&harness, &query(CUSTOMER, json!({ "id": id }))).await;
        assert_eq!(answer["error"]["kind"], kind, "{id}: {answer}");
        let text = answer.to_string();
        assert!(!text.contains("internal.example") && !text.contains(SHOP_SECRET), "{id}: {text}");
    }
    let echoed = ask(&harness, &query(CUSTOMER, json!({ "id": "echo-data" }))).await;
    assert_eq!(echoed["data"]["customer"]["name"], "Bearer [redacted]");
}

#[tokio::test]
async fn requests_are_counted_against_the_call_s_budgets() {
    let (shop, harness) = start("").await;
    let none = TokenSpec::everything().limits("egress_bytes = 100");
    assert_eq!(ask_as(&harness, &none, &query("{ version }", json!({}))).await["error"]["limit"], "egress_bytes");
    assert_eq!(shop.asked().len(), 0);
}

#[tokio::test]
async fn an_operator_fetches_the_schema_with_the_host_s_credential() {
    let shop = Shop::start().await;
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("shop-token"), SHOP_SECRET).expect("written");
    std::fs::write(dir.path().join("keys.json"), "{\"keys\":[]}").expect("written");
    let head = "[state]\ndir = \"state\"\n[[tokens.issuer]]\niss = \"https://x.example\"\njwks = { file = \"keys.json\" }\n[environments.dev]\n";
    std::fs::write(dir.path().join("airlock.toml"), head.to_owned() + &shop.binding("dev", "")).expect("written");
    let mut command = Command::new(airlock_binary());
    command.args(["resources", "introspect", "shop", "--environment", "dev", "--output", "out.graphql"]);
    command.current_dir(dir.path());
    let ended = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("it runs");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let sdl = std::fs::read_to_string(dir.path().join("out.graphql")).expect("a schema file");
    assert!(sdl.contains("customers(first: Int): [Customer!]!") && !sdl.contains(SHOP_SECRET), "{sdl}");
    airlock_analysis::GraphqlSchema::parse(&sdl).expect("a schema");
}

#[tokio::test]
async fn the_example_answers_as_its_readme_says() {
    let (_shop, harness) = start("").await;
    harness.deploy_built("graphql").await;
    let expected = std::fs::read_to_string(airlock_tests::guests::root().join("examples/graphql/expected-output.json"));
    let expected: Value = serde_json::from_str(&expected.expect("a file")).expect("JSON");
    assert_eq!(output(&harness.invoke("graphql", r#"{"id":"1"}"#).await.expect("answers")), expected);
    let missing = output(&harness.invoke("graphql", r#"{"id":"missing"}"#).await.expect("answers"));
    assert_eq!(missing, json!({ "found": false, "because": ["NOT_FOUND"] }));
}
