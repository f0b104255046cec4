//! Bytes that no honest client sends. Whatever comes, the server answers or closes, and serves the next.

use std::fmt::Write as _;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};

use super::{House, ask, with_token};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

async fn assert_well(house: &House) {
    assert!(house.client().await.invoke(with_token(ask("echo", "1"))).await.is_ok());
    assert_eq!(house.server.counters().panics, 0);
}

/// A stream of bytes that looks random and is the same every time.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let step = move |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(step).collect()
}

#[tokio::test]
async fn garbage_on_the_socket_ends_only_its_own_connection() {
    let house = House::open();
    let address = house.server.data_addr();
    for seed in 0..32 {
        // Ends in a line end, so that an HTTP/1.1 reader does not wait for more.
        super::raw(address, &[noise(seed, 300), b"\r\n\r\n".to_vec()].concat()).await;
    }
    for seed in 0..32 {
        // A frame header with a length far over the cap, then noise.
        super::raw(address, &[PREFACE, &[0xff, 0xff, 0xff], &noise(seed, 64)].concat()).await;
    }
    for seed in 0..8 {
        let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        // HEADERS on stream 1 whose block is not HPACK.
        let headers = [0, 0, 64, 1, 4, 0, 0, 0, 1];
        super::raw(address, &[PREFACE, &settings, &headers, &noise(seed, 64)].concat()).await;
    }
    assert_well(&house).await;
}

#[tokio::test]
async fn huge_headers_are_refused() {
    let house = House::open();
    let address = house.server.data_addr();
    let mut many = String::from("POST / HTTP/1.1\r\nhost: x\r\n");
    for number in 0..1000 {
        write!(many, "h{number}: x\r\n").unwrap();
    }
    assert_eq!(super::exchange(address, format!("{many}\r\n").as_bytes()).await.code, 431);
    let long = format!("POST / HTTP/1.1\r\nhost: x\r\nlong: {}\r\n\r\n", "x".repeat(100 << 10));
    assert_eq!(super::exchange(address, long.as_bytes()).await.code, 431);
    let mut request = with_token(ask("echo", "1"));
    request.metadata_mut().insert("long", "x".repeat(60 << 10).parse().unwrap());
    assert!(house.client().await.invoke(request).await.is_err());
    assert_well(&house).await;
}

/// One gRPC request with these very bytes as body.
async fn grpc(house: &House, path: &str, kind: &str, body: Vec<u8>) -> (u16, Option<String>, HeaderMap) {
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Full<Bytes>>();
    let request = Request::post(format!("http://{}{path}", house.server.data_addr()))
        .header("content-type", kind)
        .header("authorization", "Bearer good")
        .body(Full::from(body))
        .unwrap();
    let (parts, body) = client.request(request).await.unwrap().into_parts();
    let trailers = body.collect().await.unwrap().trailers().cloned().unwrap_or_default();
    let status = parts.headers.get("grpc-status").or(trailers.get("grpc-status"));
    (parts.status.as_u16(), status.map(|status| status.to_str().unwrap().to_owned()), parts.headers)
}

#[tokio::test]
async fn malformed_frames_and_messages_are_the_callers_fault() {
    let house = House::open();
    let invoke = "/airlock.v1.InvocationService/Invoke";
    let framed = |message: &[u8]| [&[0, 0, 0, 0, message.len() as u8], message].concat();
    let bodies = [
        Vec::new(),
        vec![0],
        vec![0, 0, 0, 0, 9, 1],
        framed(&[0xff; 40]),
        framed(&[0x0a, 0x02, 0xff, 0xff]),
        [vec![1], framed(b"x")[1..].to_vec()].concat(),
        [vec![7], framed(b"x")[1..].to_vec()].concat(),
    ];
    for body in bodies {
        for path in [invoke, "/airlock.v1.InvocationService/InvokeStream", "/grpc.health.v1.Health/Check"] {
            let (code, status, _) = grpc(&house, path, "application/grpc", body.clone()).await;
            let status = status.expect("a gRPC status");
            // 3 INVALID_ARGUMENT, 12 UNIMPLEMENTED (compression); an empty health request is a good one.
            assert!(code == 200 && ["3", "12"].contains(&status.as_str()), "{path} {body:?}: {status}");
        }
    }
    let (_, status, _) = grpc(&house, invoke, "application/grpc", vec![0, 0xff, 0xff, 0xff, 0xff]).await;
    assert_eq!(status.as_deref(), Some("8"), "a length over the cap is RESOURCE_EXHAUSTED");
    for seed in 0..64 {
        let (_, status, _) = grpc(&house, invoke, "application/grpc", framed(&noise(seed, 100))).await;
        assert_eq!(status.as_deref(), Some("3"));
    }
    assert_well(&house).await;
}

#[tokio::test]
async fn unknown_paths_and_types_are_answered_in_kind() {
    let house = House::open();
    for path in ["/", "//", "/airlock.v1.InvocationService", "/airlock.v1.InvocationService/", "/no.Such/Thing", "/%00"]
    {
        let (code, status, _) = grpc(&house, path, "application/grpc", Vec::new()).await;
        assert_eq!((code, status.as_deref()), (200, Some("12")), "{path}");
    }
    for kind in ["", "text/html", "application/grpc-web", "application/grpc+thrift"] {
        let (code, status, headers) = grpc(&house, "/airlock.v1.InvocationService/Invoke", kind, Vec::new()).await;
        assert_eq!((code, status), (415, None), "{kind}");
        assert_eq!(headers.get("content-type").unwrap(), "application/json");
    }
    assert_well(&house).await;
}

#[tokio::test]
async fn a_clients_text_comes_back_escaped_or_not_at_all() {
    let house = House::open();
    let text = r#"{"function":"\u001b[31m<script>\r\nx: y","environment":"dev"}"#;
    let answer = house.json("/airlock.v1.InvocationService/Invoke", text).await;
    assert_eq!(answer.code, 400);
    assert!(!answer.body.contains('\u{1b}') && !answer.head.contains("x: y"), "{answer:?}");
    let headers = "content-type: application/json\r\nauthorization: Bearer good\r\nx-request-id: <script>\r\n";
    let answer = house.post("/airlock.v1.InvocationService/Invoke", headers, "{}").await;
    assert!(!answer.header("x-request-id").unwrap().contains('<'));
}
