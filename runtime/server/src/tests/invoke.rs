//! The data plane over gRPC.

use std::time::Duration;

use airlock_proto::v1::{self, invoke_response, invoke_stream_response::Event};
use tokio_stream::StreamExt as _;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use super::{House, ask, fake::SECRET, with_token};

fn reason(status: &Status) -> String {
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

fn stream_of(function: &str) -> Request<v1::InvokeStreamRequest> {
    let v1::InvokeRequest { function, environment, payload, request_id, alias } = ask(function, "1");
    with_token(v1::InvokeStreamRequest { function, environment, payload, request_id, alias })
}

#[tokio::test]
async fn a_call_returns_output_and_usage() {
    let house = House::open();
    let answer = house.client().await.invoke(with_token(ask("echo", r#"{"a": 1.10}"#))).await.unwrap();
    assert!(answer.metadata().get("x-request-id").is_some());
    let message = answer.into_inner();
    assert_eq!(message.result, Some(invoke_response::Result::Output(br#"{"a": 1.10}"#.to_vec())));
    assert_eq!((message.invocation_id.as_str(), message.usage.unwrap().fuel), ("inv-1", 7));
}

#[tokio::test]
async fn an_error_of_the_functions_own_is_not_an_rpc_error() {
    let house = House::open();
    let message = house.client().await.invoke(with_token(ask("declared", ""))).await.unwrap().into_inner();
    let Some(invoke_response::Result::FunctionError(error)) = message.result else { panic!("{message:?}") };
    assert_eq!((error.code.as_str(), error.details.as_slice()), ("out_of_stock", &br#"{"sku":"a"}"#[..]));
}

#[tokio::test]
async fn without_a_good_token_nothing_runs_and_nothing_private_is_said() {
    let house = House::open();
    let mut client = house.client().await;
    let mut wrong = Request::new(ask("echo", "1"));
    wrong.metadata_mut().insert("authorization", "Bearer bad".parse().unwrap());
    for request in [Request::new(ask("echo", "1")), wrong] {
        let status = client.invoke(request).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "token_invalid"));
        assert!(!format!("{status:?}{}", String::from_utf8_lossy(status.details())).contains("hunter2"));
    }
}

#[tokio::test]
async fn a_failed_run_names_its_invocation() {
    let house = House::open();
    let status = house.client().await.invoke(with_token(ask("trap", ""))).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unknown, "guest_trap"));
    assert_eq!(status.metadata().get("airlock-invocation-id").unwrap(), "inv-2");
    assert!(status.metadata().get("x-request-id").is_some());
}

#[tokio::test]
async fn bugs_and_panics_say_internal_and_the_next_call_works() {
    let house = House::open();
    let mut client = house.client().await;
    for function in ["broken", "panic"] {
        let status = client.invoke(with_token(ask(function, ""))).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Internal, "internal"));
        let id = status.metadata().get("x-request-id").unwrap().to_str().unwrap().to_owned();
        assert_eq!(status.get_error_details().request_info().unwrap().request_id, id);
        assert!(!format!("{status:?}").contains(SECRET));
    }
    assert_eq!(house.server.counters().panics, 1);
    assert!(client.invoke(with_token(ask("echo", "1"))).await.is_ok());
    assert_eq!(house.server.counters().in_flight, 0);
}

#[tokio::test]
async fn malformed_fields_are_named() {
    let house = House::open();
    let mut client = house.client().await;
    let malformed = [
        ("function", v1::InvokeRequest { function: "No Name".into(), ..ask("echo", "1") }),
        ("environment", v1::InvokeRequest { environment: String::new(), ..ask("echo", "1") }),
        ("payload", ask("echo", "{")),
        ("request_id", v1::InvokeRequest { request_id: "a b".into(), ..ask("echo", "1") }),
    ];
    for (field, request) in malformed {
        let status = client.invoke(with_token(request)).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "request_malformed"));
        let details = status.get_error_details();
        assert_eq!(details.bad_request().unwrap().field_violations.first().unwrap().field, field);
    }
}

#[tokio::test]
async fn the_callers_deadline_is_passed_down_and_not_enforced_twice() {
    let house = House::open();
    let mut client = house.client().await;
    let mut request = with_token(ask("deadline", ""));
    request.set_timeout(Duration::from_millis(5000));
    let message = client.invoke(request).await.unwrap().into_inner();
    assert_eq!(message.result, Some(invoke_response::Result::Output(b"5000".to_vec())));
    let message = client.invoke(with_token(ask("deadline", ""))).await.unwrap().into_inner();
    assert_eq!(message.result, Some(invoke_response::Result::Output(b"null".to_vec())));
    let mut odd = with_token(ask("deadline", ""));
    odd.metadata_mut().insert("grpc-timeout", "soon".parse().unwrap());
    assert_eq!(client.invoke(odd).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_request_id_comes_back_from_the_header_or_the_message() {
    let house = House::open();
    let mut client = house.client().await;
    let mut request = with_token(ask("echo", "1"));
    request.metadata_mut().insert("x-request-id", "job-1".parse().unwrap());
    let answer = client.invoke(request).await.unwrap();
    assert_eq!(answer.metadata().get("x-request-id").unwrap(), "job-1");
    let request = v1::InvokeRequest { request_id: "job-2".into(), ..ask("echo", "1") };
    let answer = client.invoke(with_token(request)).await.unwrap();
    assert_eq!(answer.metadata().get("x-request-id").unwrap(), "job-2");
    let request = v1::InvokeRequest { request_id: "job-3".into(), ..ask("trap", "1") };
    let status = client.invoke(with_token(request)).await.unwrap_err();
    assert_eq!(status.get_error_details().request_info().unwrap().request_id, "job-3");
}

#[tokio::test]
async fn a_message_over_the_cap_is_too_large_and_not_our_bug() {
    let house = House::open();
    let big = format!("\"{}\"", "x".repeat(5 << 20));
    let status = house.client().await.invoke(with_token(ask("echo", &big))).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "payload_too_large"));
}

#[tokio::test]
async fn a_caller_who_goes_away_drops_the_run() {
    let house = House::open();
    let mut client = house.client().await;
    let call = tokio::spawn(async move { client.invoke(with_token(ask("wait", ""))).await });
    house.app.has_begun(1).await;
    call.abort();
    house.app.has_dropped(1).await;
    while house.server.counters().in_flight > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_stream_gives_log_lines_and_then_the_end() {
    let house = House::open();
    let events = house.client().await.invoke_stream(stream_of("log")).await.unwrap().into_inner();
    let events: Vec<_> = events.map(|event| event.unwrap().event.unwrap()).collect().await;
    let [Event::Log(one), Event::Log(_), Event::Log(three), Event::Done(done)] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!((one.message.as_str(), one.level(), three.message.as_str()), ("one", v1::LogLevel::Warn, "three"));
    assert_eq!(done.result, Some(invoke_response::Result::Output(b"true".to_vec())));
}

#[tokio::test]
async fn a_stream_that_is_refused_is_an_error_from_the_start() {
    let house = House::open();
    let mut client = house.client().await;
    assert_eq!(client.invoke_stream(stream_of("missing")).await.unwrap_err().code(), Code::NotFound);
    let bare = Request::new(stream_of("log").into_inner());
    assert_eq!(client.invoke_stream(bare).await.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_stream_ends_with_the_runs_failure_after_its_lines() {
    let house = House::open();
    let mut client = house.client().await;
    for (function, code) in [("log-then-trap", Code::Unknown), ("log-then-panic", Code::Internal)] {
        let events = client.invoke_stream(stream_of(function)).await.unwrap().into_inner();
        let events: Vec<_> = events.collect().await;
        assert_eq!(events.iter().filter(|event| event.is_ok()).count(), 3, "{function}");
        assert_eq!(events.last().unwrap().as_ref().unwrap_err().code(), code);
    }
    assert_eq!(house.server.counters().panics, 1);
}

#[tokio::test]
async fn a_stream_reader_who_goes_away_drops_the_run() {
    let house = House::open();
    let stream = house.client().await.invoke_stream(stream_of("wait")).await;
    house.app.has_begun(1).await;
    drop(stream);
    house.app.has_dropped(1).await;
}

#[tokio::test]
async fn a_stream_says_its_id_before_its_first_line() {
    let house = House::open();
    let stream = house.client().await.invoke_stream(stream_of("wait")).await.unwrap();
    assert_eq!(stream.metadata().get("airlock-invocation-id").unwrap(), "inv-1");
    house.app.has_begun(1).await;
    house.app.release.notify_waiters();
    let events: Vec<_> = stream.into_inner().collect().await;
    let [Ok(v1::InvokeStreamResponse { event: Some(Event::Done(_)) })] = events.as_slice() else {
        panic!("{events:?}")
    };
}

#[tokio::test]
async fn a_call_is_cancelled_by_either_name_also_when_the_server_is_full() {
    use v1::cancel_request::Call::{InvocationId, RequestId};
    let house = House::with(crate::TransportLimits { in_flight_max: 1, ..crate::TransportLimits::BUILT_IN });
    let mut client = house.client().await;
    for (number, name) in [InvocationId("known".into()), RequestId("known".into())].into_iter().enumerate() {
        let mut waits = client.clone();
        let call = tokio::spawn(async move { waits.invoke(with_token(ask("wait", ""))).await });
        house.app.has_begun(number + 1).await;
        assert_eq!(client.invoke(with_token(ask("echo", "1"))).await.unwrap_err().code(), Code::Unavailable);
        let answer = client.cancel(with_token(v1::CancelRequest { call: Some(name) })).await.unwrap().into_inner();
        assert_eq!(answer.invocation_ids, ["inv-1"]);
        assert!(call.await.unwrap().is_ok());
    }
    for (name, code) in [
        (Some(RequestId("unknown".into())), Code::PermissionDenied),
        (Some(InvocationId("a b".into())), Code::InvalidArgument),
        (None, Code::InvalidArgument),
    ] {
        let status = client.cancel(with_token(v1::CancelRequest { call: name })).await.unwrap_err();
        assert_eq!(status.code(), code);
    }
    let bare = Request::new(v1::CancelRequest { call: Some(RequestId("known".into())) });
    assert_eq!(client.cancel(bare).await.unwrap_err().code(), Code::Unauthenticated);
}
