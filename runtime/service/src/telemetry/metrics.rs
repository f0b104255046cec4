//! Every number that operators see, by the name under which they see it. `docs/telemetry.md` explains each; a test compares.
//!
//! Call paths hold handles: to count is one addition to an atomic number. Gauges are read when somebody asks.

use std::{sync::OnceLock, time::Duration};

use airlock_model::AuditKind;
use prometheus::{
    Counter, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, core::Collector,
};

use super::{
    exemplars::{AllExemplars, Exemplars},
    outcomes::{self, Outcomes},
    series::Series,
    trace::TraceContext,
};

/// Functions, resources and tenants that are counted apart, each; the rest is counted as `other`.
const SERIES_MAX: usize = 1_000;

/// Seconds: from a call that only computes to the longest that anybody waits for.
static SECONDS: [f64; 15] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
const INVOCATION_SECONDS: &str = "airlock_invocation_duration_seconds";
const HOST_CALL_SECONDS: &str = "airlock_host_call_duration_seconds";
const JOBS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// Status codes of gRPC by number (`grpc/doc/statuscodes.md`).
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];
const UNKNOWN: usize = 2;

/// Calls of one function in one environment.
pub(crate) struct FunctionMetrics {
    outcomes: Outcomes,
    seconds: Histogram,
    exemplars: Exemplars,
    fuel: IntCounter,
}

impl FunctionMetrics {
    /// A call ended. Nothing here waits.
    pub(crate) fn count(&self, outcome: &str, wall_us: u64, fuel: u64, traced: Option<&TraceContext>) {
        let wall = seconds(wall_us);
        self.outcomes.count(outcome);
        self.seconds.observe(wall);
        self.fuel.inc_by(fuel);
        if let Some(at) = traced {
            self.exemplars.keep(wall, at);
        }
    }

    pub(super) fn add_exemplars(&self, all: &mut AllExemplars, labels: [&str; 2]) {
        all.add(INVOCATION_SECONDS, labels, &self.exemplars);
    }
}

/// Host calls to one resource in one environment.
pub(crate) struct ResourceMetrics {
    outcomes: Outcomes,
    seconds: Histogram,
    exemplars: Exemplars,
}

impl ResourceMetrics {
    /// A host call ended, or was denied: then it took no time.
    pub(crate) fn count(&self, outcome: &str, duration_us: Option<u64>, traced: Option<&TraceContext>) {
        self.outcomes.count(outcome);
        let Some(took) = duration_us.map(seconds) else { return };
        self.seconds.observe(took);
        if let Some(at) = traced {
            self.exemplars.keep(took, at);
        }
    }

    pub(super) fn add_exemplars(&self, all: &mut AllExemplars, labels: [&str; 2]) {
        all.add(HOST_CALL_SECONDS, labels, &self.exemplars);
    }
}

/// Requests for one RPC.
pub struct RpcMetrics {
    codes: IntCounterVec,
    method: String,
    /// By the number of the code.
    places: [OnceLock<IntCounter>; CODES.len()],
    seconds: Histogram,
}

impl RpcMetrics {
    /// An answer begins. `code` is the number of a gRPC status code.
    pub fn count(&self, code: i32, took: Duration) {
        let place = usize::try_from(code).ok().filter(|place| *place < CODES.len()).unwrap_or(UNKNOWN);
        if let (Some(counter), Some(name)) = (self.places.get(place), CODES.get(place)) {
            counter.get_or_init(|| self.codes.with_label_values(&[self.method.as_str(), name])).inc();
        }
        self.seconds.observe(took.as_secs_f64());
    }
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

/// All of them.
pub(crate) struct Metrics {
    pub(super) registry: Registry,
    pub(super) functions: Series<FunctionMetrics>,
    pub(super) tenants: Series<Outcomes>,
    pub(super) resources: Series<ResourceMetrics>,
    pub(super) rpcs: Series<RpcMetrics>,
    pub(super) queue_wait: Histogram,
    calls_refused: Outcomes,
    control_refused: Outcomes,
    tokens: Outcomes,
    deploys: IntCounterVec,
    pub(super) group_jobs: Histogram,
    pub(super) group_seconds: Histogram,
    pub(super) now: Gauges,
    pub(super) exports: IntCounterVec,
    pub(super) spans_dropped: IntCounterVec,
}

/// What is read when somebody asks.
pub(super) struct Gauges {
    pub(super) build: IntGaugeVec,
    pub(super) in_use: GaugeVec,
    pub(super) limit: GaugeVec,
    pub(super) connections: IntGauge,
    pub(super) connections_cut: IntCounter,
    pub(super) shed: IntCounter,
    pub(super) panics: IntCounter,
    pub(super) audit_available: IntGauge,
    pub(super) audit_held: IntGauge,
    pub(super) audit_queue: IntGauge,
    pub(super) audit_lag: Gauge,
    pub(super) free_bytes: IntGauge,
    pub(super) approvals_pending: IntGauge,
    pub(super) cpu: Counter,
    pub(super) memory: IntGauge,
    pub(super) started: Gauge,
    pub(super) spans_queued: IntGauge,
}

/// Registers what is made, so that nothing is counted that nobody sees.
struct Making(Registry);

impl Making {
    fn keep<C: Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> prometheus::Result<C> {
        let made = made?;
        self.0.register(Box::new(made.clone()))?;
        Ok(made)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
        self.keep(IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        self.keep(IntCounter::new(name, help))
    }

    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        self.keep(IntGauge::new(name, help))
    }

