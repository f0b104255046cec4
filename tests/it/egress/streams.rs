//! Exchanges that are carried out step by step, many at a time.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use airlock_model::{HostError, HttpMethod};
use airlock_resources::HttpRequest;
use airlock_tests::times;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    time::{Instant, sleep},
};

use super::{
    client::{Api, SECRET},
    upstream::{Upstream, ok},
};

const BEARER: &str = "credential = { kind = 'bearer', value = { env = 'KEY' } }\n";
const MANY: &str = "requests_max = 2000\ntenant_requests_max = 2000\nresponse_bytes_max = 268435456\n";

/// A server that answers everybody with so many pieces of one text, and waits for nobody.
async fn flood(piece: String, pieces: usize) -> SocketAddr {
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

/// A server whose bodies never end, and how many of them were broken off.
async fn endless() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (address, broken) = (listener.local_addr().expect("an address"), Arc::<AtomicUsize>::default());
    let count = Arc::clone(&broken);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut request = [0_u8; 4096];
                let _ = stream.read(&mut request).await;
                let mut text = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
                while stream.write_all(&text).await.is_ok() {
                    text = [b"10000\r\n", vec![b'x'; 64 << 10].as_slice(), b"\r\n"].concat();
                }
                count.fetch_add(1, SeqCst);
            });
        }
    });
    (address, broken)
}

/// Waits until so many bodies were broken off, while nobody touches the exchanges.
async fn until_broken(broken: &AtomicUsize, wanted: usize) {
    let began = Instant::now();
    while broken.load(SeqCst) < wanted {
        assert!(began.elapsed() < Duration::from_secs(60), "the connection is still held");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_response_that_nobody_reads_on_is_given_up_with_its_connection_and_its_place() {
    let (address, broken) = endless().await;
    let patient = Api::at(address, "");
    let mut read_later = patient.open(patient.request(HttpMethod::Get, "/")).await;
    assert_eq!(read_later.head().await.map(|head| head.status), Ok(200));
    let api = Api::at(address, "idle_timeout_ms = 500\nrequests_max = 1\ntenant_requests_max = 1\ntimeout_ms = 60000");
    let mut left = api.open(api.request(HttpMethod::Get, "/")).await;
    assert_eq!(left.head().await.map(|head| head.status), Ok(200));
    until_broken(&broken, 1).await;
    let mut second = api.open(api.request(HttpMethod::Get, "/")).await;
    assert_eq!(second.head().await.map(|head| head.status), Ok(200), "its place is free");
    let late = left.next().await;
    assert!(matches!(&late, Err(HostError::Timeout(text)) if text.contains("idle_timeout_ms")), "{late:?}");
    assert_eq!(left.next().await, Ok(None), "it has ended");
    // Whether a piece was read in time or not: what is left of it is given up as well.
    let _piece = second.next().await;
    until_broken(&broken, 2).await;
    assert!(read_later.next().await.is_ok_and(|piece| piece.is_some()), "30 s are for everybody else");
}

#[tokio::test]
async fn a_response_that_nobody_reads_ends_with_its_call() {
    let (address, broken) = endless().await;
    let api = Api::at(address, "");
    let call = HttpRequest { deadline: Instant::now() + Duration::from_secs(5), ..api.request(HttpMethod::Get, "/") };
    let mut left = api.open(call).await;
    assert_eq!(left.head().await.map(|head| head.status), Ok(200));
    until_broken(&broken, 1).await;
    assert!(matches!(left.next().await, Err(HostError::Timeout(_))));
}
