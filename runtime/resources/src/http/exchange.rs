//! The request as it leaves.

use ::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use airlock_model::{HostError, HttpMethod, RequestPath};
use bytes::Bytes;

use super::{HttpSettings, body::Outgoing, credential::Credential, headers, place::Place, target};
use crate::HttpRequest;

const METHOD_AND_VERSION_BYTES: u64 = 16;
static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// A request that has passed every check of its own. It may be sent more than once, each time with a credential of its own.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    pub(super) method: HttpMethod,
    pub(super) place: Place,
    pub(super) path: RequestPath,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) now_unix_ms: u64,
}

impl Prepared {
    /// Takes over what the guest gave.
    ///
    /// # Errors
    /// When the body is too large or has no place in the method, or a header or parameter is not the guest's to set.
    pub(super) fn new(settings: &HttpSettings, request: HttpRequest) -> Result<Self, HostError> {
        let body = request.body.filter(|body| !body.is_empty()).unwrap_or_default();
        settings.check_request_size(body.len() as u64)?;
        settings.check_listed(request.origin.as_ref())?;
        let place = Place::of(request.origin);
        let credential = settings.credential_at(&place);
        if let Some((name, _)) = credential.and_then(Credential::parameter)
            && request.query.iter().any(|(given, _)| given.eq_ignore_ascii_case(name))
        {
            return Err(HostError::BadRequest(format!(
                "the query parameter `{name}` is set by the host: leave it out"
            )));
        }
        let mut injected: Vec<&HeaderName> = credential.and_then(Credential::header_name).into_iter().collect();
        let trace = request.trace.filter(|_| settings.trace);
        // Both are the host's to set, also where there is nothing to pass on.
        injected.extend(trace.iter().flat_map(|_| [&TRACEPARENT, &TRACESTATE]));
        let mut headers = headers::outgoing(&request.headers, &injected)?;
        let said = trace.map(|trace| [(&TRACEPARENT, Some(trace.parent)), (&TRACESTATE, trace.state)]);
        for (name, text) in said.into_iter().flatten() {
            if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
                headers.insert(name, value);
            }
        }
        let prepared = Self {
            method: request.method,
            place,
            path: request.path,
            query: request.query,
            headers,
            body: Bytes::from(body),
            now_unix_ms: request.now_unix_ms,
        };
        if prepared.body.is_empty() { Ok(prepared) } else { prepared.with_body(settings) }
    }

    /// The same, if it may carry a body: one at hand or one in pieces.
    ///
    /// # Errors
    /// `BadRequest` when the method has no place for one, `Denied` when the binding does not list its type.
    pub(super) fn with_body(self, settings: &HttpSettings) -> Result<Self, HostError> {
        if matches!(self.method, HttpMethod::Get | HttpMethod::Head) {
            // Servers disagree on where such a request ends (RFC 9110 section 9.3.1).
            return Err(HostError::BadRequest("GET and HEAD carry no body".to_owned()));
        }
        settings.request_types.check_request(self.headers.get(header::CONTENT_TYPE))?;
        Ok(self)
    }

    /// The request of one attempt, complete but for a credential in a header.
    ///
    /// # Errors
    /// `BadRequest` when it is too long.
    pub(super) fn request(&self, settings: &HttpSettings, body: Outgoing) -> Result<Request<Outgoing>, HostError> {
        let uri = match &self.place {
            Place::Own => {
                let parameter = settings.credential.as_ref().and_then(Credential::parameter);
                settings.base.uri(&self.path, &self.query, parameter)?
            }
            Place::Other(origin) => target::uri(&origin.to_string(), &self.path, &self.query, None)?,
        };
        let mut outgoing = Request::new(body);
        *outgoing.method_mut() = method(self.method);
        *outgoing.uri_mut() = uri;
        *outgoing.headers_mut() = self.headers.clone();
        Ok(outgoing)
    }

    /// Its body, when that is at hand.
    pub(super) fn whole_body(&self) -> Outgoing {
        Outgoing::Whole(self.body.clone())
    }
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
