//! Health is open, reflection is not.

use std::sync::atomic::Ordering::SeqCst;

use tokio_stream::StreamExt as _;
use tonic::{Code, Request, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tonic_reflection::pb::{v1, v1alpha};

use super::{House, with_token};

#[tokio::test]
async fn health_answers_without_a_token_on_both_listeners() {
    let house = House::open();
    for channel in [house.data().await, house.control().await] {
        let mut health = HealthClient::new(channel);
        for service in ["", "airlock.v1.InvocationService", "airlock.v1.FunctionService"] {
            let answer = health.check(HealthCheckRequest { service: service.into() }).await.unwrap();
            assert_eq!(answer.into_inner().status(), ServingStatus::Serving, "{service}");
        }
        let isolation = health.check(HealthCheckRequest { service: "airlock.isolation.L0".into() }).await.unwrap();
        assert_eq!(isolation.into_inner().status(), ServingStatus::Serving);
        let stronger = health.check(HealthCheckRequest { service: "airlock.isolation.L1".into() }).await.unwrap_err();
        assert_eq!(stronger.code(), Code::NotFound);
        let development = health.check(HealthCheckRequest { service: "airlock.development".into() }).await.unwrap_err();
        assert_eq!(development.code(), Code::NotFound, "this is no server of a desk");
        let unknown = health.check(HealthCheckRequest { service: "no.Such".into() }).await.unwrap_err();
        assert_eq!(unknown.code(), Code::NotFound);
    }
}

#[tokio::test]
async fn health_follows_what_the_application_can_do() {
    let house = House::open();
    let mut health = HealthClient::new(house.data().await);
    let mut becomes = async |wanted: ServingStatus| {
        let reached = async {
            let check = HealthCheckRequest { service: "airlock.v1.InvocationService".into() };
            while health.check(check.clone()).await.unwrap().into_inner().status() != wanted {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(super::PATIENCE, reached).await.expect("health follows");
    };
    house.app.stuck.store(true, SeqCst);
    becomes(ServingStatus::NotServing).await;
    house.app.stuck.store(false, SeqCst);
    becomes(ServingStatus::Serving).await;
}

async fn services(channel: Channel, token: bool) -> Result<Vec<String>, tonic::Status> {
    use v1::{ServerReflectionRequest, server_reflection_response::MessageResponse};
    use v1::{server_reflection_client::ServerReflectionClient, server_reflection_request::MessageRequest};
    let message_request = Some(MessageRequest::ListServices(String::new()));
    let asked = tokio_stream::once(ServerReflectionRequest { host: String::new(), message_request });
    let request = if token { with_token(asked) } else { Request::new(asked) };
    let mut answers = ServerReflectionClient::new(channel).server_reflection_info(request).await?.into_inner();
    let answer = answers.next().await.unwrap()?.message_response.unwrap();
    let MessageResponse::ListServicesResponse(list) = answer else { panic!("{answer:?}") };
    Ok(list.service.into_iter().map(|service| service.name).collect())
}

async fn services_alpha(channel: Channel, token: bool) -> Result<usize, tonic::Status> {
    use v1alpha::{ServerReflectionRequest, server_reflection_response::MessageResponse};
    use v1alpha::{server_reflection_client::ServerReflectionClient, server_reflection_request::MessageRequest};
    let message_request = Some(MessageRequest::FileContainingSymbol("airlock.v1.InvokeRequest".into()));
    let asked = tokio_stream::once(ServerReflectionRequest { host: String::new(), message_request });
    let request = if token { with_token(asked) } else { Request::new(asked) };
    let mut answers = ServerReflectionClient::new(channel).server_reflection_info(request).await?.into_inner();
    let answer = answers.next().await.unwrap()?.message_response.unwrap();
    let MessageResponse::FileDescriptorResponse(files) = answer else { panic!("{answer:?}") };
    Ok(files.file_descriptor_proto.len())
}

#[tokio::test]
async fn reflection_needs_a_token_in_both_versions() {
    let house = House::open();
    let names = services(house.data().await, true).await.unwrap();
    assert!(names.iter().any(|name| name == "airlock.v1.InvocationService"), "{names:?}");
    assert!(services_alpha(house.control().await, true).await.unwrap() > 0);
    assert_eq!(services(house.data().await, false).await.unwrap_err().code(), Code::Unauthenticated);
    assert_eq!(services_alpha(house.data().await, false).await.unwrap_err().code(), Code::Unauthenticated);
}
