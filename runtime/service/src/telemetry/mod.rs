//! What operators see of a running server: numbers, and traces, and who is told.
//!
//! Counting is always on and costs additions; nothing leaves unless `[telemetry]` says where to. What is counted and traced of a
//! call is read off the events that the audit trail keeps of it, so that the three never tell different stories.

mod exemplars;
mod metrics;
mod open_metrics;
pub(crate) mod otlp;
mod outcomes;
mod process;
mod sample;
mod series;
mod trace;

use std::sync::{Arc, Mutex, PoisonError};

use airlock_model::{AuditEvent, AuditKind, Reason};
use airlock_store::Store;
use prometheus::{TextEncoder, proto::MetricFamily};

pub use metrics::RpcMetrics;
pub use process::prepare as prepare_for_the_wall;
pub use trace::{RpcEnd, ServerSpan, TraceContext};

use crate::{clock, isolation};
use exemplars::AllExemplars;
pub(crate) use metrics::FunctionMetrics;
use metrics::Metrics;
pub(crate) use sample::Sampler;
use trace::Tracer;
pub(crate) use trace::{CallTrace, derived as derived_parent};

/// The counters of one server, and where its spans go. Shared by everything that counts.
pub struct Telemetry {
    pub(crate) metrics: Metrics,
    /// Where somebody wants spans.
    pub(crate) tracer: Option<Tracer>,
    transport: Mutex<Option<Box<dyn Fn() -> TransportNumbers + Send>>>,
}

/// What the listeners count.
#[derive(Debug, Clone, Copy, Default)]
pub struct TransportNumbers {
    /// Invocations in flight.
    pub in_flight: usize,
    /// How many may be.
    pub in_flight_max: usize,
    /// Connections open now.
    pub connections: usize,
    /// Invocations shed since the start.
    pub shed: u64,
    /// Connections cut since the start.
    pub connections_cut: u64,
    /// Handlers that panicked since the start.
    pub panics: u64,
}

impl Telemetry {
    /// Everything at zero.
    ///
    /// # Errors
    /// When two numbers have one name: a mistake of ours.
    pub fn new() -> Result<Self, prometheus::Error> {
        let metrics = Metrics::new()?;
        let labels = [env!("CARGO_PKG_VERSION"), &isolation::reached().to_string()];
        metrics.now.build.with_label_values(&labels).set(1);
        metrics.now.started.set(clock::now_unix_s() as f64);
        Ok(Self { metrics, tracer: None, transport: Mutex::default() })
    }

    /// From now on the numbers of the listeners are shown too.
    pub fn watch_transport(&self, numbers: impl Fn() -> TransportNumbers + Send + 'static) {
        *self.transport.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(numbers));
    }

    /// The counters of one RPC, `Service/Method`: to be kept by whoever counts.
    #[must_use]
    pub fn rpc(&self, method: &str) -> Arc<RpcMetrics> {
        self.metrics.rpcs.get("", method)
    }

    /// The counters of one function.
    pub(crate) fn function(&self, environment: &str, function: &str) -> Arc<FunctionMetrics> {
        self.metrics.functions.get(environment, function)
    }

    /// Counts what the trail is told of a host call's end.
    pub(crate) fn host_call_ended(&self, event: &AuditEvent, traced: Option<&CallTrace>) {
        let (Some(environment), Some(resource)) = (&event.environment, &event.resource) else { return };
        let outcome = event.reason.as_deref().unwrap_or("ok");
        let at = traced.and_then(|trace| trace.host_call(event.span));
        self.metrics.resources.get(environment, resource).count(outcome, event.duration_us, at.as_ref());
    }

    /// Counts a host call that was denied without a record of its own.
    pub(crate) fn host_call_denied(&self, event: &AuditEvent, reason: &str) {
        if let (Some(environment), Some(resource)) = (&event.environment, &event.resource) {
            self.metrics.resources.get(environment, resource).count(reason, None, None);
        }
    }

    /// Counts a call of a tenant.
    pub(crate) fn tenant_called(&self, environment: &str, tenant: &str, outcome: &str) {
        self.metrics.tenants.get(environment, tenant).count(outcome);
    }

    /// Counts a request that was turned away.
    pub(crate) fn refused(&self, kind: AuditKind, reason: Reason) {
        self.metrics.refused(kind, reason.as_str());
    }

    /// Counts a token that was judged: `None` when it was good.
    pub(crate) fn token_judged(&self, refused: Option<Reason>) {
        self.metrics.token(refused.map_or("ok", Reason::as_str));
    }

    /// Counts a deploy or a promotion that a token allowed.
    pub(crate) fn deployed(&self, kind: &str, refused: Option<Reason>) {
        self.metrics.deployed(kind, refused.map_or("ok", Reason::as_str));
    }

    /// Counts how long a call waited for its turn.
    pub(crate) fn waited(&self, time: std::time::Duration) {
        self.metrics.queue_wait.observe(time.as_secs_f64());
    }

    /// Counts the groups that a store commits.
    pub(crate) fn watch_store(&self, store: &Store) {
        let (jobs, seconds) = (self.metrics.group_jobs.clone(), self.metrics.group_seconds.clone());
        store.watch_groups(move |group| {
            jobs.observe(group.jobs as f64);
            seconds.observe(group.took.as_secs_f64());
        });
    }

    /// Traced calls that stand for the buckets they fell into.
    pub(crate) fn exemplars(&self) -> AllExemplars {
        let mut all = AllExemplars::default();
        self.metrics.functions.each(|environment, name, one| one.add_exemplars(&mut all, [environment, name]));
        self.metrics.resources.each(|environment, name, one| one.add_exemplars(&mut all, [environment, name]));
        all
    }

    /// All numbers as they are.
    pub(crate) fn gather(&self) -> Vec<MetricFamily> {
        self.metrics.registry.gather()
    }
}

/// How numbers are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The text format of Prometheus, version 0.0.4.
    Text,
    /// OpenMetrics 1.0, which has exemplars.
    OpenMetrics,
}

impl Format {
    pub(crate) fn write(self, families: &[MetricFamily], exemplars: &AllExemplars) -> String {
        match self {
            Self::Text => TextEncoder::new().encode_to_string(families).unwrap_or_else(|why| format!("# {why}\n")),
            Self::OpenMetrics => open_metrics::text(families, exemplars),
        }
    }
}
