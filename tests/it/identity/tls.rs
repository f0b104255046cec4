//! TLS on both listeners: who gets in, who does not, and certificates that change under load.

#![expect(clippy::disallowed_methods, reason = "clients of our own server")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use airlock_proto::v1::{InvokeRequest, InvokeResponse, invocation_service_client::InvocationServiceClient};
use airlock_tests::{Harness, certificates::Certificates, guests::WatGuest, output, tokens::TokenSpec, with_token};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, HandshakeKind, RootCertStore, SupportedProtocolVersion,
        pki_types::{CertificateDer, ServerName},
        version::{TLS12, TLS13},
    },
};
use tonic::{Status, transport::Channel};
use tonic_types::StatusExt as _;

/// Longer than a handshake may take, and shorter than anything else here.
const PATIENCE: Duration = Duration::from_secs(20);

async fn harness(tls: &str) -> Harness {
    let harness = Harness::start_over_tls(Certificates::make(), tls).await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    harness
}

async fn asking(client_auth: &str) -> Harness {
    let certificates = Certificates::make();
    let more = certificates.asking(client_auth);
    let harness = Harness::start_over_tls(certificates, &more).await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    harness
}

async fn call(channel: Channel, token: &str) -> Result<InvokeResponse, Status> {
    let request = InvokeRequest {
        function: "one".to_owned(),
        environment: "dev".to_owned(),
        payload: b"null".to_vec(),
        ..InvokeRequest::default()
    };
    InvocationServiceClient::new(channel).invoke(with_token(request, token)).await.map(tonic::Response::into_inner)
}

/// One call over a connection of its own.
async fn call_anew(
    harness: &Harness,
    certificates: &Certificates,
    shown: Option<&str>,
) -> Result<InvokeResponse, String> {
    let endpoint = certificates.endpoint(harness.server().data_addr(), shown);
    let channel = endpoint.connect().await.map_err(|why| format!("{why:?}"))?;
    call(channel, &harness.token(&TokenSpec::everything())).await.map_err(|why| format!("{why:?}"))
}

/// A client that trusts this authority and shows nothing.
fn client(certificates: &Certificates, version: &'static SupportedProtocolVersion, protocol: &str) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(certificates.der("ca"))).expect("an authority");
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).expect("a version");
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    TlsConnector::from(Arc::new(config))
}

