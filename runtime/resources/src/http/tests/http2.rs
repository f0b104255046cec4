//! An upstream that speaks HTTP/2 over TLS, agreed on by ALPN (RFC 9113, 7301), and does as the path says.

use ::http::{HeaderMap, Request, Response};
use bytes::Bytes;
use h2::{Reason, RecvStream, server::SendResponse};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{certificate::Certificate, *};
use crate::HttpExchange;

const BEARER: &str = "credential = { kind = 'bearer', value = { env = 'KEY' } }";
const CLOSED: &str = "`api` closed the connection before the response was complete";
/// RFC 9113 section 7, from `NO_ERROR` to `INADEQUATE_SECURITY`; a server that wants HTTP/1.1 is not asked again with that.
const REASONS: std::ops::RangeInclusive<u32> = 0..=13;

#[derive(Clone, Default)]
struct Seen {
    /// What each connection agreed on.
    protocols: Arc<Mutex<Vec<Vec<u8>>>>,
    /// Paths and credentials.
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

impl Seen {
    fn protocols(&self) -> Vec<Vec<u8>> {
        self.protocols.lock().expect("lock").clone()
    }

    fn asked(&self, path: &str) -> usize {
        self.asked.lock().expect("lock").iter().filter(|(asked, _)| asked == path).count()
    }
}

async fn start() -> (Bench, Seen) {
    let certificate = Certificate::for_host("localhost");
    let acceptor = TlsAcceptor::from(certificate.server(None, &[b"h2", b"http/1.1"]));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
    let port = listener.local_addr().expect("address").port();
    let seen = Seen::default();
    let noted = seen.clone();
    tokio::task::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, noted) = (acceptor.clone(), noted.clone());
            tokio::task::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    session(stream, noted).await;
                }
            });
        }
    });
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("ca.pem");
    std::fs::write(&path, certificate.pem()).expect("write");
    let extra = format!("allow_private = ['127.0.0.1', '::1']\nca_file = '{}'\n{BEARER}", path.display());
    (Bench::new(&format!("https://localhost:{port}"), &extra), seen)
}

async fn session(stream: TlsStream<TcpStream>, seen: Seen) {
    let agreed = stream.get_ref().1.alpn_protocol().unwrap_or_default().to_vec();
    let is_first = {
        let mut protocols = seen.protocols.lock().expect("lock");
        protocols.push(agreed);
        protocols.len() == 1
    };
    let Ok(mut session) = h2::server::handshake(stream).await else { return };
    let mut unanswered = Vec::new();
    while let Some(Ok((request, respond))) = session.accept().await {
        let path = request.uri().path().to_owned();
        seen.asked.lock().expect("lock").push((path.clone(), field(request.headers(), "authorization")));
        let (what, number) = path.rsplit_once('/').expect("a path");
        if what == "/goaway" && is_first {
            session.abrupt_shutdown(reason(number));
            unanswered.push((request, respond));
            continue;
        }
        if what == "/leave" {
            session.graceful_shutdown();
        }
        tokio::task::spawn(answer(request, respond));
    }
}

fn reason(number: &str) -> Reason {
    number.parse::<u32>().expect("a number").into()
}

fn field(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// What was asked comes back in head and body; `/reset/N` has no head, `/midway/N` half a body.
async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
    let (head, mut body) = request.into_parts();
    let (what, number) = head.uri.path().rsplit_once('/').expect("a path");
    if what == "/reset" {
        respond.send_reset(reason(number));
        return;
    }
    let sent = field(&head.headers, "authorization");
    let mut text = format!("{} {sent} {}", head.method, field(&head.headers, "transfer-encoding"));
    while let Some(Ok(piece)) = body.data().await {
        body.flow_control().release_capacity(piece.len()).expect("capacity");
        text.push_str(&String::from_utf8_lossy(&piece));
    }
    let reply = Response::builder().header("x-echo", sent).body(()).expect("a response");
    let Ok(mut stream) = respond.send_response(reply, false) else { return };
    let is_cut = what == "/midway";
    stream.send_data(Bytes::from(text), !is_cut).expect("sent");
    if is_cut {
        // The head and its half have to be there: a reset overtakes what waits to be sent.
        tokio::time::sleep(Duration::from_millis(200)).await;
        stream.send_reset(reason(number));
    }
}

async fn open(bench: &Bench, method: HttpMethod, path: &str) -> HttpExchange {
    bench.resources.exchange(&bench.environment, request(method, path)).await.expect("an exchange")
}

