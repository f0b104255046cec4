//! A collector of logs that does what real ones do: takes, is busy, is full, is somebody else, hangs, dies.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::post,
};
use opentelemetry_proto::tonic::{
    collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse},
    common::v1::any_value::Value as Any,
    logs::v1::LogRecord,
};
use prost::Message as _;
use tokio::{net::TcpListener, task::JoinHandle, time::sleep};

use super::PATIENCE;

/// What it does with the next request.
#[derive(Clone, Copy)]
pub(super) enum Mood {
    Take,
    Status(u16),
    /// Asks to be left alone for so many seconds.
    Busy(u64),
    /// A success that is none.
    Page,
    /// Takes the batch, and says that it left out so many records of it.
    Partly(i64),
    Hang,
    /// Reads nothing larger than so many bytes.
    Small(usize),
}

#[derive(Default)]
struct Seen {
    /// Number and hash of every record, and how often it came.
    records: BTreeMap<u64, (String, usize)>,
    /// Every body, as text that may be none.
    bodies: String,
    requests: usize,
    authorized: bool,
    lines: Vec<String>,
}

#[derive(Clone)]
struct Desk {
    mood: Arc<Mutex<Mood>>,
    seen: Arc<Mutex<Seen>>,
    secret: &'static str,
}

pub(super) struct Collector {
    pub(super) address: SocketAddr,
    desk: Desk,
    serving: Option<JoinHandle<()>>,
}

impl Collector {
    pub(super) async fn start(secret: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let desk = Desk { mood: Arc::new(Mutex::new(Mood::Take)), seen: Arc::default(), secret };
        let serving = Some(serve(listener, desk.clone()));
        Self { address, desk, serving }
    }

    pub(super) fn set(&self, mood: Mood) {
        *self.desk.mood.lock().expect("not poisoned") = mood;
    }

    pub(super) async fn die(&mut self) {
        let serving = self.serving.take().expect("alive");
        serving.abort();
        let _ended = serving.await;
    }

    pub(super) async fn revive(&mut self) {
        let listener = TcpListener::bind(self.address).await.expect("the same port");
        self.serving = Some(serve(listener, self.desk.clone()));
    }

    pub(super) fn requests(&self) -> usize {
        self.desk.seen.lock().expect("not poisoned").requests
    }

    pub(super) fn records(&self) -> BTreeMap<u64, (String, usize)> {
        self.desk.seen.lock().expect("not poisoned").records.clone()
    }

    pub(super) fn bodies(&self) -> String {
        self.desk.seen.lock().expect("not poisoned").bodies.clone()
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.desk.seen.lock().expect("not poisoned").lines.clone()
    }

    pub(super) fn was_authorized(&self) -> bool {
        self.desk.seen.lock().expect("not poisoned").authorized
    }

    /// Waits for another request, whatever becomes of it.
    pub(super) async fn asked_again(&self) {
        let before = self.requests();
        wait_until("another request", || self.requests() > before).await;
    }

    /// Waits until it has every record up to one.
    pub(super) async fn has_all(&self, head: u64) {
        wait_until("every record", || (1..=head).all(|seq| self.records().contains_key(&seq))).await;
    }
}

pub(in crate::record) async fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !is_so() {
            sleep(Duration::from_millis(20)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("waited in vain for {what}"));
}

fn serve(listener: TcpListener, desk: Desk) -> JoinHandle<()> {
    let router = Router::new().route("/v1/logs", post(take)).route("/lines", post(lines)).with_state(desk);
    tokio::spawn(async move { axum::serve(listener, router).await.expect("serving") })
}

async fn lines(State(desk): State<Desk>, headers: HeaderMap, body: Bytes) -> Response {
    assert_eq!(headers["content-type"], "application/x-ndjson");
    let text = String::from_utf8(body.to_vec()).expect("UTF-8");
    let mut seen = desk.seen.lock().expect("not poisoned");
    seen.lines.extend(text.lines().map(str::to_owned));
    StatusCode::ACCEPTED.into_response()
}

async fn take(State(desk): State<Desk>, headers: HeaderMap, body: Bytes) -> Response {
    let mood = *desk.mood.lock().expect("not poisoned");
    assert_eq!(headers["content-type"], "application/x-protobuf");
    {
        let mut seen = desk.seen.lock().expect("not poisoned");
        seen.requests += 1;
        seen.bodies.push_str(&String::from_utf8_lossy(&body));
        seen.authorized |= headers.get("authorization").is_some_and(|value| value == desk.secret);
    }
    let small = |most| body.len() > most;
    match mood {
        Mood::Status(code) => StatusCode::from_u16(code).expect("a status").into_response(),
        Mood::Busy(seconds) => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", seconds.to_string())]).into_response(),
        Mood::Page => ([("content-type", "text/html")], "<!doctype html><p>Sign in</p>").into_response(),
        Mood::Hang => std::future::pending().await,
        Mood::Small(most) if small(most) => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Mood::Take | Mood::Small(_) => keep(&desk, &body, 0),
        Mood::Partly(rejected) => keep(&desk, &body, rejected),
    }
}

fn keep(desk: &Desk, body: &[u8], rejected_log_records: i64) -> Response {
    let request = ExportLogsServiceRequest::decode(body).expect("a request of OTLP");
    let mut seen = desk.seen.lock().expect("not poisoned");
    for resource in request.resource_logs {
        for record in resource.scope_logs.into_iter().flat_map(|scope| scope.log_records) {
            let seq = text(&record, "airlock.seq").parse().expect("a number");
            seen.records.entry(seq).or_insert_with(|| (text(&record, "airlock.hash"), 0)).1 += 1;
        }
    }
    let partial = ExportLogsPartialSuccess { rejected_log_records, error_message: "too old".to_owned() };
    let partial_success = (rejected_log_records > 0).then_some(partial);
    let answer = ExportLogsServiceResponse { partial_success }.encode_to_vec();
    ([("content-type", "application/x-protobuf")], answer).into_response()
}

fn text(record: &LogRecord, key: &str) -> String {
    let found = record.attributes.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.clone()?.value);
    match found {
        Some(Any::StringValue(text)) => text,
        Some(Any::IntValue(number)) => number.to_string(),
        other => panic!("{key}: {other:?}"),
    }
}
