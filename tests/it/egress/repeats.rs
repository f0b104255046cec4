//! Requests that are repeated, those that are not, and servers that are left alone.

use std::{
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use airlock_model::{HostError, HttpMethod};
use tokio::{net::TcpListener, time::Instant};

use super::{
    client::{Api, is_denied_by, text},
    upstream::{Upstream, ok, response},
};

/// Fails so many times, then answers.
async fn failing(times: usize, failure: &'static str, headers: &'static str) -> Upstream {
    let asked = AtomicUsize::new(0);
    Upstream::start(
        move |_| {
            if asked.fetch_add(1, SeqCst) < times { response(failure, headers, "no") } else { ok("yes") }
        },
    )
    .await
}

#[tokio::test]
async fn what_may_be_repeated_is_and_nothing_else() {
    for (method, status, expected) in [
        (HttpMethod::Get, "503 Busy", (200, 2)),
        (HttpMethod::Put, "502 Bad", (200, 2)),
        (HttpMethod::Delete, "429 Slow", (200, 2)),
        (HttpMethod::Post, "503 Busy", (503, 1)),
        (HttpMethod::Patch, "503 Busy", (503, 1)),
        (HttpMethod::Get, "500 Broken", (500, 1)),
        (HttpMethod::Get, "404 Missing", (404, 1)),
    ] {
        let upstream = failing(1, status, "").await;
        let api = Api::at(upstream.address, "");
        let performed = api.perform(api.request(method, "/")).await;
        let attempts = performed.traffic.expect("traffic").attempts;
        let status_seen = api_status(performed.reply);
        assert_eq!((status_seen, attempts), expected, "{} {status}", method.as_str());
        assert_eq!(upstream.seen().len(), usize::try_from(attempts).expect("few"));
    }
}

fn api_status(reply: Result<airlock_model::HostReply, HostError>) -> u16 {
    match reply {
        Ok(airlock_model::HostReply::Http(reply)) => reply.status,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn repeats_end_where_the_binding_says_and_before_the_deadline() {
    let upstream = failing(100, "503 Busy", "").await;
    assert_eq!(Api::at(upstream.address, "retries_max = 4").get("/").await.map(|reply| reply.status), Ok(503));
    assert_eq!(upstream.seen().len(), 5);
    let patient = failing(1, "503 Busy", "retry-after: 1\r\n").await;
    let began = Instant::now();
    assert_eq!(Api::at(patient.address, "").get("/").await.map(|reply| text(&reply)), Ok("yes".to_owned()));
    assert!(began.elapsed() >= Duration::from_secs(1), "the server asked for a second");
    let too_long = failing(1, "503 Busy", "retry-after: 60\r\n").await;
    assert_eq!(Api::at(too_long.address, "").get("/").await.map(|reply| reply.status), Ok(503));
    let beyond = failing(1, "503 Busy", "retry-after: 4\r\n").await;
    let short = Api::at(beyond.address, "timeout_ms = 3000");
    assert_eq!(short.get("/").await.map(|reply| reply.status), Ok(503), "the deadline comes first");
    assert_eq!((too_long.seen().len(), beyond.seen().len()), (1, 1));
}

/// The client's clock shows 12:36:00.
#[tokio::test]
async fn a_date_in_retry_after_is_waited_for_like_seconds() {
    let soon = failing(1, "503 Busy", "retry-after: Sun, 30 Aug 2015 12:36:02 GMT\r\n").await;
    let began = Instant::now();
    assert_eq!(Api::at(soon.address, "").get("/").await.map(|reply| text(&reply)), Ok("yes".to_owned()));
    // What has passed since the request was made is not waited for again.
    assert!(began.elapsed() >= Duration::from_millis(1_900), "the server named a time two seconds away");
    let gone = failing(1, "429 Slow", "retry-after: Sun, 30 Aug 2015 12:35:00 GMT\r\n").await;
    assert_eq!(Api::at(gone.address, "").get("/").await.map(|reply| reply.status), Ok(200));
    let other_clock = "date: Tue, 01 Mar 2016 07:00:00 GMT\r\nretry-after: Tue, 01 Mar 2016 07:00:01 GMT\r\n";
    let elsewhere = failing(1, "503 Busy", other_clock).await;
    assert_eq!(Api::at(elsewhere.address, "").get("/").await.map(|reply| reply.status), Ok(200));
    let mut left_alone = Vec::new();
    for late in ["Sun, 30 Aug 2015 12:37:00 GMT", "Tue, 01 Mar 2016 07:00:01 GMT", "tomorrow"] {
        let headers: &'static str = format!("retry-after: {late}\r\n").leak();
        let upstream = failing(1, "503 Busy", headers).await;
        assert_eq!(Api::at(upstream.address, "").get("/").await.map(|reply| reply.status), Ok(503), "{late}");
        left_alone.push(upstream.seen().len());
    }
    assert_eq!(left_alone, [1, 1, 1]);
}

#[tokio::test]
async fn a_connection_that_breaks_midway_is_tried_again_where_that_is_harmless() {
    let asked = AtomicUsize::new(0);
    let upstream =
        Upstream::start(move |_| if asked.fetch_add(1, SeqCst).is_multiple_of(2) { Vec::new() } else { ok("yes") })
            .await;
    let api = Api::at(upstream.address, "");
    assert_eq!(api.get("/").await.map(|reply| text(&reply)), Ok("yes".to_owned()));
    let posted = api.send(api.request(HttpMethod::Post, "/")).await;
    assert!(matches!(posted, Err(HostError::Unavailable(_))), "{posted:?}");
    assert_eq!(upstream.seen().len(), 3);
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_left_alone_for_a_while() {
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let api = Api::at(free, "retries_max = 0");
    let mut texts = Vec::new();
    for _ in 0..6 {
        match api.get("/").await {
            Err(HostError::Unavailable(text)) => texts.push(text),
            other => panic!("{other:?}"),
        }
    }
    assert!(texts[0].contains("refuses connections"), "{texts:?}");
    assert!(texts[5].contains("times in a row"), "{texts:?}");
}

#[tokio::test]
async fn content_types_that_are_not_listed_pass_neither_way() {
    let upstream = Upstream::start(|_| response("200 OK", "content-type: text/html; charset=utf-8\r\n", "<p>")).await;
    let reply = Api::at(upstream.address, "response_types = ['application/json']").get("/").await;
    assert!(matches!(&reply, Err(HostError::Backend { code, .. }) if code == "response_type"), "{reply:?}");
    assert!(Api::at(upstream.address, "response_types = ['text/*']").get("/").await.is_ok());
    let sent = upstream.seen().len();
    let api = Api::at(upstream.address, "request_types = ['application/json']");
    let mut request = api.request(HttpMethod::Post, "/");
    request.body = Some(b"x".to_vec());
    assert!(is_denied_by(&api.send(request).await, "content_type_not_listed"));
    assert_eq!(upstream.seen().len(), sent);
    let mut request = api.request(HttpMethod::Post, "/");
    request.body = Some(b"{}".to_vec());
    request.headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    assert!(api.send(request).await.is_ok());
}

#[tokio::test]
async fn a_trace_goes_along_where_the_binding_lets_it() {
    let upstream = Upstream::start(|_| ok("")).await;
    assert!(Api::at(upstream.address, "").get("/").await.is_ok());
    assert!(!upstream.seen().concat().contains("traceparent"));
    let traced = Api::at(upstream.address, "trace = true");
    assert!(traced.get("/").await.is_ok());
    let expected = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";
    assert!(upstream.seen().concat().contains(expected));
    let mut forged = traced.request(HttpMethod::Get, "/");
    forged.headers = vec![("traceparent".to_owned(), "00-1-1-01".to_owned())];
    assert!(is_denied_by(&traced.send(forged).await, "traceparent"));
}
