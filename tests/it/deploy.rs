//! Deploys: what is refused, with findings that say what to do, and nothing stored.

use airlock_proto::v1::{CheckRequest, FunctionServiceGetRequest, ListRevisionsRequest};
use airlock_tests::{
    Harness,
    guests::{WatGuest, built},
    reason,
    tokens::TokenSpec,
    with_token,
};

const PLAIN: &str = "name = \"one\"\nlanguage = \"component\"\n";

#[tokio::test]
async fn bytes_that_are_no_component_are_refused_with_a_fix() {
    let harness = Harness::start().await;
    let module = wat::parse_str("(module)").unwrap();
    let cases: [(&str, Vec<u8>); 5] = [
        ("text", b"(component)".to_vec()),
        ("elf", b"\x7fELF\x02\x01\x01".to_vec()),
        ("zip", b"PK\x03\x04rest".to_vec()),
        ("core module", module),
        ("empty component", wat::parse_str("(component)").unwrap()),
    ];
    for (name, bytes) in cases {
        let status = harness.deploy(PLAIN, bytes).await.expect_err("refused");
        assert_eq!(reason(&status), "component_rejected", "{name}");
        assert_eq!(status.code(), tonic::Code::FailedPrecondition);
    }
    assert_eq!(reason(&harness.invoke("one", "null").await.expect_err("absent")), "function_unknown");
    let large = format!("{PLAIN}x = [{}1]\n", "1,".repeat(600_000));
    let too_large = harness.deploy(&large, WatGuest::returning("1").component()).await.expect_err("refused");
    assert_eq!(reason(&too_large), "request_malformed");
    let nameless = harness.deploy("name = 7", WatGuest::returning("1").component()).await.expect_err("refused");
    assert_eq!(reason(&nameless), "request_malformed");
    // What was queued before a call is on disk when the call is answered.
    harness.deploy(PLAIN, WatGuest::returning("1").component()).await.expect("deployed");
    harness.invoke("one", "null").await.expect("an answer");
    let trail = harness.trail().await;
    let refused = trail.iter().filter(|record| record.event.kind == airlock_model::AuditKind::DeployRefused);
    let named: Vec<_> = refused.map(|record| record.event.function.as_deref()).collect();
    assert_eq!(
        named,
        [Some("one"), Some("one"), Some("one"), Some("one"), Some("one"), None, None],
        "as far as there is a name"
    );
}

#[tokio::test]
async fn a_component_may_import_only_what_we_offer_and_what_it_declares() {
    let harness = Harness::start().await;
    let foreign = wat::parse_str(r#"(component (import "wasi:http/outgoing-handler@0.2.0" (instance)))"#).unwrap();
    let status = harness.deploy(PLAIN, foreign).await.expect_err("refused");
    assert!(status.message().contains("wasi:http"), "{}", status.message());
    let (_, probe) = built("sql-probe");
    let status = harness.deploy(&PLAIN.replace("\"one\"", "\"sql-probe\""), probe).await.expect_err("refused");
    assert_eq!(reason(&status), "component_rejected");
    assert!(status.message().contains("orders-db") || status.message().contains("crm"), "{}", status.message());
}

#[tokio::test]
async fn a_manifest_with_a_mistake_is_refused_with_its_line() {
    let harness = Harness::start().await;
    for manifest in [
        "",
        "name = \"One\"\nlanguage = \"component\"",
        "name = \"one\"\nlanguage = \"cobol\"",
        &format!("{PLAIN}colour = 1"),
    ] {
        let status = harness.deploy(manifest, WatGuest::returning("1").component()).await.expect_err("refused");
        assert_eq!(reason(&status), "request_malformed", "{manifest}");
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
    }
}

#[tokio::test]
async fn a_resource_must_be_bound_where_the_function_goes() {
    let harness = Harness::start().await;
    let (manifest, component) = built("sql-probe");
    let status = harness.deploy_to("bare", &manifest, component).await.expect_err("refused");
    assert_eq!(reason(&status), "resource_unbound");
}

#[tokio::test]
async fn only_a_builder_deploys() {
    let harness = Harness::start().await;
    let token = harness.token(&TokenSpec::everything());
    let request = airlock_proto::v1::DeployRequest {
        environment: "dev".to_owned(),
        manifest_toml: PLAIN.to_owned(),
        component: WatGuest::returning("1").component(),
        sources: Vec::new(),
        signature: Vec::new(),
    };
    let status = harness.functions().deploy(with_token(request, &token)).await.expect_err("refused");
    assert_eq!(reason(&status), "not_granted");
}

#[tokio::test]
async fn a_check_says_what_a_deploy_would_and_stores_nothing() {
    let harness = Harness::start().await;
    let token = harness.token(&TokenSpec::control());
    let request = |component: Vec<u8>| CheckRequest {
        environment: "dev".to_owned(),
        manifest_toml: PLAIN.to_owned(),
        component,
        sources: Vec::new(),
        signature: Vec::new(),
    };
    let good =
        harness.functions().check(with_token(request(WatGuest::returning("1").component()), &token)).await.unwrap();
    assert!(good.into_inner().accepted);
    let bad = harness.functions().check(with_token(request(b"junk".to_vec()), &token)).await.unwrap().into_inner();
    assert!(!bad.accepted && !bad.findings[0].fix.is_empty(), "{bad:?}");
    assert_eq!(reason(&harness.invoke("one", "null").await.expect_err("absent")), "function_unknown");
}

#[tokio::test]
async fn revisions_are_numbered_and_the_same_upload_is_the_same_revision() {
    let harness = Harness::start().await;
    let token = harness.token(&TokenSpec::control());
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    harness.deploy_wat("one", &WatGuest::returning("2"), "").await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    let request = ListRevisionsRequest {
        environment: "dev".to_owned(),
        function: "one".to_owned(),
        page_size: 10,
        page_token: String::new(),
    };
    let revisions =
        harness.functions().list_revisions(with_token(request, &token)).await.unwrap().into_inner().revisions;
    assert_eq!(revisions.iter().map(|revision| revision.number).collect::<Vec<_>>(), [2, 1]);
    let request = FunctionServiceGetRequest { environment: "dev".to_owned(), function: "one".to_owned() };
    let live = harness
        .functions()
        .get(with_token(request, &token))
        .await
        .unwrap()
        .into_inner()
        .function
        .unwrap()
        .live_revision
        .unwrap();
    assert_eq!(live.number, 1);
}
