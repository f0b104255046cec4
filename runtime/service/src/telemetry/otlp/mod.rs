//! Telling an OTLP collector: protobuf over HTTP, through the guarded client.
//!
//! The messages are those of `opentelemetry-proto`. The SDK is not used: its exporter dials by itself or blocks a thread, its
//! instruments look labels up at every addition, and it does not say what it dropped.

pub(in crate::telemetry) mod message;
mod numbers;
mod queue;

use std::{sync::Arc, time::Duration};

use airlock_resources::{DocumentClient, Network, Sources};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message as _;
use tokio::{
    task::AbortHandle,
    time::{Instant, MissedTickBehavior, interval, timeout, timeout_at},
};
use uuid::Uuid;

use super::{Sampler, Telemetry, trace::Tracer};
use crate::{
    clock,
    config::{Config, ConfigError, OtlpConfig, process_environment},
};
use queue::Item;
pub(in crate::telemetry) use queue::{SpanQueue, Waiting};

/// Spans of one request.
const BATCH_MAX: usize = 512;
/// How long a span waits for others to go with.
const BATCH_TIME_MAX: Duration = Duration::from_secs(2);
/// How long a server that ends waits for its last export.
const LAST_TIME_MAX: Duration = Duration::from_secs(5);
const PROTOBUF: &str = "application/x-protobuf";

/// Where this server tells what.
pub(crate) struct Outlets {
    resource: Resource,
    spans: Option<(DocumentClient, Waiting)>,
    numbers: Option<(DocumentClient, Duration)>,
}

/// The tasks that tell. They end with the application.
#[derive(Default)]
pub(crate) struct Telling(Vec<AbortHandle>);

impl Drop for Telling {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

/// Reads what a configuration says about the collector, secrets included. Connects to nothing.
fn client(config: &Config, otlp: &OtlpConfig, path: &str, network: &Network) -> Result<DocumentClient, ConfigError> {
    let refuse = |key: &str, why: String| ConfigError::value(format!("telemetry.otlp.{key}"), why);
    let unclear = |why: airlock_resources::ConfigError| {
        let key = why.key().unwrap_or("url").to_owned();
        refuse(&key, why.to_string())
    };
    let allow_inline = config.environments.values().all(|environment| environment.development);
    let sources = Sources { read_env: &process_environment, allow_inline };
    let mut client = DocumentClient::new(&otlp.document(path), network).map_err(unclear)?;
    for (name, value) in &otlp.headers {
        let secret = value.resolve(&sources).map_err(|why| refuse("headers", format!("`{name}`: {why}")))?;
        client = client.with_header(name, &secret).map_err(|why| refuse("headers", why.to_string()))?;
    }
    Ok(client)
}

/// Checks a configuration without opening anything.
pub(crate) fn check(config: &Config, network: &Network) -> Result<(), ConfigError> {
    let Some(otlp) = &config.telemetry.otlp else { return Ok(()) };
    client(config, otlp, "", network).map(drop).map_err(|why| config.origins.locate(why))
}

impl Outlets {
    /// Opens what the configuration asks for, and has spans made where they are sent.
    pub(crate) fn open(config: &Config, network: &Network, telemetry: &mut Telemetry) -> Result<Self, ConfigError> {
        let resource = message::resource(&config.tokens.instance, &Uuid::new_v4().to_string());
        let Some(otlp) = &config.telemetry.otlp else { return Ok(Self { resource, spans: None, numbers: None }) };
        let client = |path| client(config, otlp, path, network).map_err(|why| config.origins.locate(why));
        telemetry.metrics.expect_exports();
        let (mut spans, mut numbers) = (None, None);
        if otlp.traces {
            let (queue, waiting) = SpanQueue::new(&telemetry.metrics);
            telemetry.tracer = Some(Tracer { queue, sample: otlp.sample, statements: otlp.statements });
            spans = Some((client("/v1/traces")?, waiting));
        }
        if otlp.metrics {
            numbers = Some((client("/v1/metrics")?, otlp.interval()));
        }
        Ok(Self { resource, spans, numbers })
    }

