//! The examples, built by `./scripts/test` and run as their READMEs say.

use airlock_tests::{Harness, guests::root, output};
use serde_json::Value;

fn json_file(path: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(root().join(path)).expect(path)).expect(path)
}

#[tokio::test]
async fn order_summary_asks_two_resources() {
    let harness = Harness::start().await;
    harness.deploy_built("order-summary").await;
    let response = harness.invoke("order-summary", r#"{"customer":"ada"}"#).await.unwrap();
    assert_eq!(output(&response), json_file("examples/order-summary/expected-output.json"));
    let usage = response.usage.unwrap();
    assert_eq!((usage.host_calls, usage.egress_requests, usage.result_rows), (2, 1, 3));
    assert!(usage.fuel > 0 && usage.memory_bytes > 0 && usage.wall_us > 0);
}

#[tokio::test]
async fn the_same_call_costs_the_same_fuel() {
    let harness = Harness::start().await;
    harness.deploy_built("thumbnail-hash").await;
    let input = json_file("examples/thumbnail-hash/example-input.json").to_string();
    let mut spent = Vec::new();
    for _ in 0..3 {
        let response = harness.invoke("thumbnail-hash", &input).await.unwrap();
        assert_eq!(output(&response), json_file("examples/thumbnail-hash/expected-output.json"));
        spent.push(response.usage.unwrap().fuel);
    }
    assert!(spent[0] > 0 && spent.iter().all(|fuel| *fuel == spent[0]), "{spent:?}");
}

#[tokio::test]
async fn a_function_knows_its_own_errors_from_the_hosts() {
    let harness = Harness::start().await;
    harness.deploy_built("order-summary").await;
    let (code, details) =
        airlock_tests::function_error(&harness.invoke("order-summary", r#"{"customer":"nobody"}"#).await.unwrap());
    assert!(!code.starts_with("host_error"), "the API answered 404: {code} {details}");
    let reader = airlock_tests::tokens::TokenSpec::only("order-summary", &["crm:GET"]);
    let (code, details) = airlock_tests::function_error(
        &harness.invoke_as(&reader, "order-summary", r#"{"customer":"ada"}"#).await.unwrap(),
    );
    assert_eq!((code.as_str(), details["reason"].as_str()), ("host_error.denied", Some("not_granted")), "{details}");
}