/// A TLS connection by hand.
async fn shake(
    certificates: &Certificates,
    address: SocketAddr,
    (version, protocol): (&'static SupportedProtocolVersion, &str),
) -> std::io::Result<TlsStream<TcpStream>> {
    connect(&client(certificates, version, protocol), address).await
}

async fn connect(client: &TlsConnector, address: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    client.connect(ServerName::try_from("localhost").expect("a name"), stream).await
}

#[tokio::test]
async fn both_listeners_speak_tls_in_each_version_and_protocol() {
    // Deploys over the control listener.
    let harness = harness("").await;
    assert_eq!(output(&harness.invoke("one", "null").await.expect("over HTTP/2")), 1);
    assert!(harness.is_serving().await, "health over TLS");
    let token = harness.token(&TokenSpec::everything());
    let body = r#"{"function":"one","environment":"dev","payload":null}"#;
    let post = format!(
        "POST /airlock.v1.InvocationService/Invoke HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\nauthorization: Bearer {token}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    for version in [&TLS12, &TLS13] {
        let address = harness.server().data_addr();
        let mut stream = shake(harness.certificates(), address, (version, "http/1.1")).await.expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        stream.write_all(post.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer, and a proper end");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#""output":1"#), "{answer}");
        let address = harness.server().control_addr();
        let stream = shake(harness.certificates(), address, (version, "h2")).await.expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        assert!(shake(harness.certificates(), address, (version, "spdy/3")).await.is_err(), "no protocol in common");
    }
}

#[tokio::test]
async fn nothing_is_said_in_clear_text_and_nothing_believed_of_a_stranger() {
    let harness = harness("").await;
    for address in [harness.server().data_addr(), harness.server().control_addr()] {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        stream.write_all(b"POST / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
        let mut answer = Vec::new();
        // An alert, or the end.
        let _end = stream.read_to_end(&mut answer).await;
        assert!(!String::from_utf8_lossy(&answer).contains("HTTP"), "{answer:?}");
    }
    assert!(call_anew(&harness, harness.certificates(), None).await.is_ok());
    let stranger = Certificates::make();
    let refused = call_anew(&harness, &stranger, None).await.expect_err("another authority");
    assert!(refused.contains("BadSignature") || refused.contains("UnknownIssuer"), "{refused}");
}

#[tokio::test]
async fn a_client_certificate_is_asked_for_as_configured() {
    let (required, optional) = (asking("required").await, asking("optional").await);
    let stranger = Certificates::make();
    for (harness, without) in [(&required, false), (&optional, true)] {
        let certificates = harness.certificates();
        assert!(call_anew(harness, certificates, Some("client")).await.is_ok());
        assert_eq!(call_anew(harness, certificates, None).await.is_ok(), without);
        // Trusts the server, and shows what nobody here has signed.
        certificates.write("stranger.pem", &stranger.read("client.pem"));
        certificates.write("stranger.key", &stranger.read("client.key"));
        assert!(call_anew(harness, certificates, Some("stranger")).await.is_err());
        assert!(call_anew(harness, certificates, Some("client")).await.is_ok());
    }
}

/// A session that is resumed would take the client's certificate from the one before.
#[tokio::test]
async fn sessions_are_resumed_only_where_no_client_is_asked_who_it_is() {
    for (harness, kind) in
        [(harness("").await, HandshakeKind::Resumed), (asking("optional").await, HandshakeKind::Full)]
    {
        for version in [&TLS12, &TLS13] {
            let client = client(harness.certificates(), version, "http/1.1");
            let address = harness.server().data_addr();
            let mut first = connect(&client, address).await.expect("a handshake");
            // Tickets come with the first answer.
            first.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.expect("sent");
            first.read_to_end(&mut Vec::new()).await.expect("an answer");
            let second = connect(&client, address).await.expect("a handshake");
            assert_eq!(second.get_ref().1.handshake_kind(), Some(kind), "{version:?}");
        }
    }
}

#[tokio::test]
async fn the_control_listener_may_have_its_own() {
    let certificates = Certificates::make();
    let (pem, key) = (certificates.path("server.pem"), certificates.path("server.key"));
    let own = format!(
        "[server.control_tls]\ncertificate = {{ file = {pem:?} }}\nkey = {{ file = {key:?} }}\n{}",
        certificates.asking("required")
    );
    let harness = harness_of(certificates, &own).await;
    assert!(call_anew(&harness, harness.certificates(), None).await.is_ok(), "calls need no certificate");
    let control = harness.server().control_addr();
    // With TLS 1.2 the server's refusal is part of the handshake.
    assert!(shake(harness.certificates(), control, (&TLS12, "h2")).await.is_err(), "deploys do");
}

async fn harness_of(certificates: Certificates, tls: &str) -> Harness {
    let harness = Harness::start_over_tls(certificates, tls).await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    harness
}

/// The certificate that a new connection is shown.
async fn shown(harness: &Harness) -> Vec<u8> {
    let address = harness.server().data_addr();
    let stream = shake(harness.certificates(), address, (&TLS13, "h2")).await.expect("a handshake");
    stream.get_ref().1.peer_certificates().expect("a certificate")[0].to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_replaced_under_load_and_no_call_fails() {
    const RELOADS: usize = 20;
    let harness = Arc::new(harness("").await);
    let (stop, calls, connections) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    // Two callers keep one connection all the time, two make a new one for each call.
    let load: Vec<_> = (0..4)
        .map(|caller| {
            let (harness, stop, calls) = (harness.clone(), stop.clone(), calls.clone());
            let connections = connections.clone();
            tokio::spawn(async move {
                while !stop.load(SeqCst) {
                    if caller < 2 {
                        harness.invoke("one", "null").await.unwrap_or_else(|why| panic!("{why:?}"));
                    } else {
                        let called = call_anew(&harness, harness.certificates(), None).await;
                        called.unwrap_or_else(|why| panic!("{why}"));
                        connections.fetch_add(1, SeqCst);
                    }
                    calls.fetch_add(1, SeqCst);
                }
            })
        })
        .collect();
    for round in 0..RELOADS {
        let before = (calls.load(SeqCst), connections.load(SeqCst));
        harness.certificates().issue("server");
        let changes = harness.reload().await.unwrap_or_else(|why| panic!("reload {round}: {why:?}"));
        assert!(changes.iter().all(|change| change.starts_with("server.tls.certificate.sha256: ")), "{changes:?}");
        assert_eq!(changes.len(), 1);
        assert_eq!(shown(&harness).await, harness.certificates().der("server"), "reload {round}");
        let since = Instant::now();
        // Some of each kind between any two reloads.
        while calls.load(SeqCst) < before.0 + 20 || connections.load(SeqCst) < before.1 + 4 {
            assert!(load.iter().all(|task| !task.is_finished()), "a call failed at reload {round}");
            assert!(since.elapsed() < PATIENCE, "no calls at reload {round}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    stop.store(true, SeqCst);
    for task in load {
        task.await.expect("no call failed");
    }
    println!(
        "{RELOADS} reloads, {} calls, {} of them over new connections, 0 failed",
        calls.load(SeqCst),
        connections.load(SeqCst)
    );
}

/// What a reload says that is refused: its reason and its text.
async fn refused(harness: &Harness) -> (String, String) {
    let status = harness.reload().await.expect_err("refused");
    let reason = status.get_error_details().error_info().expect("a reason").reason.clone();
    (reason, status.message().to_owned())
}

#[tokio::test]
async fn a_bad_certificate_is_refused_by_its_file_and_the_old_one_serves() {
    let harness = harness("").await;
    let (certificates, usual) = (harness.certificates(), harness.config());
    let (good, good_key) = (certificates.read("server.pem"), certificates.read("server.key"));
    let before = certificates.der("server");
    certificates.issue("other");
    let other = (certificates.read("other.pem"), certificates.read("other.key"));
    let cases = [
        ("no PEM", String::from("nonsense"), good_key.clone(), 0o600, "server.pem"),
        ("cut off", good[..good.len() / 2].to_owned(), good_key.clone(), 0o600, "server.pem"),
        ("the certificate of another key", other.0, good_key.clone(), 0o600, "server.pem"),
        ("the key of another certificate", good.clone(), other.1, 0o600, "server.key"),
        ("no key", good.clone(), good.clone(), 0o600, "server.key"),
        ("an empty key", good.clone(), String::new(), 0o600, "server.key"),
        ("a key that everybody reads", good.clone(), good_key.clone(), 0o644, "server.key"),
        ("a key that a group may change", good.clone(), good_key.clone(), 0o660, "server.key"),
    ];
    for (name, pem, key, mode, file) in cases {
        certificates.write("server.pem", &pem);
        certificates.write("server.key", &key);
        certificates.set_mode("server.key", mode);
        let (reason, message) = refused(&harness).await;
        assert_eq!(reason, "config_invalid", "{name}");
        assert!(message.contains(file) && !message.contains("PRIVATE"), "{name}: {message}");
        assert_eq!(shown(&harness).await, before, "{name}");
    }
    std::fs::remove_file(certificates.path("server.pem")).expect("ours");
    assert!(refused(&harness).await.1.contains("server.pem"));
    certificates.write("server.pem", &good);
    certificates.write("server.key", &good_key);
    certificates.set_mode("server.key", 0o640);
    assert_eq!(harness.reload().await.expect("as it was"), Vec::<String>::new());

    harness.set_config(&usual.replace("[server.tls]", "[server.control_tls]"));
    let (reason, message) = refused(&harness).await;
    assert!(reason == "restart_needed" && message.contains("data listener"), "{message}");
    harness.set_config(&usual.replace("[server.tls]", "[server.tls]\nclient_auth = \"required\""));
    let (reason, message) = refused(&harness).await;
    assert!(reason == "config_invalid" && message.contains("server.tls.client_auth"), "{message}");
    assert_eq!(shown(&harness).await, before);
    assert!(harness.invoke("one", "null").await.is_ok(), "and every connection is as it was");
}

/// Authorities can be taken back for new connections.
#[tokio::test]
async fn a_reload_changes_whose_clients_are_served() {
    let harness = asking("required").await;
    let certificates = harness.certificates();
    let new = Certificates::make();
    for (name, from) in [("next.pem", "client.pem"), ("next.key", "client.key")] {
        certificates.write(name, &new.read(from));
    }
    assert!(call_anew(&harness, certificates, Some("next")).await.is_err());
    let old = certificates.read("ca.pem");
    certificates.write("clients.pem", &format!("{old}{}", new.read("ca.pem")));
    let usual = harness.config();
    let both = usual.replace("ca.pem", "clients.pem");
    harness.set_config(&both);
    harness.reload().await.expect("both authorities");
    assert!(call_anew(&harness, certificates, Some("next")).await.is_ok());
    assert!(call_anew(&harness, certificates, Some("client")).await.is_ok());
    certificates.write("clients.pem", &new.read("ca.pem"));
    harness.reload().await.expect("the new one alone");
    assert!(call_anew(&harness, certificates, Some("next")).await.is_ok());
    assert!(call_anew(&harness, certificates, Some("client")).await.is_err());
    assert!(harness.invoke("one", "null").await.is_ok(), "a connection that is there stays");
}

#[tokio::test]
async fn a_slow_or_senseless_handshake_holds_nothing_up_and_not_for_long() {
    let harness = harness("").await;
    let address = harness.server().data_addr();
    let cut = || harness.server().counters().connections_cut;
    let (before, open) = (cut(), harness.server().counters().connections);
    let mut silent = Vec::new();
    for number in 0..200 {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        match number % 4 {
            0 => {}
            // The head of a ClientHello that never comes, byte by byte or not at all.
            1 => stream.write_all(&[0x16, 3, 1, 2, 0, 1, 0]).await.expect("sent"),
            2 => stream.write_all(&[0x16, 3]).await.expect("sent"),
            _ => stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("sent"),
        }
        silent.push(stream);
    }
    for _ in 0..20 {
        assert!(call_anew(&harness, harness.certificates(), None).await.is_ok());
    }
    let since = Instant::now();
    for mut stream in silent {
        let ended = tokio::time::timeout(PATIENCE, async {
            let mut rest = Vec::new();
            // An alert or nothing, and the end.
            let _end = stream.read_to_end(&mut rest).await;
        });
        ended.await.expect("the server ends it");
    }
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    while harness.server().counters().connections > open {
        assert!(since.elapsed() < PATIENCE, "a place is still taken");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(cut() - before, 200);
    assert_eq!(harness.server().counters().panics, 0);
    assert!(harness.invoke("one", "null").await.is_ok());
}
