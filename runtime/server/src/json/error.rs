//! Errors in the JSON form.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Map, Value, json};
use tonic::{Code, Status, body::Body};

use super::JSON;
use crate::{
    request,
    status::{Explained, INVOCATION_ID, explain},
};

/// The answer of a failed RPC.
pub(crate) fn failed(status: &Status) -> Response<Body> {
    let explained = explain(status);
    let mut response = respond(http_status(status.code(), &explained.reason), &object(status, &explained));
    // For those who count.
    response.extensions_mut().insert(status.code());
    let headers = response.headers_mut();
    if let Some(seconds) = explained.retry_after_ms.map(|ms| ms.div_ceil(1000)) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if status.code() == Code::Unauthenticated {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(id) = status.metadata().as_ref().get(INVOCATION_ID) {
        headers.insert(INVOCATION_ID, id.clone());
    }
    if let Ok(id) = HeaderValue::from_str(&explained.request_id)
        && !id.is_empty()
    {
        headers.insert(request::REQUEST_ID, id);
    }
    response
}

/// The answer to something that is not one of our RPCs at all.
pub(crate) fn plain(code: StatusCode, reason: &str, hint: &str, request_id: &str) -> Response<Body> {
    let message = code.canonical_reason().unwrap_or("error");
    let details = json!({ "requestId": request_id });
    let body =
        json!({ "code": "unimplemented", "reason": reason, "message": message, "hint": hint, "details": details });
    let mut response = respond(code, &body);
    response.extensions_mut().insert(Code::Unimplemented);
    if code == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

/// The last line of a stream that failed.
pub(super) fn line(status: &Status) -> Value {
    json!({ "error": object(status, &explain(status)) })
}

fn respond(code: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::new(Bytes::from(body.to_string()))));
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response
}

fn object(status: &Status, explained: &Explained) -> Value {
    let mut details = Map::new();
    let mut add = |key: &str, value: Value| details.insert(key.to_owned(), value);
    for (key, value) in &explained.metadata {
        add(key, Value::from(value.as_str()));
    }
    if !explained.fields.is_empty() {
        let field = |(field, description): &(String, String)| json!({ "field": field, "description": description });
        add("fieldViolations", explained.fields.iter().map(field).collect());
    }
    if !explained.findings.is_empty() {
        let finding = |found: &airlock_proto::v1::Finding| {
            json!({
                "rule": found.rule, "severity": found.severity().as_str_name(), "message": found.message,
                "location": found.location, "fix": found.fix,
            })
        };
        add("findings", explained.findings.iter().map(finding).collect());
    }
    if let Some(ms) = explained.retry_after_ms {
        add("retryAfterMs", ms.into());
    }
    if let Some(id) = status.metadata().get(INVOCATION_ID).and_then(|id| id.to_str().ok()) {
        add("invocationId", id.into());
    }
    if !explained.request_id.is_empty() {
        add("requestId", explained.request_id.as_str().into());
    }
    json!({
        "code": code_name(status.code()), "reason": explained.reason, "message": status.message(),
        "hint": explained.hint, "details": details,
    })
}

/// The code's name as gRPC and Connect write it in text.
const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "ok",
        Code::Cancelled => "cancelled",
        Code::Unknown => "unknown",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out_of_range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data_loss",
        Code::Unauthenticated => "unauthenticated",
    }
}

/// The HTTP status that `google.rpc.Code` names for each code; a body that is too large says so.
fn http_status(code: Code, reason: &str) -> StatusCode {
    if reason == airlock_model::Reason::PayloadTooLarge.as_str() {
        return StatusCode::PAYLOAD_TOO_LARGE;
    }
    match code {
        Code::Ok => StatusCode::OK,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound | Code::Unimplemented => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        // 499 is not registered; 408 makes clients retry, which a caller who went away does not want.
        Code::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
    }
}
