//! More than the server takes.

use std::time::Duration;

use airlock_proto::v1::{self, invocation_service_client::InvocationServiceClient};
use tokio::io::AsyncWriteExt as _;
use tonic::{Code, transport::Channel};
use tonic_types::StatusExt as _;

use super::{House, ask, fake::HELD_BYTES_MAX, with_token};
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

/// JSON text of that many bytes.
fn text(bytes: usize) -> String {
    format!("\"{}\"", "x".repeat(bytes - 2))
}

#[tokio::test]
async fn answers_that_nobody_reads_are_counted_and_stop_at_the_share() {
    const ANSWER: usize = 3 << 20;
    let house = House::open();
    // A client that takes next to nothing until it is asked to read.
    let endpoint = Channel::from_shared(format!("http://{}", house.server.data_addr())).unwrap();
    let narrow = endpoint.initial_stream_window_size(1 << 10).initial_connection_window_size(64 << 10);
    let mut client = InvocationServiceClient::new(narrow.connect().await.unwrap());
    let mut unread = Vec::new();
    let status = loop {
        let ask = v1::InvokeStreamRequest {
            function: "echo".into(),
            environment: "dev".into(),
            payload: text(ANSWER).into(),
            ..Default::default()
        };
        match client.invoke_stream(with_token(ask)).await {
            Ok(answer) => unread.push(answer),
            Err(status) => break status,
        }
        assert!(unread.len() as u64 <= HELD_BYTES_MAX / ANSWER as u64, "the share is never passed");
    };
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "tenant_busy", "{status:?}");
    assert!(details.retry_info().is_some(), "{status:?}");
    assert!(!unread.is_empty() && house.app.holdings.bytes() <= HELD_BYTES_MAX);
    drop(unread);
    nothing_is_held(&house).await;
    let answer = house.client().await.invoke(with_token(ask("echo", &text(ANSWER)))).await;
    assert!(answer.is_ok(), "{answer:?}");
}

#[tokio::test]
async fn bodies_that_never_end_are_counted_and_given_back() {
    let house = House::open();
    let mut open = Vec::new();
    let mut sent = 0;
    // Bodies that lack their last byte.
    while sent < HELD_BYTES_MAX - (2 << 20) {
        let mut stream = tokio::net::TcpStream::connect(house.server.control_addr()).await.unwrap();
        let head = format!(
            "POST /airlock.v1.FunctionService/Deploy HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
             authorization: Bearer good\r\ncontent-length: {}\r\n\r\n",
            (2 << 20) + 1
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b' '; 2 << 20]).await.unwrap();
        open.push(stream);
        sent += 2 << 20;
    }
    until(|| house.app.holdings.bytes() == sent).await;
    let body = " ".repeat(3 << 20);
    let refused =
        super::post(house.server.control_addr(), "/airlock.v1.FunctionService/Deploy", JSON_HEADERS, &body).await;
    assert_eq!((refused.code, refused.json()["reason"].as_str()), (429, Some("tenant_busy")));
    drop(open);
    nothing_is_held(&house).await;
    let taken =
        super::post(house.server.control_addr(), "/airlock.v1.FunctionService/Deploy", JSON_HEADERS, &body).await;
    assert_eq!(taken.code, 400, "read to its end: it is only not JSON");
}

/// What looks like a whole gRPC message needs no token to be read, so nothing more may come after it.
#[tokio::test]
async fn a_body_that_seemed_whole_takes_no_more() {
    let house = House::open();
    let mut stream = tokio::net::TcpStream::connect(house.server.control_addr()).await.unwrap();
    let head = "POST /airlock.v1.FunctionService/Deploy HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
                content-type: application/json\r\ncontent-length: 1000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&[0; 5]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    stream.write_all(&[b' '; 100]).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer);
    tokio::time::timeout(super::PATIENCE, read).await.expect("refused before the rest comes").ok();
    assert!(answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn a_question_may_not_be_as_large_as_an_upload() {
    let house = House::open();
    for path in ["FunctionService/Get", "AuditService/Query", "OperatorService/GetConfig"] {
        let path = format!("/airlock.v1.{path}");
        let body = " ".repeat(70 << 10);
        let refused = super::post(house.server.control_addr(), &path, JSON_HEADERS, &body).await;
        assert_eq!((refused.code, refused.json()["reason"].as_str()), (413, Some("payload_too_large")), "{path}");
    }
}

const JSON_HEADERS: &str = "content-type: application/json\r\nauthorization: Bearer good\r\n";

async fn nothing_is_held(house: &House) {
    until(|| house.app.holdings.bytes() == 0).await;
}

async fn until(happens: impl Fn() -> bool) {
    let happened = async {
        while !happens() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(super::PATIENCE, happened).await.expect("it happens");
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
