use super::*;

fn chunked(chunk: usize, count: usize) -> Vec<u8> {
    let one = format!("{chunk:x}\r\n{}\r\n", "x".repeat(chunk));
    format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}0\r\n\r\n", one.repeat(count)).into_bytes()
}

fn is_backend<T>(reply: &Result<T, HostError>, expected: &str) -> bool {
    matches!(reply, Err(HostError::Backend { code, .. }) if code == expected)
}

#[tokio::test]
async fn a_response_over_the_bindings_cap_is_an_error_announced_or_not() {
    let announced = Upstream::start(|_| ok(&"x".repeat(1_001))).await;
    let streamed = Upstream::start(|_| chunked(100, 11)).await;
    let exact = Upstream::start(|_| chunked(100, 10)).await;
    for upstream in [&announced, &streamed] {
        let reply = Bench::of(upstream, "response_bytes_max = 1000").get("/").await;
        assert!(is_backend(&reply, "response_too_large"), "{reply:?}");
    }
    let reply = Bench::of(&exact, "response_bytes_max = 1000").get("/").await.expect("fits");
    assert_eq!(reply.body.len(), 1_000);
}

#[tokio::test]
async fn the_budget_ends_a_request_and_every_byte_of_it_is_counted() {
    let upstream = Upstream::start(|_| chunked(1_000, 50)).await;
    let bench = Bench::of(&upstream, "");
    let whole = bench.perform(request(HttpMethod::Get, "/")).await;
    assert!(whole.reply.is_ok());
    assert!((50_000..51_000).contains(&whole.egress_bytes), "{}", whole.egress_bytes);
    let mut call = request(HttpMethod::Get, "/");
    call.egress = EgressBudget::new(whole.egress_bytes);
    assert!(bench.perform(call).await.reply.is_ok());
    for budget in [whole.egress_bytes - 1, 5_000] {
        let mut call = request(HttpMethod::Get, "/");
        call.egress = EgressBudget::new(budget);
        let cut = bench.perform(call).await;
        assert!(matches!(cut.reply, Err(HostError::Limit { limit: Limit::EgressBytes, .. })), "{:?}", cut.reply);
        assert!(cut.egress_bytes > budget, "what came in is counted: {}", cut.egress_bytes);
    }
}

#[tokio::test]
async fn a_budget_that_does_not_cover_the_request_sends_nothing() {
    let upstream = Upstream::start(|_| ok("")).await;
    let mut call = request(HttpMethod::Post, "/");
    call.body = Some(vec![b'x'; 1_000]);
    call.egress = EgressBudget::new(1_000);
    let reply = Bench::of(&upstream, "").perform(call).await;
    assert!(matches!(reply.reply, Err(HostError::Limit { limit: Limit::EgressBytes, .. })));
    assert_eq!((reply.egress_bytes, upstream.connections()), (0, 0));
}

#[tokio::test]
async fn an_upstream_that_never_answers_ends_at_the_deadline_or_the_bindings_timeout() {
    let upstream = Upstream::start(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec()).await;
    let started = Instant::now();
    let mut call = request(HttpMethod::Get, "/");
    call.deadline = started + Duration::from_millis(80);
    assert!(matches!(Bench::of(&upstream, "").send(call).await, Err(HostError::Timeout(_))));
    let reply = Bench::of(&upstream, "timeout_ms = 80").perform(request(HttpMethod::Get, "/")).await;
    assert!(matches!(reply.reply, Err(HostError::Timeout(_))));
    assert!(reply.egress_bytes > 0);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_connection_closed_early_is_unavailable() {
    // Not beginning with HTTP/1.1, or shorter than announced, the test server closes after it.
    let nothing = Upstream::start(|_| Vec::new()).await;
    let reply = Bench::of(&nothing, "").get("/").await;
    assert!(matches!(reply, Err(HostError::Unavailable(_))), "{reply:?}");
    let half = Upstream::start(|_| b"HTTP/1.0 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec()).await;
    let reply = Bench::of(&half, "").get("/").await;
    assert!(matches!(reply, Err(HostError::Unavailable(_))), "{reply:?}");
}

#[tokio::test]
async fn what_is_not_http_and_oversized_heads_are_malformed() {
    let garbage = Upstream::start(|_| b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()).await;
    let reply = Bench::of(&garbage, "").get("/").await;
    assert!(is_backend(&reply, "response_malformed"), "{reply:?}");
    let long = Upstream::start(|_| response(&format!("x: {}\r\n", "y".repeat(100_000)), "")).await;
    let reply = Bench::of(&long, "").get("/").await;
    assert!(is_backend(&reply, "response_malformed"), "{reply:?}");
    let many = Upstream::start(|_| response(&"x: y\r\n".repeat(200), "")).await;
    let reply = Bench::of(&many, "").get("/").await;
    assert!(is_backend(&reply, "response_malformed"), "{reply:?}");
}

#[tokio::test]
async fn compressed_responses_are_refused() {
    let upstream = Upstream::start(|_| response("content-encoding: gzip\r\n", "x")).await;
    let reply = Bench::of(&upstream, "").get("/").await;
    assert!(is_backend(&reply, "response_encoded"), "{reply:?}");
    let plain = Upstream::start(|_| response("content-encoding: Identity\r\n", "x")).await;
    assert!(Bench::of(&plain, "").get("/").await.is_ok());
}
