//! The same RPCs as `POST /airlock.v1.Service/Method` with `content-type: application/json`.
//!
//! * Bodies are proto3 JSON. Unknown fields are refused by name. Fields with the option `(airlock.v1.json_text)`, such as
//!   `payload` and `output`, hold JSON values as they are, kept to the byte.
//! * A streaming RPC answers one JSON object per line (`application/x-ndjson`); an error after the first line is a last
//!   line `{"error": {...}}`.
//! * An error is `{"code", "reason", "message", "hint", "details"}` with the HTTP status of its code.
//! * `authorization`, `x-request-id` and `grpc-timeout` mean what they mean in gRPC; `connect-timeout-ms` is understood too.

mod contract;
mod decode;
mod encode;
mod error;
mod lines;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method as HttpMethod, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use prost_reflect::MethodDescriptor;
use tonic::{Code, Status, body::Body};

pub(crate) use contract::Contract;
pub use contract::ContractError;
pub(crate) use error::{failed, plain};

use crate::{
    body::{BoxError, GRPC_HEADER_BYTES, PromptBody},
    request,
    status::{self, Refusal},
};

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NDJSON: HeaderValue = HeaderValue::from_static("application/x-ndjson");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// Whether an answer of this type is one of ours in JSON.
pub(crate) fn is_ours(kind: &HeaderValue) -> bool {
    *kind == JSON || *kind == NDJSON
}

/// Answers a JSON request by way of the gRPC service that `call` reaches.
pub(crate) async fn answer<B, F>(
    contract: &Contract,
    request: Request<PromptBody<B>>,
    bytes_max: usize,
    call: impl FnOnce(Request<Full<Bytes>>) -> F,
) -> Response<Body>
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    F: Future<Output = Response<Body>>,
{
    let id = request::id_of(request.headers()).to_owned();
    if request.method() != HttpMethod::POST {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "use POST", &id);
    }
    if request.headers().get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoding_unsupported", "send the body plain", &id);
    }
    let Some(method) = contract.method(request.uri().path()) else {
        return failed(&status::unimplemented("POST /airlock.v1.<Service>/<Method>", &id));
    };
    match read(contract, method, request, bytes_max).await {
        Ok(request) => write(contract, method, call(request).await).await,
        Err(status) => failed(&status),
    }
}

/// Turns a JSON request into a gRPC one.
async fn read<B>(
    contract: &Contract,
    method: &MethodDescriptor,
    request: Request<PromptBody<B>>,
    bytes_max: usize,
) -> Result<Request<Full<Bytes>>, Status>
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    let (mut parts, body) = request.into_parts();
    let id = request::id_of(&parts.headers).to_owned();
    let whole = Limited::new(body, bytes_max).collect().await.map_err(|broken| broken_body(broken, bytes_max, &id))?;
    let message = decode::message(contract, &method.input(), &whole.to_bytes());
    let message = message.map_err(|refusal| status::status(refusal, &id))?;
    grpc_headers(&mut parts.headers).map_err(|refusal| status::status(refusal, &id))?;
    Ok(Request::from_parts(parts, Full::new(frame(&message))))
}

fn broken_body(broken: BoxError, bytes_max: usize, id: &str) -> Status {
    if broken.is::<LengthLimitError>() {
        return status::status(Refusal::too_large(bytes_max), id);
    }
    // Our own clock speaks in statuses; everything else is a connection that broke.
    match broken.downcast::<Status>() {
        Ok(status) => *status,
        Err(_) => status::status(Refusal::malformed("", "the request body broke off", "send the whole body"), id),
    }
}

/// One uncompressed length-prefixed message (gRPC over HTTP/2).
fn frame(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(GRPC_HEADER_BYTES + message.len());
    framed.put_u8(0);
    // The body cap keeps a request far below 4 GiB.
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(message);
    framed.freeze()
}

fn grpc_headers(headers: &mut HeaderMap) -> Result<(), Refusal> {
    const CONNECT_TIMEOUT: &str = "connect-timeout-ms";
    if let Some(value) = headers.remove(CONNECT_TIMEOUT) {
        let digits = value.to_str().unwrap_or_default();
        // Connect allows ten digits, gRPC eight: above that a timeout of days says the same.
        let Some(ms) = digits.parse::<u64>().ok().filter(|_| digits.len() <= 10) else {
            let hint = "write up to ten digits";
            return Err(Refusal::malformed(CONNECT_TIMEOUT, "`connect-timeout-ms` is not a number", hint));
        };
        let timeout = HeaderValue::from_str(&format!("{}m", ms.min(99_999_999)));
        headers.extend(timeout.ok().map(|timeout| (request::GRPC_TIMEOUT, timeout)));
    }
    for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONTENT_ENCODING, header::CONNECTION] {
        headers.remove(name);
    }
    headers.remove("grpc-encoding");
    headers.insert(header::CONTENT_TYPE, GRPC);
    Ok(())
}

/// Turns a gRPC answer into a JSON one.
async fn write(contract: &Contract, method: &MethodDescriptor, answer: Response<Body>) -> Response<Body> {
    let (parts, body) = answer.into_parts();
    if let Some(status) = Status::from_header_map(&parts.headers).filter(|status| status.code() != Code::Ok) {
        return failed(&status);
    }
    let mut response = if method.is_server_streaming() {
        let lines = lines::Lines::new(contract.clone(), method.output(), body);
        let mut response = Response::new(Body::new(lines));
        response.headers_mut().insert(header::CONTENT_TYPE, NDJSON);
        response
    } else {
        unary(contract, method, body).await
    };
    for name in [request::REQUEST_ID, HeaderName::from_static(status::INVOCATION_ID)] {
        if let Some(value) = parts.headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

async fn unary(contract: &Contract, method: &MethodDescriptor, body: Body) -> Response<Body> {
    let whole = match body.collect().await {
        Ok(whole) => whole,
        Err(status) => return failed(&status),
    };
    let ended = whole.trailers().and_then(Status::from_header_map);
    if let Some(status) = ended.filter(|status| status.code() != Code::Ok) {
        return failed(&status);
    }
    let framed = whole.to_bytes();
    let message = framed.get(GRPC_HEADER_BYTES..).unwrap_or_default();
    match encode::message(contract, method.output(), message) {
        Ok(text) => {
            let mut response = Response::new(Body::new(Full::new(Bytes::from(text))));
            response.headers_mut().insert(header::CONTENT_TYPE, JSON);
            response
        }
        Err(why) => failed(&status::status(airlock_model::Failure::internal(why), "")),
    }
}
