//! The request as it leaves.

use ::http::{Method, Request};
use airlock_model::{HostError, HttpMethod};
use bytes::Bytes;

use super::{HttpSettings, body::Outgoing, credential::Credential, headers};
use crate::HttpRequest;

const METHOD_AND_VERSION_BYTES: u64 = 16;

/// Puts a request together from what the guest gave and what the binding owns.
///
/// # Errors
/// When the body is too large or has no place in the method, or a header is not the guest's to set.
pub(super) fn assemble(settings: &HttpSettings, request: HttpRequest) -> Result<Request<Outgoing>, HostError> {
    let body = request.body.filter(|body| !body.is_empty()).unwrap_or_default();
    if body.len() as u64 > settings.request_bytes_max {
        let text = format!("the body has {} bytes, the binding allows {}", body.len(), settings.request_bytes_max);
        return Err(HostError::BadRequest(text));
    }
    if !body.is_empty() && matches!(request.method, HttpMethod::Get | HttpMethod::Head) {
        // Servers disagree on where such a request ends (RFC 9110 section 9.3.1).
        return Err(HostError::BadRequest("GET and HEAD carry no body".to_owned()));
    }
    let credential = settings.credential.as_ref();
    let parameter = credential.and_then(Credential::parameter);
    if let Some((name, _)) = parameter
        && request.query.iter().any(|(given, _)| given.eq_ignore_ascii_case(name))
    {
        return Err(HostError::BadRequest(format!("the query parameter `{name}` is set by the host: leave it out")));
    }
    let uri = settings.base.uri(&request.path, &request.query, parameter)?;
    let mut outgoing = Request::new(Outgoing::Whole(Bytes::from(body)));
    *outgoing.method_mut() = method(request.method);
    *outgoing.uri_mut() = uri;
    *outgoing.headers_mut() = headers::outgoing(&request.headers, credential)?;
    Ok(outgoing)
}

/// What the request takes of the budget: head and body, without framing.
pub(super) fn size_bytes(request: &Request<Outgoing>) -> u64 {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len()) as u64;
    let host = request.uri().authority().map_or(0, |host| host.as_str().len()) as u64;
    let body = request.body().known_bytes();
    METHOD_AND_VERSION_BYTES + target + host + headers::size_bytes(request.headers()) + body
}

fn method(method: HttpMethod) -> Method {
    match method {
        HttpMethod::Get => Method::GET,
        HttpMethod::Head => Method::HEAD,
        HttpMethod::Options => Method::OPTIONS,
        HttpMethod::Post => Method::POST,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Patch => Method::PATCH,
        HttpMethod::Delete => Method::DELETE,
    }
}
