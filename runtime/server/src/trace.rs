//! Where a request stands in a trace: read from its headers, and known to whoever writes a log line about it.

use std::sync::Arc;

use airlock_service::telemetry::{RpcEnd, ServerSpan, Telemetry, TraceContext};
use http::{HeaderMap, HeaderName, Response};

use crate::{json, request, rpcs};

const PARENT: HeaderName = HeaderName::from_static("traceparent");
const STATE: HeaderName = HeaderName::from_static("tracestate");

tokio::task_local! {
    static HERE: Option<TraceContext>;
}

/// What the caller says. More than one `traceparent` is as if there were none; `tracestate` may come in parts.
fn caller(headers: &HeaderMap) -> Option<TraceContext> {
    let mut parents = headers.get_all(PARENT).iter();
    let (Some(parent), None) = (parents.next(), parents.next()) else { return None };
    let states: Result<Vec<_>, _> = headers.get_all(STATE).iter().map(http::HeaderValue::to_str).collect();
    let state = states.ok().filter(|states| !states.is_empty()).map(|states| states.join(","));
    TraceContext::parse(parent.to_str().ok()?, state.as_deref())
}

/// Begins the span of a request, where anybody wants one or something is to be passed on.
pub(crate) fn begin(telemetry: &Arc<Telemetry>, path: &str, headers: &HeaderMap) -> Option<ServerSpan> {
    ServerSpan::begin(telemetry, caller(headers), path, request::id_of(headers))
}

/// How an answer begins; a stream says at its end how that went.
pub(crate) fn end<B>(response: &Response<B>) -> RpcEnd {
    let kind = response.headers().get(http::header::CONTENT_TYPE);
    let in_json = kind.is_some_and(json::is_ours);
    RpcEnd { code: rpcs::code(response), http: in_json.then(|| response.status().as_u16()) }
}

/// Runs what happens for a request.
pub(crate) async fn within<T>(context: Option<TraceContext>, work: impl Future<Output = T>) -> T {
    HERE.scope(context, work).await
}

/// The ids of the trace and of the span that this happens in, for a log line.
pub(crate) fn ids() -> Option<(String, String)> {
    HERE.try_with(|here| here.as_ref().map(|here| (here.trace_id(), here.span_id()))).ok().flatten()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_parent_is_taken_once_and_a_state_in_parts() {
        let mut headers = HeaderMap::from_iter([(PARENT, HeaderValue::from_static(GOOD))]);
        assert!(caller(&headers).is_some());
        headers.append(STATE, HeaderValue::from_static("a=1"));
        headers.append(STATE, HeaderValue::from_static("b=2"));
        let whole = TraceContext::parse(GOOD, Some("a=1,b=2"));
        assert_eq!(caller(&headers), whole);
        headers.append(PARENT, HeaderValue::from_static(GOOD));
        assert_eq!(caller(&headers), None);
        assert_eq!(caller(&HeaderMap::new()), None);
    }
}