    fn times(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<HistogramVec> {
        self.keep(HistogramVec::new(HistogramOpts::new(name, help).buckets(SECONDS.into()), labels))
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> prometheus::Result<Histogram> {
        self.keep(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.into())))
    }
}

impl Metrics {
    pub(crate) fn new() -> prometheus::Result<Self> {
        let make = Making(Registry::new());
        let tokens = make.counters("airlock_token_verifications_total", "Tokens judged, by outcome.", &["outcome"])?;
        let refusals = make.counters(
            "airlock_refusals_total",
            "Requests turned away before anything ran, by plane and reason.",
            &["plane", "reason"],
        )?;
        Ok(Self {
            functions: functions(&make)?,
            tenants: tenants(&make)?,
            resources: resources(&make)?,
            rpcs: rpcs(&make)?,
            queue_wait: make.histogram(
                "airlock_queue_wait_seconds",
                "Time that a call waited for its turn, calls that ran at once included.",
                &SECONDS,
            )?,
            calls_refused: Outcomes::new(&refusals, &["data"]),
            control_refused: Outcomes::new(&refusals, &["control"]),
            tokens: Outcomes::new(&tokens, &[]),
            deploys: make.counters(
                "airlock_deploys_total",
                "Deploys and promotions that a token allowed, by how they ended.",
                &["kind", "outcome"],
            )?,
            group_jobs: make.histogram("airlock_audit_group_size", "Jobs of one durable commit.", &JOBS)?,
            group_seconds: make.histogram(
                "airlock_audit_commit_seconds",
                "Time that one commit of the audit trail took, the wait for the disk included.",
                &SECONDS,
            )?,
            exports: make.counters(
                "airlock_otlp_exports_total",
                "Batches sent to the OTLP collector, by signal and outcome.",
                &["signal", "outcome"],
            )?,
            spans_dropped: make.counters(
                "airlock_otlp_spans_dropped_total",
                "Spans that did not reach the collector, by why.",
                &["why"],
            )?,
            now: gauges(&make)?,
            registry: make.0,
        })
    }

    /// A request was turned away before anything ran.
    pub(super) fn refused(&self, kind: AuditKind, reason: &str) {
        let counters = if kind == AuditKind::InvocationRefused { &self.calls_refused } else { &self.control_refused };
        counters.count(reason);
    }

    /// From now on exports are shown, before there are any: nobody can be told of a rise from nothing.
    pub(super) fn expect_exports(&self) {
        for why in ["queue_full", "not_sent", "rejected"] {
            self.spans_dropped.with_label_values(&[why]);
        }
        for (signal, outcome) in [("traces", "ok"), ("traces", "failed"), ("metrics", "ok"), ("metrics", "failed")] {
            self.exports.with_label_values(&[signal, outcome]);
        }
    }

    pub(super) fn token(&self, outcome: &str) {
        self.tokens.count(outcome);
    }

