use super::*;

#[tokio::test]
async fn the_request_is_built_from_the_binding_and_encoded_by_us() {
    let upstream = Upstream::start(|_| ok("")).await;
    let bench = Bench::of(&upstream, "");
    let mut call = request(HttpMethod::Post, "/customers/42%20b");
    call.query = vec![pair("q", "a b&c=d"), pair("x#y", "\u{fc}\r\nhost: evil")];
    call.headers = vec![pair("Content-Type", "application/json"), pair("X-Trace", "1"), pair("x-trace", "2")];
    call.body = Some(b"{\"a\":1}".to_vec());
    assert_eq!(bench.send(call).await.map(|reply| reply.status), Ok(200));
    let seen = upstream.seen().concat();
    let (head, body) = seen.split_once("\r\n\r\n").expect("head and body");
    let mut lines = head.lines();
    let target = "/base/customers/42%20b?q=a%20b%26c%3Dd&x%23y=%C3%BC%0D%0Ahost%3A%20evil";
    assert_eq!(lines.next(), Some(format!("POST {target} HTTP/1.1").as_str()));
    let mut lines: Vec<_> = lines.map(str::to_owned).collect();
    lines.sort();
    let expected = [
        "accept-encoding: identity".to_owned(),
        "content-length: 7".to_owned(),
        "content-type: application/json".to_owned(),
        format!("host: {}", upstream.address),
        "user-agent: airlock".to_owned(),
        "x-trace: 1".to_owned(),
        "x-trace: 2".to_owned(),
    ];
    assert_eq!((lines, body), (expected.to_vec(), "{\"a\":1}"));
}

#[tokio::test]
async fn headers_that_are_not_the_guests_are_refused_before_anything_leaves() {
    let upstream = Upstream::start(|_| ok("")).await;
    let bench = Bench::of(&upstream, "credential = { kind = 'header', name = 'X-Api-Key', value = { env = 'KEY' } }");
    for name in [
        "Host",
        "host",
        "Authorization",
        "Proxy-Authorization",
        "Proxy-Connection",
        "Connection",
        "Keep-Alive",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "transfer_encoding",
        "Content-Length",
        "Content_Length",
        "Upgrade",
        "Expect",
        "Cookie",
        "Forwarded",
        "X-Forwarded-For",
        "X_Forwarded_For",
        "X-Forwarded-Host",
        "X-Real-IP",
        "Via",
        "X-HTTP-Method-Override",
        "X-Original-URL",
        "x-amz-copy-source",
        "x-amz-copy-source-range",
        "x-amz-acl",
        "x-goog-copy-source",
        "x-ms-copy-source",
        "X-Rewrite-URL",
        "Accept-Encoding",
        "Range",
        "X-Api-Key",
        "x_api_key",
        "HTTP2-Settings",
    ] {
        let mut call = request(HttpMethod::Get, "/");
        call.headers = vec![pair(name, "chunked")];
        assert!(is_egress_denied(&bench.send(call).await, "header"), "{name}");
    }
    for (name, value) in [
        ("a b", "x"),
        ("", "x"),
        (":path", "/admin"),
        ("x\r\nhost", "x"),
        ("x:y", "z"),
        ("x", "a\r\nhost: evil"),
        ("x", "a\nb"),
        ("x", "a\0b"),
        ("x", "\u{fc}"),
        ("\u{fc}", "x"),
    ] {
        let mut call = request(HttpMethod::Get, "/");
        call.headers = vec![pair(name, value)];
        let reply = bench.send(call).await;
        assert!(matches!(reply, Err(HostError::BadRequest(_))), "{name:?}: {reply:?}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn too_many_headers_and_bodies_without_a_place_are_bad_requests() {
    let upstream = Upstream::start(|_| ok("")).await;
    let bench = Bench::of(&upstream, "request_bytes_max = 10");
    let mut many = request(HttpMethod::Get, "/");
    many.headers = vec![pair("x", "y"); 65];
    let mut long = request(HttpMethod::Get, "/");
    long.query = vec![pair("x", &"y".repeat(20_000))];
    let mut with_body = request(HttpMethod::Get, "/");
    with_body.body = Some(b"x".to_vec());
    let mut large = request(HttpMethod::Post, "/");
    large.body = Some(vec![b'x'; 11]);
    for call in [many, long, with_body, large] {
        let reply = bench.perform(call).await;
        assert!(matches!(reply.reply, Err(HostError::BadRequest(_))), "{reply:?}");
        assert_eq!(reply.egress_bytes, 0);
    }
    assert_eq!(upstream.connections(), 0);
    let mut fits = request(HttpMethod::Post, "/");
    fits.body = Some(vec![b'x'; 10]);
    assert!(bench.send(fits).await.is_ok());
}

#[tokio::test]
async fn hop_by_hop_headers_and_cookies_stay_with_the_host() {
    let upstream = Upstream::start(|_| {
        response(
            "Connection: x-hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nSet-Cookie: session=1\r\n\
             Via: 1.1 proxy\r\nX-Kept: Yes\r\nContent-Type: text/plain\r\n",
            "hi",
        )
    })
    .await;
    let reply = Bench::of(&upstream, "").get("/").await.expect("reply");
    let mut headers = reply.headers;
    headers.sort();
    assert_eq!(headers, [pair("content-type", "text/plain"), pair("x-kept", "Yes")]);
}

#[tokio::test]
async fn a_head_reply_keeps_its_length_and_has_no_body() {
    let upstream = Upstream::start(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n".to_vec()).await;
    let reply = Bench::of(&upstream, "").send(request(HttpMethod::Head, "/")).await.expect("reply");
    assert_eq!((reply.headers, reply.body), (vec![pair("content-length", "999999999")], Vec::new()));
}

#[tokio::test]
async fn a_binding_does_only_what_it_lists() {
    let upstream = Upstream::start(|_| ok("")).await;
    let text = format!(
        "engine = 'http'\nbase_url = 'http://{}'\noperations = ['GET:/customers/*']\n{LISTED}",
        upstream.address
    );
    let config: BindingConfig = toml::from_str(&text).expect("syntax");
    let binding = config.resolve(&Sources { read_env: &|_| None, allow_inline: false }).expect("valid");
    let mut resources = Resources::new();
    resources
        .add("api".parse().expect("name"), "dev".parse().expect("name"), binding, &Network::default())
        .expect("first");
    let bench = Bench { resources, environment: "dev".parse().expect("name") };
    assert!(bench.get("/customers/1").await.is_ok());
    for (method, path) in
        [(HttpMethod::Get, "/admin"), (HttpMethod::Post, "/customers/1"), (HttpMethod::Get, "/customers/1/x")]
    {
        let reply = bench.send(request(method, path)).await;
        assert!(matches!(reply, Err(HostError::Denied { reason, .. }) if reason == "not_granted"), "{path}");
    }
    assert_eq!(upstream.seen().len(), 1);
}
