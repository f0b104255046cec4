//! The control plane over gRPC.

use airlock_proto::v1::{
    self, audit_service_client::AuditServiceClient, function_service_client::FunctionServiceClient,
};
use tonic::{Code, Request};
use tonic_types::StatusExt as _;

use super::{House, ask, with_token};

/// A page token that reads; whose list it belongs to is for the store to say.
const PAGE: &str = "00112233445566778899";

fn upload(component: &[u8]) -> v1::DeployRequest {
    v1::DeployRequest {
        environment: "dev".into(),
        manifest_toml: "name = \"f\"".into(),
        component: component.to_vec(),
        sources: vec![v1::SourceFile { path: "src/main.ts".into(), text: "x".into() }],
        signature: Vec::new(),
    }
}

#[tokio::test]
async fn every_rpc_answers_with_a_token_and_refuses_without() {
    let house = House::open();
    let channel = house.control().await;
    let mut functions = FunctionServiceClient::new(channel.clone());
    let mut audit = AuditServiceClient::new(channel.clone());
    let mut operator = v1::operator_service_client::OperatorServiceClient::new(channel);
    macro_rules! both {
        ($client:ident.$method:ident($message:expr)) => {{
            let refused = $client.$method(Request::new($message)).await.unwrap_err();
            assert_eq!(refused.code(), Code::Unauthenticated, stringify!($method));
            $client.$method(with_token($message)).await.unwrap().into_inner()
        }};
    }
    let v1::DeployRequest { environment, manifest_toml, component, sources, signature } = upload(b"good");
    let check = v1::CheckRequest { environment, manifest_toml, component, sources, signature };
    let checked = both!(functions.check(check.clone()));
    assert!(checked.accepted);
    assert_eq!(checked.resources.first().map(|one| (one.name.as_str(), one.kind.as_str())), Some(("crm", "http")));
    let deployed = both!(functions.deploy(upload(b"good")));
    let revision = deployed.revision.unwrap();
    assert_eq!((revision.description.as_str(), revision.grants.as_slice()), ("counts", &["crm:GET".to_owned()][..]));
    assert_eq!((revision.number, revision.create_time.unwrap().seconds), (3, 1_700_000_000));
    let get = v1::FunctionServiceGetRequest { environment: "dev".into(), function: "f".into() };
    assert_eq!(both!(functions.get(get.clone())).function.unwrap().name, "f");
    let list = v1::FunctionServiceListRequest { environment: "dev".into(), page_size: 9000, page_token: PAGE.into() };
    let page = both!(functions.list(list.clone()));
    assert_eq!((page.functions.len(), page.next_page_token.as_str()), (500, PAGE));
    let revisions = v1::ListRevisionsRequest { environment: "dev".into(), function: "g".into(), ..Default::default() };
    assert_eq!(both!(functions.list_revisions(revisions.clone())).revisions.first().unwrap().function, "g");
    let query = v1::AuditServiceQueryRequest {
        environment: "dev".into(),
        invocation_id: "inv-1".into(),
        after_sequence: 41,
        ..Default::default()
    };
    let record = both!(audit.query(query.clone())).records.first().unwrap().clone();
    assert_eq!(
        (record.sequence, record.invocation_id.as_str(), record.kind.as_str()),
        (42, "inv-1", "invocation_finished")
    );
    let environment = || "dev".to_owned();
    let change = both!(operator.reload(v1::ReloadRequest { environment: environment() })).changes.remove(0);
    assert_eq!((change.old_value.as_deref(), change.new_value), (Some("1"), None));
    let setting = both!(operator.get_config(v1::GetConfigRequest { environment: environment() })).settings.remove(0);
    assert_eq!((setting.key.as_str(), setting.source.as_str()), ("server.data", "airlock.toml:7"));
    let asked = || v1::LimitsRequest { environment: environment(), tenant: "acme".into(), function: String::new() };
    let limit = both!(operator.limits(asked())).limits.remove(0);
    assert_eq!(
        (limit.limit.as_str(), limit.value, limit.source.as_str(), limit.place.as_str()),
        ("fuel", 5, "tenant", "acme")
    );
}

#[tokio::test]
async fn a_rejected_deploy_carries_its_findings() {
    let house = House::open();
    let mut functions = FunctionServiceClient::new(house.control().await);
    let status = functions.deploy(with_token(upload(b"bad"))).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    let details = status.get_error_details();
    let violation = details.precondition_failure().unwrap().violations.first().unwrap();
    assert_eq!((violation.r#type.as_str(), violation.subject.as_str()), ("import-undeclared", "src/main.ts:3:1"));
    let finding = crate::status::explain(&status).findings.remove(0);
    assert_eq!((finding.severity(), finding.fix.as_str()), (v1::Severity::Error, "declare it"));
}

#[tokio::test]
async fn the_callers_deadline_ends_a_control_call() {
    // Over JSON: tonic's client would enforce the header by itself.
    let house = House::open();
    let headers = "content-type: application/json\r\nauthorization: Bearer good\r\ngrpc-timeout: 50m\r\n";
    let text = r#"{"environment":"dev","manifestToml":"name = 1","component":"d2FpdA=="}"#;
    let address = house.server.control_addr();
    let answer = super::post(address, "/airlock.v1.FunctionService/Deploy", headers, text).await;
    assert_eq!((answer.code, &answer.json()["reason"]), (504, &"time_exhausted".into()));
    house.app.has_dropped(1).await;
}

#[tokio::test]
async fn a_component_larger_than_a_call_may_be_is_taken() {
    let house = House::open();
    let mut functions = FunctionServiceClient::new(house.control().await);
    assert!(functions.deploy(with_token(upload(&vec![7; 20 << 20]))).await.is_ok());
}

#[tokio::test]
async fn a_service_of_the_other_listener_says_where_it_is() {
    let house = House::open();
    let mut functions = FunctionServiceClient::new(house.data().await);
    let status = functions.deploy(with_token(upload(b"good"))).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert!(
        status.get_error_details().error_info().unwrap().metadata.get("hint").unwrap().contains("control listener")
    );
    let control = house.control().await;
    let mut invocations = v1::invocation_service_client::InvocationServiceClient::new(control);
    assert_eq!(invocations.invoke(with_token(ask("echo", "1"))).await.unwrap_err().code(), Code::Unimplemented);
}
