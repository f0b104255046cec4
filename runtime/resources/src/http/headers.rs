//! Which headers pass, either way.

use ::http::{HeaderMap, HeaderName, HeaderValue, header};
use airlock_model::{HostError, Reason};

use super::scrub::Scrubber;

const HEADERS_MAX: usize = 64;
const HEADER_BYTES_MAX: usize = 16 << 10;

/// Headers that frame a message or a connection (RFC 9110 section 7.6.1, RFC 9112, RFC 9113 section 8.2.2).
const FRAMING: [&str; 13] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// Headers that say who asks, or that some servers let override the method or path that the policy allowed, or that
/// would get a response past the scrubber in pieces or compressed.
const OURS: [&str; 24] = [
    "accept-encoding",
    "authorization",
    "cf-connecting-ip",
    "client-ip",
    "cookie",
    "cookie2",
    "forwarded",
    "if-range",
    "range",
    "true-client-ip",
    "x-amz-acl",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-override-url",
    "x-real-ip",
    "x-rewrite-url",
    "x-original-method",
];
/// The copying ones name a second object that no path pattern sees.
const OUR_PREFIXES: [&str; 8] = [
    "proxy-",
    "x-forwarded-",
    "sec-fetch-",
    "x-amz-copy-source",
    "x-amz-grant-",
    "x-goog-copy-source",
    "x-ms-copy-source",
    "x-ms-rename-source",
];

/// Request headers that say nothing of whom they are meant for.
const HARMLESS: [HeaderName; 6] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
    header::CONTENT_LANGUAGE,
    header::CONTENT_TYPE,
    header::USER_AGENT,
];

/// Response headers that are the host's own business: sessions that belong to its credential, and where to go next.
const KEPT_BACK: [&str; 5] =
    ["set-cookie", "set-cookie2", "alt-svc", "proxy-authenticate", "proxy-authentication-info"];

/// Whether a header frames the message, so that not even the operator may set it.
pub(super) fn is_framing(name: &str) -> bool {
    FRAMING.contains(&name)
}

/// The guest's headers, checked, with ours beside them; `injected` is what the credential will set.
///
/// # Errors
/// `BadRequest` for a header that is none, `Denied` for one that is not the guest's to set. Refused rather than
/// stripped, so that the author of the function learns that it never had an effect.
pub(super) fn outgoing(given: &[(String, String)], injected: &[&HeaderName]) -> Result<HeaderMap, HostError> {
    let size = given.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    if given.len() > HEADERS_MAX || size > HEADER_BYTES_MAX {
        let text = format!("more than {HEADERS_MAX} headers or {HEADER_BYTES_MAX} bytes of them");
        return Err(HostError::BadRequest(text));
    }
    let mut headers = HeaderMap::with_capacity(given.len() + 4);
    for (name, value) in given {
        let parsed = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| HostError::BadRequest("a header name is not a legal name".to_owned()))?;
        if is_ours(&parsed, injected) {
            return Err(denied(&parsed));
        }
        let Some(value) = ascii_value(value) else {
            let text = format!("the value of header `{parsed}` is not one line of visible ASCII");
            return Err(HostError::BadRequest(text));
        };
        if parsed == header::CONTENT_TYPE && headers.contains_key(&parsed) {
            // The binding judges the type, and servers disagree on which of two counts.
            return Err(HostError::BadRequest("the header `content-type` is given twice".to_owned()));
        }
        headers.append(parsed, value);
    }
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static("airlock"));
    Ok(headers)
}

/// What another origin gets to see of them: nothing that a guest meant for this one.
pub(super) fn for_another_origin(headers: &HeaderMap) -> HeaderMap {
    let kept = headers.iter().filter(|(name, _)| HARMLESS.contains(name));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// A value that every server reads alike: visible ASCII, spaces and tabs.
pub(super) fn ascii_value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok().filter(|_| text.is_ascii())
}

fn is_ours(name: &HeaderName, injected: &[&HeaderName]) -> bool {
    // CGI and its heirs read `X_Forwarded_For` and `X-Forwarded-For` as one.
    let alike = |text: &str| text.replace('_', "-");
    let name = alike(name.as_str());
    is_framing(&name)
        || OURS.contains(&name.as_str())
        || OUR_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || injected.iter().any(|injected| alike(injected.as_str()) == name)
}

fn denied(name: &HeaderName) -> HostError {
    HostError::Denied {
        reason: Reason::EgressDenied.to_string(),
        rule: format!("the header `{name}` is set by the host, never by a function"),
        hint: "leave the header out".to_owned(),
    }
}

/// The upstream's headers as the guest gets them: names in lower case, nothing hop-by-hop, no cookies, no secret.
///
/// `content-length` is kept only where there is no body to measure.
pub(super) fn incoming(headers: &HeaderMap, scrubber: Option<&Scrubber>, keeps_length: bool) -> Vec<(String, String)> {
    let named_by_connection: Vec<String> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(',').map(|name| name.trim().to_ascii_lowercase()))
        .collect();
    let passes = |name: &str| match name {
        "content-length" => keeps_length,
        name => {
            !is_framing(name) && !KEPT_BACK.contains(&name) && !named_by_connection.iter().any(|named| named == name)
        }
    };
    let clean = |bytes: &[u8]| {
        let bytes = scrubber.map_or_else(|| bytes.to_vec(), |scrubber| scrubber.scrub(bytes.to_vec()));
        String::from_utf8_lossy(&bytes).into_owned()
    };
    headers
        .iter()
        .filter(|(name, _)| passes(name.as_str()))
        .map(|(name, value)| (clean(name.as_str().as_bytes()), clean(value.as_bytes())))
        .collect()
}

/// What the headers take of the budget: names, values and four bytes of punctuation each.
pub(super) fn size_bytes(headers: &HeaderMap) -> u64 {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>() as u64
}
