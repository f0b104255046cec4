//! What spans say: the semantic conventions of OpenTelemetry, and our own attributes under `airlock.`.
//!
//! Values of statements, bodies, headers and keys of stores are in none of them, and neither is any message: what a backend or
//! a guest says may be anything.

use airlock_model::{AuditEvent, Digest};
use opentelemetry_proto::tonic::{
    common::v1::KeyValue,
    trace::v1::{Span, Status, span::SpanKind, status::StatusCode},
};

use super::{SpanId, TraceContext, Tracer, backend};
use crate::{clock, record::CallFacts, telemetry::otlp::message};

pub(super) use message::{count, text};

/// Characters of a statement: what comes after them is for the audit trail.
const STATEMENT_CHARS_MAX: usize = 2_048;

/// A span that ends now.
pub(super) fn new(at: &TraceContext, parent: Option<SpanId>, name: &str, kind: SpanKind) -> Span {
    Span {
        trace_id: at.trace.to_vec(),
        span_id: at.span.to_vec(),
        parent_span_id: parent.map(|parent| parent.to_vec()).unwrap_or_default(),
        trace_state: at.state.as_deref().unwrap_or_default().to_owned(),
        name: name.chars().take(message::CHARS_MAX).collect(),
        kind: kind.into(),
        end_time_unix_nano: clock::now_unix_ns(),
        ..Span::default()
    }
}

/// Why it failed, by its stable name. The message stays in the audit trail.
pub(super) fn fail(span: &mut Span, reason: &str) {
    span.status = Some(Status { code: StatusCode::Error.into(), ..Status::default() });
    span.attributes.push(text("error.type", reason));
}

impl Tracer {
    /// The span of a call, from the record of its end.
    pub(crate) fn invocation(&self, facts: &CallFacts, event: &AuditEvent) {
        let Some(trace) = facts.trace.as_ref().filter(|trace| trace.is_recorded) else { return };
        let name = format!("invoke {}", facts.deployed.function);
        let mut span = new(&trace.context, Some(trace.parent), &name, SpanKind::Internal);
        span.start_time_unix_nano = trace.began_ns;
        span.attributes = of_call(facts);
        span.attributes.push(text("airlock.revision", &facts.deployed.revision));
        let usage = event.usage.unwrap_or_default();
        for (key, value) in [
            ("airlock.fuel", usage.fuel),
            ("airlock.memory_bytes", usage.memory_bytes),
            ("airlock.host_calls", usage.host_calls),
        ] {
            span.attributes.push(count(key, value));
        }
        finish(&mut span, event);
        self.hand_over(span);
    }

    /// The span of a host call, from the record of its end.
    pub(crate) fn host_call(&self, facts: &CallFacts, event: &AuditEvent) {
        let Some(trace) = &facts.trace else { return };
        let Some(at) = trace.host_call(event.span) else { return };
        let resource = event.resource.as_deref().unwrap_or_default();
        let backend = backend::of(&facts.settings.config, resource, facts.deployed.environment.as_str());
        let operation = backend.operation(event);
        let name = backend.name(event, operation.as_deref());
        let mut span = new(&at, Some(trace.context.span), &name, SpanKind::Client);
        let took_ns = event.duration_us.unwrap_or_default().saturating_mul(1_000);
        span.start_time_unix_nano = span.end_time_unix_nano.saturating_sub(took_ns).max(trace.began_ns);
        span.attributes = of_call(facts);
        span.attributes.push(text("airlock.resource", resource));
        backend.describe(event, operation.as_deref(), &mut span.attributes);
        if self.statements && backend.is_database() {
            let statement: String =
                event.target.iter().flat_map(|text| text.chars()).take(STATEMENT_CHARS_MAX).collect();
            span.attributes.push(message::whole_text("db.query.text", statement));
        }
        finish(&mut span, event);
        self.hand_over(span);
    }
}

/// What all spans of a call say.
fn of_call(facts: &CallFacts) -> Vec<KeyValue> {
    vec![
        text("airlock.function", facts.deployed.function.as_str()),
        text("airlock.environment", facts.deployed.environment.as_str()),
        text("airlock.tenant", facts.principal.tenant.as_str()),
        text("airlock.invocation.id", &facts.invocation.0),
    ]
}

fn finish(span: &mut Span, event: &AuditEvent) {
    let outcome = event.reason.as_deref().unwrap_or("ok");
    span.attributes.push(text("airlock.outcome", outcome));
    if outcome != "ok" {
        fail(span, outcome);
    }
}

/// A trace for calls that are not traced, made from their name: backends can tell their requests apart all the same.
pub(crate) fn derived(invocation: &str, host_calls: u64) -> String {
    let trace = Digest::of(invocation.as_bytes()).to_string();
    let span = Digest::of_parts(&[invocation.as_bytes(), &host_calls.to_be_bytes()]).to_string();
    let part = |text: &str, length: usize| text.chars().take(length).collect::<String>();
    format!("00-{}-{}-01", part(&trace, 32), part(&span, 16))
}
