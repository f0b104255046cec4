//! More than the server takes.

use std::time::Duration;

use tonic::Code;
use tonic_types::StatusExt as _;

use super::{House, ask, with_token};
use crate::TransportLimits;

fn narrow() -> TransportLimits {
    TransportLimits { in_flight_max: 2, ..TransportLimits::BUILT_IN }
}

#[tokio::test]
async fn calls_over_the_cap_are_shed_with_a_time_to_retry_and_the_others_finish() {
    let house = House::with(narrow());
    let client = house.client().await;
    let running: Vec<_> = (0..2)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move { client.invoke(with_token(ask("wait", ""))).await })
        })
        .collect();
    house.app.has_begun(2).await;
    let status = client.clone().invoke(with_token(ask("echo", "1"))).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "overloaded");
    assert_eq!(details.retry_info().unwrap().retry_delay, Some(TransportLimits::BUILT_IN.shed_retry_after));
    assert_eq!(house.server.counters().shed, 1);
    let json = house.json("/airlock.v1.InvocationService/Invoke", r#"{"function":"echo","environment":"dev"}"#).await;
    assert_eq!((json.code, json.header("retry-after")), (503, Some("1")));
    // Health answers even now.
    assert_eq!(house.json("/grpc.health.v1.Health/Check", "{}").await.code, 200);
    house.app.release.notify_waiters();
    for call in running {
        assert!(call.await.unwrap().is_ok());
    }
    assert!(client.clone().invoke(with_token(ask("echo", "1"))).await.is_ok());
}

#[tokio::test]
async fn a_body_that_never_comes_is_given_up_and_held_no_place() {
    let limits = TransportLimits { invoke_read_max: Duration::from_millis(100), in_flight_max: 1, ..narrow() };
    let house = House::with(limits);
    let head = "POST /airlock.v1.InvocationService/Invoke HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
                content-type: application/json\r\nauthorization: Bearer good\r\ncontent-length: 10\r\n\r\n";
    let slow = super::exchange(house.server.data_addr(), head.as_bytes());
    let honest = async {
        let answer = house.client().await.invoke(with_token(ask("echo", "1"))).await;
        assert!(answer.is_ok());
    };
    let (answer, ()) = tokio::join!(slow, honest);
    assert_eq!((answer.code, answer.json()["reason"].as_str()), (504, Some("time_exhausted")));
}

#[tokio::test]
async fn idle_connections_are_closed_and_give_their_place() {
    let limits = TransportLimits {
        connections_max: 1,
        connection_idle_max: Duration::from_millis(100),
        connection_linger_max: Duration::from_millis(100),
        ..TransportLimits::BUILT_IN
    };
    let house = House::with(limits);
    let idle: Vec<_> = futures::future::join_all((0..8).map(|_| super::raw(house.server.data_addr(), b""))).await;
    assert!(idle.iter().all(Vec::is_empty));
    assert!(house.client().await.invoke(with_token(ask("echo", "1"))).await.is_ok());
}