    /// Begins to tell.
    pub(crate) fn start(self, sampler: &Sampler) -> Telling {
        let Self { resource, spans, numbers } = self;
        let mut tasks = Vec::new();
        if let Some((client, waiting)) = spans {
            let teller = Teller { client, resource: resource.clone(), telemetry: Arc::clone(&sampler.telemetry) };
            tasks.push(tokio::spawn(teller.tell_spans(waiting)).abort_handle());
        }
        if let Some((client, every)) = numbers {
            let teller = Teller { client, resource, telemetry: Arc::clone(&sampler.telemetry) };
            tasks.push(tokio::spawn(teller.tell_numbers(sampler.clone(), every)).abort_handle());
        }
        Telling(tasks)
    }
}

/// Who sends one signal.
struct Teller {
    client: DocumentClient,
    resource: Resource,
    telemetry: Arc<Telemetry>,
}

impl Teller {
    async fn tell_spans(self, mut waiting: Waiting) {
        while let Some(first) = waiting.next().await {
            let (batch, flushed) = gather(first, &mut waiting).await;
            if !batch.is_empty() {
                self.send_spans(batch).await;
            }
            if let Some(flushed) = flushed {
                // Nobody may be waiting any more.
                let _ = flushed.send(());
            }
        }
    }

    async fn send_spans(&self, spans: Vec<Span>) {
        let count = spans.len() as u64;
        let scope_spans = vec![ScopeSpans { scope: Some(message::scope()), spans, ..ScopeSpans::default() }];
        let resource = Some(self.resource.clone());
        let resource_spans = vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }];
        let dropped = |why| self.telemetry.metrics.spans_dropped.with_label_values(&[why]);
        match self.send("traces", ExportTraceServiceRequest { resource_spans }.encode_to_vec()).await {
            None => dropped("not_sent").inc_by(count),
            Some(answer) => {
                // What is no such message says nothing against them.
                let partly =
                    ExportTraceServiceResponse::decode(answer.as_slice()).ok().and_then(|one| one.partial_success);
                let rejected = partly.map_or(0, |partly| u64::try_from(partly.rejected_spans).unwrap_or_default());
                dropped("rejected").inc_by(rejected.min(count));
            }
        }
    }

    async fn tell_numbers(self, sampler: Sampler, every: Duration) {
        let began = clock::now_unix_ns();
        let mut tick = interval(every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let times = numbers::Span { began, now: clock::now_unix_ns() };
            let families = sampler.sample().await;
            let numbers = (families.as_slice(), &self.telemetry.exemplars());
            let request = numbers::request(&self.resource, numbers, times);
            // The next one says all that this one says.
            let _ = self.send("metrics", request.encode_to_vec()).await;
        }
    }

    /// The answer, or nothing when it is not known to have arrived. Not tried again: what comes next would have to wait.
    async fn send(&self, signal: &'static str, body: Vec<u8>) -> Option<Vec<u8>> {
        let sent = self.client.post_as(PROTOBUF, body).await;
        let outcome = if sent.is_ok() { "ok" } else { "failed" };
        self.telemetry.metrics.exports.with_label_values(&[signal, outcome]).inc();
        sent.inspect_err(|why| tracing::warn!(signal, why = why.to_string(), "the OTLP collector was not told")).ok()
    }
}

/// What is there and what comes a moment later, as much as goes into one request.
async fn gather(first: Item, waiting: &mut Waiting) -> (Vec<Span>, Option<tokio::sync::oneshot::Sender<()>>) {
    let mut batch = Vec::new();
    let until = Instant::now() + BATCH_TIME_MAX;
    let mut next = Some(first);
    while let Some(item) = next {
        match item {
            Item::Flush(flushed) => return (batch, Some(flushed)),
            Item::Span(span) => batch.push(*span),
        }
        if batch.len() >= BATCH_MAX {
            break;
        }
        next = timeout_at(until, waiting.next()).await.unwrap_or_default();
    }
    (batch, None)
}

impl Telemetry {
    /// Sends the spans that wait, because the server is about to end.
    pub async fn flush(&self) {
        if let Some(tracer) = &self.tracer {
            // What is not taken until then is lost.
            let _ = timeout(LAST_TIME_MAX, tracer.queue.flush()).await;
        }
    }
}
