//! The trail: complete, chained, readable by auditors of the right tenant.

use airlock_model::AuditKind;
use airlock_proto::v1::AuditServiceQueryRequest;
use airlock_store::Store;
use airlock_tests::{Harness, guests::WatGuest, reason, tokens::TokenSpec, with_token};

#[tokio::test]
async fn refused_and_finished_calls_are_on_record_and_the_chain_verifies() {
    let harness = Harness::start().await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    harness.invoke("one", "null").await.unwrap();
    harness.invoke_as(&TokenSpec::only("two", &[]), "one", "null").await.expect_err("refused");
    harness.invoke_as(&TokenSpec::everything().age_s(9_000), "one", "null").await.expect_err("refused");
    harness.invoke("one", "null").await.unwrap();
    let trail = harness.trail().await;
    let kinds: Vec<_> = trail.iter().map(|record| record.event.kind).collect();
    assert_eq!(
        kinds,
        [
            AuditKind::ServerStarted,
            AuditKind::FunctionDeployed,
            AuditKind::InvocationFinished,
            AuditKind::InvocationRefused,
            AuditKind::InvocationRefused,
            AuditKind::InvocationFinished,
        ]
    );
    let report = Store::open_read_only(&harness.dir().join("state")).unwrap().verify(None).await.unwrap();
    assert!(report.integrity && report.calls.complete, "{report:?}");
}

#[tokio::test]
async fn an_auditor_sees_the_own_tenant_and_environment_only() {
    let harness = Harness::start().await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    harness.invoke("one", "null").await.unwrap();
    let query = |spec: TokenSpec| {
        let token = harness.token(&spec);
        let environment = spec.environment_name().to_owned();
        let mut service = harness.audit_service();
        async move {
            let request =
                AuditServiceQueryRequest { environment, page_size: 100, ..AuditServiceQueryRequest::default() };
            service.query(with_token(request, &token)).await.map(|response| response.into_inner().records)
        }
    };
    assert!(!query(TokenSpec::control()).await.unwrap().is_empty());
    assert!(query(TokenSpec::control().tenant("rival")).await.unwrap().is_empty());
    assert!(query(TokenSpec::control().environment("prod")).await.unwrap().is_empty());
    let status = query(TokenSpec::everything()).await.expect_err("refused");
    assert_eq!(reason(&status), "not_granted");
}
