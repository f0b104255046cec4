use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::*;

const KINDS: [(&str, &str); 4] = [
    ("kind = 'bearer'", "authorization: Bearer canary+S3cret/Value~77"),
    ("kind = 'basic', username = 'me'", "authorization: Basic bWU6Y2FuYXJ5K1MzY3JldC9WYWx1ZX43Nw=="),
    ("kind = 'header', name = 'X-Api-Key'", "x-api-key: canary+S3cret/Value~77"),
    ("kind = 'query', name = 'key'", "GET /base/?key=canary%2BS3cret%2FValue~77 HTTP/1.1"),
];

fn credential(kind: &str) -> String {
    format!("credential = {{ {kind}, value = {{ env = 'KEY' }} }}")
}

/// Every way a server may repeat the secret that the scrubber promises to find.
fn spellings() -> Vec<String> {
    let escaped = utf8_percent_encode(SECRET, NON_ALPHANUMERIC).to_string();
    vec![
        SECRET.to_owned(),
        STANDARD.encode(SECRET),
        STANDARD_NO_PAD.encode(SECRET),
        URL_SAFE.encode(SECRET),
        URL_SAFE_NO_PAD.encode(SECRET),
        STANDARD.encode(format!("me:{SECRET}")),
        STANDARD.encode(format!("authorization: Bearer {SECRET}\r\n")),
        hex::encode(SECRET),
        hex::encode_upper(SECRET),
        escaped.replace("%7E", "~"),
        escaped.replace("%7E", "~").replace("%2B", "%2b").replace("%2F", "%2f"),
        escaped,
        SECRET.replace('/', "\\/"),
    ]
}

fn assert_clean(reply: &HttpReply, context: &str) {
    let seen = format!("{:?} {}", reply.headers, text(reply));
    let decoded: Vec<u8> = seen
        .split(|c: char| !(c.is_ascii_alphanumeric() || "+/-_=".contains(c)))
        .flat_map(|word| {
            [STANDARD_NO_PAD.decode(word.trim_end_matches('=')), URL_SAFE_NO_PAD.decode(word.trim_end_matches('='))]
        })
        .flatten()
        .flatten()
        .collect();
    assert!(!String::from_utf8_lossy(&decoded).contains("S3cret"), "{context}: {seen}");
    assert!(!seen.contains("S3cret") && !seen.contains(&hex::encode("S3cret")), "{context}: {seen}");
    assert!(seen.contains("[redacted]"), "{context}: {seen}");
}

#[tokio::test]
async fn each_kind_of_credential_is_sent_and_its_echo_never_reaches_the_guest() {
    for (kind, expected) in KINDS {
        let upstream = Upstream::start(|request| {
            let echo =
                request.lines().filter(|line| line.contains("canary") || line.contains("Basic")).collect::<Vec<_>>();
            response(&format!("x-echo: {}\r\n", echo.join(" ")), &format!("you sent\n{request}"))
        })
        .await;
        let reply = Bench::of(&upstream, &credential(kind)).get("/").await.expect("reply");
        assert!(upstream.seen().concat().lines().any(|line| line == expected), "{kind}: {:?}", upstream.seen());
        assert_clean(&reply, kind);
    }
}

#[tokio::test]
async fn every_spelling_of_the_secret_is_scrubbed_from_headers_and_body() {
    for spelling in spellings() {
        let echoed = spelling.clone();
        let upstream =
            Upstream::start(move |_| response(&format!("x-echo: a{echoed}\r\n"), &format!("<{echoed}>"))).await;
        let reply = Bench::of(&upstream, &credential("kind = 'basic', username = 'me'")).get("/").await.expect("reply");
        assert_clean(&reply, &spelling);
    }
}

#[tokio::test]
async fn a_secret_cut_by_chunks_is_scrubbed_all_the_same() {
    let upstream = Upstream::start(|_| {
        let (first, second) = SECRET.split_at(9);
        let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}{}0\r\n\r\n", chunk(first), chunk(second))
            .into_bytes()
    })
    .await;
    let reply = Bench::of(&upstream, &credential("kind = 'bearer'")).get("/").await.expect("reply");
    assert_eq!(text(&reply), "[redacted]");
}

#[tokio::test]
async fn the_guest_cannot_set_the_parameter_that_carries_the_credential() {
    let upstream = Upstream::start(|_| ok("")).await;
    let bench = Bench::of(&upstream, &credential("kind = 'query', name = 'key'"));
    for name in ["key", "KEY"] {
        let mut call = request(HttpMethod::Get, "/");
        call.query = vec![pair(name, "mine")];
        assert!(matches!(bench.send(call).await, Err(HostError::BadRequest(_))));
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn without_a_credential_nothing_is_touched() {
    let upstream = Upstream::start(|_| ok(SECRET)).await;
    assert_eq!(Bench::of(&upstream, "").get("/").await.map(|reply| text(&reply)), Ok(SECRET.to_owned()));
    assert!(!upstream.seen().concat().to_ascii_lowercase().contains("authorization"));
}
