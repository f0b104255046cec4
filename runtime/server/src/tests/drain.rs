//! The end of serving.

use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio_stream::StreamExt as _;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use super::{House, PATIENCE, ask, with_token};
use crate::DrainReport;

#[tokio::test]
async fn a_call_in_flight_finishes_and_new_clients_go_elsewhere() {
    let House { server, app } = House::open();
    let address = server.data_addr();
    let mut client = super::InvocationServiceClient::new(super::channel(address).await);
    let call = tokio::spawn(async move { client.invoke(with_token(ask("wait", ""))).await });
    app.has_begun(1).await;
    let draining = tokio::spawn(server.drain(PATIENCE));
    let closed = async { while TcpStream::connect(address).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, closed).await.expect("the port closes");
    app.release.notify_waiters();
    assert!(call.await.unwrap().is_ok());
    assert_eq!(draining.await.unwrap(), DrainReport { complete: true, dropped: 0 });
}

#[tokio::test]
async fn when_the_time_is_up_what_runs_is_dropped() {
    let House { server, app } = House::open();
    let mut client = super::InvocationServiceClient::new(super::channel(server.data_addr()).await);
    let call = tokio::spawn(async move { client.invoke(with_token(ask("wait", ""))).await });
    app.has_begun(1).await;
    assert_eq!(server.drain(Duration::from_millis(50)).await, DrainReport { complete: false, dropped: 1 });
    app.has_dropped(1).await;
    assert!(call.await.unwrap().is_err());
}

#[tokio::test]
async fn a_health_watch_hears_the_end_and_does_not_hold_it_up() {
    let House { server, .. } = House::open();
    let mut health = HealthClient::new(super::channel(server.data_addr()).await);
    let mut watch = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(watch.next().await.unwrap().unwrap().status(), ServingStatus::Serving);
    let began = Instant::now();
    let draining = tokio::spawn(server.drain(PATIENCE));
    assert_eq!(watch.next().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert_eq!(watch.next().await.unwrap().unwrap_err().code(), tonic::Code::Unavailable);
    assert!(draining.await.unwrap().complete);
    assert!(began.elapsed() < PATIENCE / 2, "{:?}", began.elapsed());
}

#[tokio::test]
async fn dropping_the_handle_stops_at_once() {
    let House { server, app } = House::open();
    let mut client = super::InvocationServiceClient::new(super::channel(server.data_addr()).await);
    let call = tokio::spawn(async move { client.invoke(with_token(ask("wait", ""))).await });
    app.has_begun(1).await;
    drop(server);
    assert!(call.await.unwrap().is_err());
    app.has_dropped(1).await;
}
