//! Exchanges that are carried out step by step, many at a time.

use std::sync::Arc;

use airlock_model::{HostError, HttpMethod};
use airlock_resources::HttpRequest;
use airlock_tests::times;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::{
    client::{Api, SECRET},
    upstream::{Upstream, ok},
};

const BEARER: &str = "credential = { kind = 'bearer', value = { env = 'KEY' } }\n";
const MANY: &str = "requests_max = 2000\ntenant_requests_max = 2000\nresponse_bytes_max = 268435456\n";

/// A server that answers everybody with so many pieces of one text, and waits for nobody.
async fn flood(piece: String, pieces: usize) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let chunk: Arc<[u8]> = format!("{:x}\r\n{piece}\r\n", piece.len()).into_bytes().into();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let chunk = Arc::clone(&chunk);
            tokio::spawn(async move {
                let mut request = [0_u8; 4096];
                let _ = stream.read(&mut request).await;
                let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
                let mut is_open = stream.write_all(head).await.is_ok();
                for _ in 0..pieces {
                    is_open = is_open && stream.write_all(&chunk).await.is_ok();
                }
                let _ = stream.write_all(b"0\r\n\r\n").await;
            });
        }
    });
    address
}

/// Bytes of memory that this process has in use.
fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("statm");
    let pages: u64 = text.split(' ').nth(1).and_then(|text| text.parse().ok()).expect("a number");
    pages * 4096
}

/// 1,000 of them with `AIRLOCK_STREAMS=1000`.
#[tokio::test]
async fn streams_hold_what_they_are_asked_for_and_no_more() {
    let count = times("AIRLOCK_STREAMS", 100);
    let address = flood("x".repeat(64 << 10), 64).await;
    let api = Api::at(address, MANY);
    let mut open = Vec::new();
    for _ in 0..count {
        let mut exchange = api.open(api.request(HttpMethod::Get, "/")).await;
        assert_eq!(exchange.head().await.map(|head| head.status), Ok(200));
        open.push((exchange, 0_usize));
    }
    let before = resident_bytes();
    let mut most = 0;
    while !open.is_empty() {
        let mut left = Vec::new();
        for (mut exchange, read) in open {
            match exchange.next().await.expect("a piece") {
                Some(piece) => {
                    assert!(piece.len() <= 256 << 10, "{}", piece.len());
                    left.push((exchange, read + piece.len()));
                }
                None => assert_eq!(read, 64 * (64 << 10)),
            }
        }
        open = left;
        most = most.max(resident_bytes());
    }
    let each = most.saturating_sub(before) / count as u64;
    println!(
        "{count} streams of 4 MiB: {} KiB more than at their beginning, each {} KiB",
        (most - before) >> 10,
        each >> 10
    );
    assert!(each < 512 << 10, "{each} bytes a stream");
}

#[tokio::test]
async fn a_secret_cut_anywhere_does_not_pass_a_stream() {
    for cut in 1..SECRET.len() {
        let (first, second) = SECRET.split_at(cut);
        let (one, two) = (first.len() + 1, second.len() + 1);
        // Trailers are dropped, whatever they say.
        let body = format!("{one:x}\r\n<{first}\r\n{two:x}\r\n{second}>\r\n0\r\nx-echo: {SECRET}\r\n\r\n");
        let upstream = Upstream::start(move |_| {
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{body}").into_bytes()
        })
        .await;
        let api = Api::at(upstream.address, BEARER);
        let mut exchange = api.open(api.request(HttpMethod::Get, "/")).await;
        exchange.head().await.expect("a head");
        let mut seen = Vec::new();
        while let Some(piece) = exchange.next().await.expect("a piece") {
            seen.extend(piece);
        }
        assert_eq!(String::from_utf8_lossy(&seen), "<[redacted]>", "cut at {cut}");
        assert_eq!(exchange.next().await, Ok(None), "the end stays the end");
    }
}

