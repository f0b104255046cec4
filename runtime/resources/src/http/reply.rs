//! The response as it is read: capped, decoded by nobody, scrubbed.

use ::http::{Response, header};
use airlock_model::{HostError, HttpReply};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

use super::{HttpSettings, RESPONSE_HEAD_BYTES_MAX, credential::Credential, explain, headers, meter::Meter};

const STATUS_LINE_BYTES: u64 = 16;

/// Why there is no whole response.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// A cap or budget.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The connection.
    #[error(transparent)]
    Broken(#[from] hyper::Error),
}

/// Reads the whole response. Redirects are responses like others.
pub(super) async fn read(
    settings: &HttpSettings,
    response: Response<Incoming>,
    meter: &mut Meter,
) -> Result<HttpReply, Fault> {
    let (head, mut body) = response.into_parts();
    let head_bytes = STATUS_LINE_BYTES + headers::size_bytes(&head.headers);
    meter.received(head_bytes)?;
    // hyper's own cap is on its buffer, which one large read may overshoot.
    if head_bytes > u64::from(RESPONSE_HEAD_BYTES_MAX) {
        return Err(explain::malformed().into());
    }
    refuse_encoded(&head.headers)?;
    check_announced(settings, body.size_hint().lower(), meter)?;
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        // Trailers are read past and dropped.
        let Ok(data) = frame?.into_data() else { continue };
        meter.received(data.len() as u64)?;
        check_size(settings, (bytes.len() + data.len()) as u64)?;
        bytes.extend_from_slice(&data);
    }
    let scrubber = settings.credential.as_ref().map(Credential::scrubber);
    let headers = headers::incoming(&head.headers, scrubber, bytes.is_empty());
    let body = match scrubber {
        Some(scrubber) => scrubber.scrub(bytes),
        None => bytes,
    };
    Ok(HttpReply { status: head.status.as_u16(), headers, body })
}

/// An encoded body would carry an echoed credential past the scrubber. We asked for `identity`.
fn refuse_encoded(headers: &::http::HeaderMap) -> Result<(), HostError> {
    let is_plain = |value: &::http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(header::CONTENT_ENCODING).iter().all(is_plain) {
        return Ok(());
    }
    Err(HostError::Backend {
        code: "response_encoded".to_owned(),
        message: "the API compressed its response although it was asked not to".to_owned(),
    })
}

/// A length that is announced needs no reading to be refused.
fn check_announced(settings: &HttpSettings, announced: u64, meter: &Meter) -> Result<(), HostError> {
    if announced > meter.left() {
        return Err(meter.exhausted(meter.spent().saturating_add(announced)));
    }
    check_size(settings, announced)
}

fn check_size(settings: &HttpSettings, size: u64) -> Result<(), HostError> {
    if size <= settings.response_bytes_max {
        return Ok(());
    }
    Err(HostError::Backend {
        code: "response_too_large".to_owned(),
        message: format!(
            "the response is larger than {} bytes, which `response_bytes_max` of the binding allows",
            settings.response_bytes_max
        ),
    })
}
