//! A unique secret in every credential, and then a look everywhere.

use airlock_tests::{CRM_SECRET, Harness, tokens::TokenSpec};
use serde_json::json;

#[tokio::test]
async fn no_credential_reaches_guests_callers_or_the_trail() {
    let harness = Harness::start().await;
    harness.deploy_built("sql-probe").await;
    let mut seen = String::new();
    let calls = [
        json!({ "op": "http", "method": "GET", "path": "/echo" }),
        json!({ "op": "http", "method": "POST", "path": "/echo", "body": "hello" }),
        json!({ "op": "http", "method": "GET", "path": "/customers/ada" }),
        json!({ "op": "http", "method": "GET", "path": "/redirect" }),
        json!({ "op": "http", "method": "GET", "path": "/nothing" }),
    ];
    for call in calls {
        seen += &harness.probe(&TokenSpec::everything(), &call.to_string()).await.to_string();
    }
    assert!(seen.contains("[redacted]"), "the API said the credential back and it was scrubbed: {seen}");
    for record in harness.trail().await {
        seen += &format!("{:?}", record.event);
    }
    let secret = CRM_SECRET.as_bytes();
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    for form in [CRM_SECRET.to_owned(), hex.clone(), hex.to_uppercase()] {
        assert!(!seen.contains(&form), "{form} in {seen}");
    }
    let database = std::fs::read(harness.dir().join("state/airlock.db")).unwrap();
    assert!(!database.windows(secret.len()).any(|window| window == secret));
}

#[tokio::test]
async fn no_token_reaches_the_trail() {
    let harness = Harness::start().await;
    let token = harness.token(&TokenSpec::everything());
    let request = airlock_proto::v1::InvokeRequest {
        function: "absent".to_owned(),
        environment: "dev".to_owned(),
        payload: b"null".to_vec(),
        request_id: String::new(),
        alias: String::new(),
    };
    let status = harness.invocations().invoke(airlock_tests::with_token(request, &token)).await.expect_err("absent");
    let signature = token.rsplit('.').next().unwrap();
    assert!(!format!("{status:?}").contains(signature));
    for record in harness.trail().await {
        assert!(!format!("{:?}", record.event).contains(signature));
    }
}
