//! An OTLP collector of the tests' own: decodes what it is told, or behaves as badly as it is asked to.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use opentelemetry_proto::tonic::{
    collector::{
        metrics::v1::ExportMetricsServiceRequest,
        trace::v1::{ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse},
    },
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message as _;
use tokio::{net::TcpListener, sync::Notify, time::timeout};

const PATIENCE: Duration = Duration::from_secs(60);

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Well,
    /// With a status that is no success.
    Failing,
    /// With bytes that are no message.
    Garbage,
    /// Not at all.
    Silent,
    /// That it took all but one span.
    Partly,
}

#[derive(Clone)]
struct Seen {
    manner: Manner,
    requests: Arc<Mutex<Vec<(String, HeaderMap, Bytes)>>>,
    asked: Arc<AtomicUsize>,
    news: Arc<Notify>,
}

pub(super) struct Collector {
    pub(super) address: SocketAddr,
    seen: Seen,
}

impl Collector {
    pub(super) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let seen = Seen { manner, requests: Arc::default(), asked: Arc::default(), news: Arc::default() };
        let router = Router::new().fallback(take).layer(DefaultBodyLimit::max(64 << 20)).with_state(seen.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, seen }
    }

    /// `[telemetry]` that tells it, with more keys of `otlp` behind.
    pub(super) fn config(&self, more: &str) -> String {
        format!(
            "[telemetry]\nmetrics = {{ listen = \"127.0.0.1:0\" }}\n[telemetry.otlp]\nurl = \"http://{}\"\n\
             allow_private = [\"127.0.0.1/32\"]\n{more}\n",
            self.address
        )
    }

    /// Everything that it was sent, as it came.
    pub(super) fn received(&self) -> Vec<(String, HeaderMap, Bytes)> {
        self.seen.requests.lock().expect("whole").clone()
    }

    pub(super) fn asked(&self) -> usize {
        self.seen.asked.load(SeqCst)
    }

    pub(super) fn spans(&self) -> Vec<Told> {
        let traces = |(path, _, body): (String, HeaderMap, Bytes)| {
            (path == "/v1/traces").then(|| ExportTraceServiceRequest::decode(body).expect("a message of traces"))
        };
        let requests = self.received().into_iter().filter_map(traces);
        let spans = requests.flat_map(|request| request.resource_spans).flat_map(|one| {
            assert!(attributes(&one.resource.expect("a resource").attributes)["service.name"] == "airlock");
            one.scope_spans.into_iter().flat_map(|scope| scope.spans)
        });
        spans.map(Told::from).collect()
    }

    /// Names of the numbers that it was told.
    pub(super) fn numbers(&self) -> Vec<String> {
        let metrics = |(path, _, body): (String, HeaderMap, Bytes)| {
            (path == "/v1/metrics").then(|| ExportMetricsServiceRequest::decode(body).expect("a message of numbers"))
        };
        let requests = self.received().into_iter().filter_map(metrics);
        let scopes = requests.flat_map(|request| request.resource_metrics).flat_map(|one| one.scope_metrics);
        scopes.flat_map(|scope| scope.metrics).map(|metric| metric.name).collect()
    }

    /// Waits until what it has is enough.
    pub(super) async fn until<T>(&self, enough: impl Fn(&Self) -> Option<T>) -> T {
        let look = async {
            loop {
                let news = self.seen.news.notified();
                if let Some(found) = enough(self) {
                    return found;
                }
                news.await;
            }
        };
        let waited = timeout(PATIENCE, look).await;
        waited.unwrap_or_else(|_| panic!("not told in time: {:#?}", self.spans()))
    }

    /// Waits for a span of this name, and gives all of its trace once `count` have come.
    pub(super) async fn trace_of(&self, name: &str, count: usize) -> Vec<Told> {
        let whole = |seen: &Self| {
            let spans = seen.spans();
            let trace = spans.iter().find(|span| span.name == name)?.trace.clone();
            let whole: Vec<_> = spans.into_iter().filter(|span| span.trace == trace).collect();
            (whole.len() >= count).then_some(whole)
        };
        self.until(whole).await
    }
}

async fn take(State(seen): State<Seen>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    seen.asked.fetch_add(1, SeqCst);
    seen.requests.lock().expect("whole").push((uri.path().to_owned(), headers, body));
    seen.news.notify_waiters();
    match seen.manner {
        Manner::Well => StatusCode::OK.into_response(),
        Manner::Failing => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Manner::Garbage => vec![0xff_u8; 1_000].into_response(),
        Manner::Silent => std::future::pending().await,
        Manner::Partly => {
            let partial_success = Some(ExportTracePartialSuccess { rejected_spans: 1, ..Default::default() });
            ExportTraceServiceResponse { partial_success }.encode_to_vec().into_response()
        }
    }
}

/// A span, for comparing.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) name: String,
    pub(super) trace: String,
    pub(super) id: String,
    pub(super) parent: String,
    pub(super) kind: i32,
    pub(super) is_error: bool,
    pub(super) times: (u64, u64),
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) state: String,
}

impl From<Span> for Told {
    fn from(span: Span) -> Self {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            name: span.name,
            trace: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            kind: span.kind,
            is_error: span.status.is_some_and(|status| status.code == 2),
            times: (span.start_time_unix_nano, span.end_time_unix_nano),
            attributes: attributes(&span.attributes),
            state: span.trace_state,
        }
    }
}

impl Told {
    pub(super) fn says(&self, key: &str) -> &str {
        self.attributes.get(key).map_or("(nothing)", String::as_str)
    }
}

fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    let pair = |pair: &KeyValue| {
        let value = pair.value.as_ref().and_then(|value| value.value.as_ref());
        (pair.key.clone(), value.map(text).unwrap_or_default())
    };
    pairs.iter().map(pair).collect()
}
