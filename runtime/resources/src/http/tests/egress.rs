use super::*;

#[tokio::test]
async fn a_listed_loopback_address_is_reached_and_an_unlisted_one_is_not() {
    let upstream = Upstream::start(|_| ok("hello")).await;
    assert_eq!(Bench::of(&upstream, "").get("/x").await.map(|reply| text(&reply)), Ok("hello".to_owned()));
    let strict = Bench::new(&format!("http://{}", upstream.address), "allow_plaintext = true");
    assert!(is_egress_denied(&strict.get("/x").await, "loopback"));
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn no_spelling_of_the_host_gets_around_the_address_check() {
    let upstream = Upstream::start(|_| ok("hello")).await;
    let port = upstream.address.port();
    for host in [
        "localhost",
        "LOCALHOST",
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.0.0.1.",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "169.254.169.254",
        "[fd00:ec2::254]",
    ] {
        let bench = Bench::new(&format!("http://{host}:{port}"), "allow_plaintext = true\nconnect_timeout_ms = 2000");
        assert!(is_egress_denied(&bench.get("/").await, "address"), "{host}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn own_listeners_are_never_a_target() {
    let upstream = Upstream::start(|_| ok("airlock")).await;
    let base = format!("http://{}", upstream.address);
    let wildcard = SocketAddr::new([0, 0, 0, 0].into(), upstream.address.port());
    for own in [upstream.address, wildcard] {
        let bench = Bench::with_listeners(&base, LISTED, &[own]);
        assert!(is_egress_denied(&bench.get("/").await, "Airlock itself"), "{own}");
    }
    assert_eq!(upstream.connections(), 0);
    let other = SocketAddr::new(upstream.address.ip(), 1);
    assert!(Bench::with_listeners(&base, LISTED, &[other]).get("/").await.is_ok());
}

#[tokio::test]
async fn redirects_are_returned_and_never_followed() {
    let trap = Upstream::start(|_| ok("trapped")).await;
    let target = trap.address;
    for status in [301, 302, 303, 307, 308] {
        let upstream = Upstream::start(move |_| {
            format!("HTTP/1.1 {status} Moved\r\nlocation: http://{target}/\r\ncontent-length: 0\r\n\r\n").into_bytes()
        })
        .await;
        let reply = Bench::of(&upstream, "").get("/").await.expect("a reply like others");
        assert_eq!(reply.status, status);
        assert!(reply.headers.iter().any(|(name, _)| name == "location"));
    }
    assert_eq!(trap.connections(), 0);
}

#[tokio::test]
async fn a_closed_port_and_an_unknown_name_are_unavailable() {
    let free = TcpListener::bind("127.0.0.1:0").await.expect("port").local_addr().expect("address");
    let closed = Bench::new(&format!("http://{free}"), LISTED);
    assert!(matches!(closed.get("/").await, Err(HostError::Unavailable(_))));
    let unknown = Bench::new("https://does-not-exist.invalid", "connect_timeout_ms = 5000");
    match unknown.get("/").await {
        Err(HostError::Unavailable(text) | HostError::Timeout(text)) => assert!(!text.contains("invalid"), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn tls_names_the_host_and_fails_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
    let port = listener.local_addr().expect("address").port();
    let hello = tokio::task::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("connection");
        let mut bytes = vec![0_u8; 4096];
        let count = stream.read(&mut bytes).await.expect("hello");
        bytes.truncate(count);
        bytes
    });
    let bench = Bench::new(&format!("https://localhost:{port}"), "allow_private = ['127.0.0.1/32', '::1/128']");
    let reply = bench.get("/").await;
    assert!(matches!(reply, Err(HostError::Unavailable(_))), "{reply:?}");
    let hello = String::from_utf8_lossy(&hello.await.expect("server")).into_owned();
    assert!(hello.contains("localhost") && hello.contains("http/1.1") && hello.contains("h2"));
}