    pub(super) fn deployed(&self, kind: &str, outcome: &str) {
        self.deploys.with_label_values(&[kind, outcomes::label(outcome)]).inc();
    }
}

fn functions(make: &Making) -> prometheus::Result<Series<FunctionMetrics>> {
    let labels = ["environment", "function"];
    let calls = make.counters(
        "airlock_invocations_total",
        "Calls that began, by how they ended.",
        &["environment", "function", "outcome"],
    )?;
    let times = make.times(INVOCATION_SECONDS, "Wall time of calls, the wait included.", &labels)?;
    let fuel = make.counters("airlock_invocation_fuel_total", "Fuel that calls spent.", &labels)?;
    Ok(Series::new(SERIES_MAX, move |environment, function| FunctionMetrics {
        outcomes: Outcomes::new(&calls, &[environment, function]),
        seconds: times.with_label_values(&[environment, function]),
        exemplars: Exemplars::new(&SECONDS),
        fuel: fuel.with_label_values(&[environment, function]),
    }))
}

fn tenants(make: &Making) -> prometheus::Result<Series<Outcomes>> {
    let labels = ["environment", "tenant", "outcome"];
    let calls = make.counters("airlock_tenant_invocations_total", "Calls of tenants, by how they ended.", &labels)?;
    Ok(Series::new(SERIES_MAX, move |environment, tenant| Outcomes::new(&calls, &[environment, tenant])))
}

fn resources(make: &Making) -> prometheus::Result<Series<ResourceMetrics>> {
    let calls = make.counters(
        "airlock_host_calls_total",
        "Host calls of functions to resources, by how they ended; denied ones too.",
        &["environment", "resource", "outcome"],
    )?;
    let times = make.times(HOST_CALL_SECONDS, "Time that permitted host calls took.", &["environment", "resource"])?;
    Ok(Series::new(SERIES_MAX, move |environment, resource| ResourceMetrics {
        outcomes: Outcomes::new(&calls, &[environment, resource]),
        seconds: times.with_label_values(&[environment, resource]),
        exemplars: Exemplars::new(&SECONDS),
    }))
}

fn rpcs(make: &Making) -> prometheus::Result<Series<RpcMetrics>> {
    let codes = make.counters("airlock_rpcs_total", "Answers, by RPC and gRPC status code.", &["method", "code"])?;
    let times =
        make.times("airlock_rpc_duration_seconds", "Time from a request's headers to its answer's.", &["method"])?;
    Ok(Series::new(SERIES_MAX, move |_, method| RpcMetrics {
        codes: codes.clone(),
        method: method.to_owned(),
        places: [const { OnceLock::new() }; CODES.len()],
        seconds: times.with_label_values(&[method]),
    }))
}

fn gauges(make: &Making) -> prometheus::Result<Gauges> {
    let measured = |name, help| make.keep(GaugeVec::new(Opts::new(name, help), &["of"]));
    let labels = ["version", "isolation"];
    Ok(Gauges {
        build: make.keep(IntGaugeVec::new(Opts::new("airlock_build_info", "Always 1."), &labels))?,
        in_use: measured("airlock_in_use", "How much of something bounded is taken; `airlock_limit` is the bound.")?,
        limit: measured("airlock_limit", "The bound of what `airlock_in_use` measures.")?,
        connections: make.gauge("airlock_connections", "Connections of clients that are open.")?,
        connections_cut: make.counter(
            "airlock_connections_cut_total",
            "Connections closed for what the client sent, did not send or did not read.",
        )?,
        shed: make.counter("airlock_shed_total", "Calls turned away unread because the server was full.")?,
        panics: make.counter("airlock_panics_total", "Handlers that panicked. Anything but 0 is a bug.")?,
        audit_available: make.gauge("airlock_audit_available", "1 while calls are taken, 0 while nothing runs.")?,
        audit_held: make.gauge("airlock_audit_held", "1 while another process holds the state database.")?,
        audit_queue: make.gauge("airlock_audit_queue_length", "Jobs that wait to be durable.")?,
        audit_lag: make
            .keep(Gauge::new("airlock_audit_lag_seconds", "Age of the oldest record that is not durable yet."))?,
        free_bytes: make.gauge("airlock_state_free_bytes", "Free bytes of the file system of the state directory.")?,
        approvals_pending: make.gauge("airlock_approvals_pending", "Requests that wait for a person.")?,
        cpu: make.keep(Counter::new("process_cpu_seconds_total", "Processor time of the process."))?,
        memory: make.gauge("process_resident_memory_bytes", "Memory that the process has in use.")?,
        started: make
            .keep(Gauge::new("process_start_time_seconds", "When the server started, since the Unix epoch."))?,
        spans_queued: make.gauge("airlock_otlp_spans_queued", "Spans that wait to be sent to the collector.")?,
    })
}
