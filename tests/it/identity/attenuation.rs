//! Tokens that allow less, from tokens.

use std::collections::HashMap;

use airlock_model::AuditKind;
use airlock_proto::v1::{AttenuateRequest, AttenuateResponse};
use airlock_tests::{Harness, output, reason, tokens::TokenSpec, with_token};
use tonic::Status;

const READ: &str = r#"{"op":"query","statement":"select 1"}"#;
const WRITE: &str = r#"{"op":"execute","statement":"update orders set total = total"}"#;

async fn house() -> Harness {
    let harness = Harness::start().await;
    harness.deploy_built("sql-probe").await;
    harness
}

async fn narrowed(harness: &Harness, token: &str, request: AttenuateRequest) -> Result<AttenuateResponse, Status> {
    harness.tokens().attenuate(with_token(request, token)).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn any_holder_gets_a_token_for_less() {
    let harness = house().await;
    let parent = harness.token(&TokenSpec::everything());
    let asked = AttenuateRequest {
        functions: vec!["sql-probe".to_owned()],
        scope: "orders-db:read crm:GET:/customers/7".to_owned(),
        lifetime_s: 30,
        limits: HashMap::from([("result_rows".to_owned(), 1)]),
        calls: 0,
    };
    let child = narrowed(&harness, &parent, asked).await.expect("narrowed");
    assert_eq!(child.scope, "orders-db:read crm:GET:/customers/7");
    assert!(child.expires_in <= 30);
    let probe = async |call: &str| {
        output(&harness.invoke_with(&child.access_token, "dev", "sql-probe", call).await.expect("ran"))
    };
    assert!(probe(READ).await["error"].is_null());
    assert!(probe(WRITE).await.to_string().contains("not_granted"));
    let other = probe(r#"{"op":"http","method":"GET","path":"/customers/ada"}"#).await;
    assert!(other.to_string().contains("not_granted"), "{other}");
    let rows = probe(r#"{"op":"query","statement":"select 1 union all select 2"}"#).await;
    assert_eq!((rows["rows"].to_string().as_str(), rows["truncated"].as_bool()), ("[[1]]", Some(true)), "{rows}");
    let trail = harness.trail().await;
    let record = trail.iter().find(|record| record.event.kind == AuditKind::TokenAttenuated).expect("on record");
    let child_id = record.event.target.clone().expect("the child");
    assert_ne!(record.event.token_id.as_deref(), Some(child_id.as_str()));
    let ran = trail.iter().rfind(|record| record.event.kind == AuditKind::InvocationFinished).expect("it ran");
    assert_eq!(ran.event.token_id.as_deref(), Some(child_id.as_str()));
}

#[tokio::test]
async fn more_than_the_parent_has_is_refused_and_recorded() {
    let harness = house().await;
    let parent = harness.token(&TokenSpec::only("sql-probe", &["orders-db:read", "crm:GET:/customers/*"]));
    for (request, said) in [
        (AttenuateRequest { scope: "orders-db:write".to_owned(), ..AttenuateRequest::default() }, "orders-db:write"),
        (AttenuateRequest { scope: "crm:GET".to_owned(), ..AttenuateRequest::default() }, "crm:GET"),
        (AttenuateRequest { functions: vec!["other".to_owned()], ..AttenuateRequest::default() }, "`other`"),
    ] {
        let refused = narrowed(&harness, &parent, request).await.expect_err(said);
        assert_eq!(reason(&refused), "not_granted");
        assert!(refused.message().contains(said), "{}", refused.message());
    }
    for request in [
        AttenuateRequest { scope: "nonsense".to_owned(), ..AttenuateRequest::default() },
        AttenuateRequest { functions: vec!["*".to_owned()], ..AttenuateRequest::default() },
        AttenuateRequest { limits: HashMap::from([("none".to_owned(), 1)]), ..AttenuateRequest::default() },
        AttenuateRequest { limits: HashMap::from([("fuel".to_owned(), 0)]), ..AttenuateRequest::default() },
    ] {
        let refused = narrowed(&harness, &parent, request).await.expect_err("malformed");
        assert_eq!(reason(&refused), "request_malformed");
    }
    let refused = harness.tokens().attenuate(AttenuateRequest::default()).await.expect_err("nobody");
    assert_eq!(reason(&refused), "token_invalid");
    // They are queued, not waited for.
    let refused = async || {
        let trail = harness.trail().await;
        trail.iter().filter(|record| record.event.kind == AuditKind::ControlRefused).count()
    };
    while refused().await < 4 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
