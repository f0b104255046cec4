//! Traces: the request, the call below it, and each of its host calls below that.
//!
//! Spans are made when what they are about has ended, from what the audit trail is told of it. Until then a call carries two
//! numbers, and where nobody wants spans not even those.

mod backend;
mod context;
mod server;
mod spans;

use opentelemetry_proto::tonic::trace::v1::Span;

pub use context::TraceContext;
pub use server::{RpcEnd, ServerSpan};

use super::otlp::SpanQueue;
use crate::clock;
pub(crate) use context::{SpanId, TraceId, hex, new_span};
pub(crate) use spans::derived;

/// Decides which calls are traced, and hands over their spans.
pub(crate) struct Tracer {
    pub(super) queue: SpanQueue,
    /// The share of calls that are traced where their caller has not decided it.
    pub(super) sample: f64,
    /// Whether spans may have the text of statements.
    pub(super) statements: bool,
}

impl Tracer {
    /// By the last seven bytes of the id, which are random (W3C Trace Context level 2, section 3.2.2.5).
    fn samples(&self, [.., a, b, c, d, e, f, g]: &TraceId) -> bool {
        let number = u64::from_be_bytes([0, *a, *b, *c, *d, *e, *f, *g]);
        (number as f64) < self.sample * (1u64 << 56) as f64
    }

    fn hand_over(&self, span: Span) {
        self.queue.push(span);
    }
}

/// The span of one call, while it runs.
pub(crate) struct CallTrace {
    pub(crate) context: TraceContext,
    parent: SpanId,
    pub(super) began_ns: u64,
    /// Whether a span is made of it; else the caller's context is only passed on.
    pub(super) is_recorded: bool,
}

impl CallTrace {
    /// Below the request that the call came with.
    pub(crate) fn below(above: &TraceContext, is_tracing: bool) -> Self {
        let is_recorded = is_tracing && above.is_sampled;
        let context = if is_recorded { above.child() } else { above.clone() };
        Self { context, parent: above.span, began_ns: clock::now_unix_ns(), is_recorded }
    }

    /// The number of a new host call's span; 0 when it gets none.
    pub(crate) fn new_host_call(&self) -> u64 {
        if self.is_recorded { u64::from_be_bytes(new_span()) } else { 0 }
    }

    /// Where the host call with this number stands, when it is traced.
    pub(crate) fn host_call(&self, number: u64) -> Option<TraceContext> {
        let is_traced = self.is_recorded && number != 0;
        is_traced.then(|| TraceContext { span: number.to_be_bytes(), ..self.context.clone() })
    }

    /// Where the call stands, when it is traced.
    pub(crate) fn traced(&self) -> Option<&TraceContext> {
        self.is_recorded.then_some(&self.context)
    }

    /// `traceparent` for a request of the host call with this number.
    pub(crate) fn parent_of(&self, host_call: u64) -> String {
        let span = if host_call == 0 { self.context.span } else { host_call.to_be_bytes() };
        self.context.parent_of(span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Telemetry;

    #[test]
    fn a_share_of_all_traces_is_sampled_and_all_or_none_when_so_asked() {
        let telemetry = Telemetry::new().expect("counters");
        let (queue, _waiting) = SpanQueue::new(&telemetry.metrics);
        let count = |sample: f64| {
            let tracer = Tracer { queue: queue.clone(), sample, statements: false };
            (0..10_000).filter(|_| TraceContext::begin(|id| tracer.samples(id)).is_sampled).count()
        };
        assert_eq!((count(0.0), count(1.0)), (0, 10_000));
        assert!((2_000..3_000).contains(&count(0.25)));
    }
}