async fn rest(exchange: &mut HttpExchange) -> Result<String, HostError> {
    let mut body = Vec::new();
    while let Some(piece) = exchange.next().await? {
        body.extend(piece);
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

fn is_closed<T: std::fmt::Debug>(reply: &Result<T, HostError>) -> bool {
    matches!(reply, Err(HostError::Unavailable(text)) if text == CLOSED)
}

#[tokio::test]
async fn requests_share_one_connection_and_the_credential_does_not_come_back() {
    let (bench, seen) = start().await;
    let got = bench.get("/echo/1").await.expect("a reply");
    assert_eq!((got.status, text(&got).as_str()), (200, "GET Bearer [redacted] "));
    assert!(got.headers.contains(&pair("x-echo", "Bearer [redacted]")), "{:?}", got.headers);
    let mut exchange = open(&bench, HttpMethod::Post, "/echo/2").await;
    let large = "x".repeat(200 << 10);
    for piece in ["one ", "two ", &large] {
        exchange.write(piece.as_bytes().to_vec()).await.expect("written");
    }
    let head = exchange.head().await.expect("a head");
    assert!(head.status == 200 && head.headers.contains(&pair("x-echo", "Bearer [redacted]")), "{head:?}");
    let body = rest(&mut exchange).await.expect("a body");
    assert!(body == format!("POST Bearer [redacted] one two {large}"), "{} bytes, {}", body.len(), &body[..40]);
    assert_eq!(seen.protocols(), [b"h2"], "one connection");
    let sent = format!("Bearer {SECRET}");
    assert_eq!(*seen.asked.lock().expect("lock"), [("/echo/1".to_owned(), sent.clone()), ("/echo/2".to_owned(), sent)]);
}

#[tokio::test]
async fn a_body_that_is_given_up_midway_is_no_request() {
    let (bench, _seen) = start().await;
    let mut dropped = open(&bench, HttpMethod::Post, "/echo/1").await;
    dropped.write(b"half".to_vec()).await.expect("written");
    drop(dropped);
    assert_eq!(bench.get("/echo/2").await.map(|reply| reply.status), Ok(200));
}

#[tokio::test]
async fn a_stream_that_is_reset_is_an_error_and_leaves_the_others_alone() {
    let (bench, seen) = start().await;
    for number in REASONS {
        let path = format!("/reset/{number}");
        let performed = bench.perform(request(HttpMethod::Post, &path)).await;
        assert!(is_closed(&performed.reply), "{path}: {:?}", performed.reply);
        assert!(performed.is_outcome_unknown, "{path}");
        assert_eq!(seen.asked(&path), 1, "what may change something is sent once");
    }
    let tried = bench.perform(request(HttpMethod::Get, "/reset/2")).await;
    assert!(is_closed(&tried.reply) && seen.asked("/reset/2") == 4, "{:?}", tried.reply);
    assert_eq!(bench.get("/echo/1").await.map(|reply| reply.status), Ok(200));
    assert_eq!(seen.protocols(), [b"h2"], "the connection is the same");
}

#[tokio::test]
async fn half_a_body_is_never_taken_for_a_whole_one() {
    let (bench, seen) = start().await;
    for number in REASONS {
        let mut exchange = open(&bench, HttpMethod::Get, &format!("/midway/{number}")).await;
        assert_eq!(exchange.head().await.map(|head| head.status), Ok(200), "{number}");
        let read = rest(&mut exchange).await;
        assert!(is_closed(&read), "{number}: {read:?}");
        assert_eq!(exchange.next().await, Ok(None), "it has ended");
    }
    let whole = bench.get("/midway/0").await;
    assert!(is_closed(&whole), "{whole:?}");
    assert_eq!(seen.protocols(), [b"h2"]);
}

#[tokio::test]
async fn a_server_that_goes_away_is_asked_again_on_another_connection_where_that_is_harmless() {
    let (bench, seen) = start().await;
    let got = bench.perform(request(HttpMethod::Get, "/goaway/11")).await;
    assert!(got.reply.is_ok(), "{:?}", got.reply);
    assert_eq!((got.traffic.map(|traffic| traffic.attempts), seen.protocols().len()), (Some(2), 2));
    let (bench, seen) = start().await;
    let posted = bench.perform(request(HttpMethod::Post, "/goaway/1")).await;
    assert!(is_closed(&posted.reply) && posted.is_outcome_unknown, "{:?}", posted.reply);
    assert_eq!(seen.asked("/goaway/1"), 1);
    let (bench, seen) = start().await;
    for _ in 0..2 {
        assert_eq!(bench.get("/leave/0").await.map(|reply| reply.status), Ok(200), "what it had begun it ends");
    }
    assert_eq!((seen.asked("/leave/0"), seen.protocols().len()), (2, 2));
}