#[tokio::test]
async fn a_body_in_pieces_arrives_whole_or_not_at_all() {
    let upstream = Upstream::start(|request| ok(&request.len().to_string())).await;
    let api = Api::at(upstream.address, &format!("request_bytes_max = 20\n{BEARER}"));
    let mut whole = api.open(api.request(HttpMethod::Post, "/")).await;
    for piece in ["one ", "two ", "three"] {
        whole.write(piece.as_bytes().to_vec()).await.expect("written");
    }
    assert_eq!(whole.head().await.map(|head| head.status), Ok(200));
    let seen = upstream.seen().concat();
    assert!(seen.contains("one ") && seen.ends_with("0\r\n\r\n"), "{seen}");
    let traffic = whole.passing().traffic();
    assert_eq!((traffic.attempts, traffic.hosts.len()), (1, 1));

    let mut dropped = api.open(api.request(HttpMethod::Post, "/")).await;
    dropped.write(b"half".to_vec()).await.expect("written");
    drop(dropped);
    let mut large = api.open(api.request(HttpMethod::Post, "/")).await;
    large.write(vec![b'x'; 20]).await.expect("written");
    assert!(matches!(large.write(b"y".to_vec()).await, Err(HostError::BadRequest(_))));
    assert!(matches!(large.head().await, Err(HostError::BadRequest(_))), "it is over");
    assert_eq!(upstream.seen().len(), 1, "no half body was taken for a whole one");
}

#[tokio::test]
async fn steps_out_of_turn_are_mistakes_and_send_nothing() {
    let upstream = Upstream::start(|_| ok("hello")).await;
    let api = Api::at(upstream.address, "");
    let mut early = api.open(api.request(HttpMethod::Get, "/")).await;
    assert!(matches!(early.next().await, Err(HostError::BadRequest(_))));
    assert_eq!(upstream.connections(), 0);
    let mut read = api.open(api.request(HttpMethod::Get, "/")).await;
    read.head().await.expect("a head");
    assert!(matches!(read.write(b"x".to_vec()).await, Err(HostError::BadRequest(_))));
    drop(api.open(api.request(HttpMethod::Get, "/")).await);
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_body_in_pieces_is_judged_like_a_whole_one() {
    let upstream = Upstream::start(|_| ok("hello")).await;
    let api = Api::at(upstream.address, "request_types = [\"application/json\"]");
    for (method, headers) in [
        (HttpMethod::Get, vec![("content-type", "application/json")]),
        (HttpMethod::Post, vec![("content-type", "text/xml")]),
        (HttpMethod::Post, vec![("content-type", "application/json"), ("Content-Type", "text/xml")]),
    ] {
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut exchange = api.open(HttpRequest { headers, ..api.request(method, "/") }).await;
        // The first piece may be taken before the request is judged; none of it leaves.
        let _taken = exchange.write(b"{}".to_vec()).await;
        let refused = exchange.head().await;
        assert!(matches!(refused, Err(HostError::BadRequest(_) | HostError::Denied { .. })), "{refused:?}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_slow_drip_ends_at_the_wait_for_one_piece_or_at_the_deadline() {
    let upstream = Upstream::start(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec()).await;
    let api = Api::at(upstream.address, "timeout_ms = 300");
    let mut exchange = api.open(api.request(HttpMethod::Get, "/")).await;
    exchange.head().await.expect("a head");
    assert_eq!(exchange.next().await, Ok(Some(b"half".to_vec())));
    assert!(matches!(exchange.next().await, Err(HostError::Timeout(_))));
    assert_eq!(exchange.next().await, Ok(None), "it has ended");
}

#[tokio::test]
async fn an_endless_body_ends_at_the_cap_and_one_tenant_at_its_share() {
    let address = flood("x".repeat(64 << 10), 10_000).await;
    let api =
        Api::at(address, "response_bytes_max = 1000000\nrequests_max = 2\ntenant_requests_max = 1\ntimeout_ms = 2000");
    let mut exchange = api.open(api.request(HttpMethod::Get, "/")).await;
    exchange.head().await.expect("a head");
    let mut second = api.open(api.request(HttpMethod::Get, "/")).await;
    let refused = second.head().await;
    assert!(matches!(&refused, Err(HostError::Unavailable(text)) if text.contains("under way")), "{refused:?}");
    let error = loop {
        match exchange.next().await {
            Ok(piece) => assert!(piece.is_some(), "the body has no end"),
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, HostError::Backend { code, .. } if code == "response_too_large"), "{error:?}");
    drop(exchange);
    let mut third = api.open(api.request(HttpMethod::Get, "/")).await;
    assert!(third.head().await.is_ok(), "its place is free again");
}
