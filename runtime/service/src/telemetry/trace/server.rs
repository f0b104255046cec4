//! The span of a request, from its headers to the end of its answer.

use std::sync::Arc;

use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};

use super::{SpanId, TraceContext, spans};
use crate::{
    clock,
    telemetry::{Telemetry, otlp::message::text},
};

/// How an RPC ended.
#[derive(Debug, Clone, Copy)]
pub struct RpcEnd {
    /// Number of the gRPC status code.
    pub code: i32,
    /// Status of an answer in JSON; `None` over gRPC.
    pub http: Option<u16>,
}

/// A request that is traced, or whose caller's context is passed on. A span is made when it is dropped.
pub struct ServerSpan {
    telemetry: Arc<Telemetry>,
    context: TraceContext,
    parent: Option<SpanId>,
    began_ns: u64,
    is_recorded: bool,
    path: String,
    request_id: String,
    end: Option<RpcEnd>,
}

/// Codes that are the server's fault (OpenTelemetry semantic conventions for gRPC).
const OUR_FAULT: [i32; 6] = [2, 4, 12, 13, 14, 15];

impl ServerSpan {
    /// Begins where the caller's trace goes on, or at a new one. `None` when nobody wants spans and there is nothing to pass on.
    #[must_use]
    pub fn begin(
        telemetry: &Arc<Telemetry>,
        caller: Option<TraceContext>,
        path: &str,
        request_id: &str,
    ) -> Option<Self> {
        let tracer = telemetry.tracer.as_ref();
        let (context, parent) = match (caller, tracer) {
            (None, None) => return None,
            // Passed on as it is: we are not part of the trace.
            (Some(caller), None) => (caller, None),
            (Some(caller), Some(_)) => (caller.child(), Some(caller.span)),
            (None, Some(tracer)) => (TraceContext::begin(|id| tracer.samples(id)), None),
        };
        let is_recorded = tracer.is_some() && context.is_sampled;
        let named = |text: &str| if is_recorded { text.to_owned() } else { String::new() };
        Some(Self {
            telemetry: Arc::clone(telemetry),
            context,
            parent,
            began_ns: if is_recorded { clock::now_unix_ns() } else { 0 },
            is_recorded,
            path: named(path),
            request_id: named(request_id),
            end: None,
        })
    }

    /// For what happens below it.
    #[must_use]
    pub fn context(&self) -> &TraceContext {
        &self.context
    }

    /// Says how the answer begins. The span ends when this is dropped: with the last byte of the answer.
    pub fn answered(&mut self, end: RpcEnd) {
        self.end = Some(end);
    }

    fn span(&self) -> Span {
        let (service, method) = self.path.trim_start_matches('/').split_once('/').unwrap_or((&self.path, ""));
        // A request that was dropped had nobody waiting for it any more.
        let RpcEnd { code, http } = self.end.unwrap_or(RpcEnd { code: 1, http: None });
        let mut span = spans::new(&self.context, self.parent, self.path.trim_start_matches('/'), SpanKind::Server);
        span.start_time_unix_nano = self.began_ns;
        let add = &mut span.attributes;
        add.extend([
            text("rpc.system.name", "grpc"),
            text("rpc.service", service),
            text("rpc.method", method),
            text("airlock.request_id", &self.request_id),
            spans::count("rpc.grpc.status_code", u64::try_from(code).unwrap_or_default()),
        ]);
        if let Some(status) = http {
            add.extend([
                text("http.request.method", "POST"),
                text("http.route", &self.path),
                spans::count("http.response.status_code", status.into()),
            ]);
        }
        if OUR_FAULT.contains(&code) {
            spans::fail(&mut span, &code.to_string());
        }
        span
    }
}

impl Drop for ServerSpan {
    fn drop(&mut self) {
        if let Some(tracer) = self.telemetry.tracer.as_ref().filter(|_| self.is_recorded) {
            tracer.hand_over(self.span());
        }
    }
}
