//! The response as it is read: piece by piece, capped, decoded by nobody, scrubbed.

use std::{fmt, sync::Arc};

use ::http::{HeaderMap, HeaderValue, Response, Version, header};
use airlock_model::{HostError, HttpReply, ResourceName};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

use super::{
    RESPONSE_HEAD_BYTES_MAX, explain, headers,
    meter::Meter,
    pace::Pace,
    parked::Parked,
    scrub::{Passage, Scrubber},
};
use crate::places::Place;

const STATUS_LINE_BYTES: u64 = 16;

/// What a response is read by.
pub(super) struct Reading {
    pub(super) resource: ResourceName,
    pub(super) scrubber: Option<Arc<Scrubber>>,
    pub(super) meter: Arc<Meter>,
    pub(super) pace: Pace,
    pub(super) response_bytes_max: u64,
    /// The right to have this exchange under way.
    pub(super) place: Option<Place>,
}

/// What others wait for while a response is read: the connection, or its stream on one, and the place of the exchange.
struct Open {
    body: Incoming,
    _place: Option<Place>,
}

/// A response whose body is still to be read. Dropped, the rest of it is never asked for; where it comes in pieces, that is so
/// too when nobody asks for the next one for too long.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case, nothing hop-by-hop, no cookies, no secret.
    pub(crate) headers: Vec<(String, String)>,
    open: Option<Parked<Open>>,
    /// HTTP/2 says where a body ends; of HTTP/1.1 hyper knows.
    ends_expressly: bool,
    passage: Option<Passage>,
    read_bytes: u64,
    reading: Reading,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Answer {
    /// Takes the head in. Redirects are responses like others.
    ///
    /// # Errors
    /// When the head is too large, the body is encoded or announced larger than the caps and the budget allow.
    pub(super) fn begin(response: Response<Incoming>, mut reading: Reading) -> Result<Self, HostError> {
        let (head, body) = response.into_parts();
        let head_bytes = STATUS_LINE_BYTES + headers::size_bytes(&head.headers);
        reading.meter.receive(head_bytes)?;
        // hyper's own cap is on its buffer, which one large read may overshoot.
        if head_bytes > u64::from(RESPONSE_HEAD_BYTES_MAX) {
            return Err(explain::malformed());
        }
        refuse_encoded(&head.headers)?;
        reading.check_announced(body.size_hint().lower())?;
        let headers = headers::incoming(&head.headers, reading.scrubber.as_deref(), body.is_end_stream());
        let passage = reading.scrubber.clone().map(Passage::new);
        let open = Open { body, _place: reading.place.take() };
        Ok(Self {
            status: head.status.as_u16(),
            headers,
            open: Some(Parked::until(reading.pace.unread_ends(), open)),
            ends_expressly: head.version == Version::HTTP_2,
            passage,
            read_bytes: 0,
            reading,
        })
    }

    /// The next bytes of the body, none after the last of them. A piece is never empty, and seldom larger than 64 KiB.
    ///
    /// # Errors
    /// `Timeout`, `Unavailable` when the connection broke, `Backend` for what is no HTTP or larger than the cap, `Limit` when the
    /// budget does not cover it. The body has ended then.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, HostError> {
        while let Some(parked) = self.open.take() {
            let mut open = parked.take().ok_or_else(|| explain::unread(&self.reading.resource))?;
            let frame = self.reading.pace.step(&self.reading.resource, open.body.frame()).await?;
            let Some(frame) = frame else {
                self.check_whole(&open.body)?;
                // The exchange is over: another may begin.
                break;
            };
            let frame = frame.map_err(|error| explain::exchange(&self.reading.resource, &error))?;
            // Trailers are read past and dropped.
            let piece = frame.into_data().unwrap_or_default();
            self.take_in(piece.len() as u64)?;
            self.open = Some(Parked::until(self.reading.pace.unread_ends(), open));
            let clean = match &mut self.passage {
                Some(passage) => passage.push(&piece),
                None => piece.into(),
            };
            if !clean.is_empty() {
                return Ok(Some(clean));
            }
        }
        let rest = self.passage.take().map(|mut passage| passage.finish()).unwrap_or_default();
        Ok(Some(rest).filter(|rest| !rest.is_empty()))
    }

    /// The whole response.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub(super) async fn collect(mut self) -> Result<HttpReply, HostError> {
        let mut body = Vec::new();
        while let Some(piece) = self.next().await? {
            // A response is most often one piece, which then needs no copy.
            if body.is_empty() { body = piece } else { body.extend_from_slice(&piece) }
        }
        Ok(HttpReply { status: self.status, headers: self.headers, body })
    }

    /// hyper takes a stream that is reset without an error for one that has ended (RFC 9113 section 8.1 allows that of a server
    /// after the end alone).
    fn check_whole(&self, body: &Incoming) -> Result<(), HostError> {
        let is_whole = !self.ends_expressly || body.is_end_stream();
        if is_whole { Ok(()) } else { Err(explain::closed(&self.reading.resource)) }
    }

    fn take_in(&mut self, bytes: u64) -> Result<(), HostError> {
        self.read_bytes = self.read_bytes.saturating_add(bytes);
        self.reading.meter.receive(bytes)?;
        self.reading.check_size(self.read_bytes)
    }
}

impl Reading {
    /// A length that is announced needs no reading to be refused.
    fn check_announced(&self, announced: u64) -> Result<(), HostError> {
        if announced > self.meter.left() {
            return Err(self.meter.exhausted(self.meter.spent().saturating_add(announced)));
        }
        self.check_size(announced)
    }

    fn check_size(&self, size: u64) -> Result<(), HostError> {
        if size <= self.response_bytes_max {
            return Ok(());
        }
        Err(HostError::Backend {
            code: "response_too_large".to_owned(),
            message: format!(
                "the response is larger than {} bytes, which `response_bytes_max` of the binding allows",
                self.response_bytes_max
            ),
        })
    }
}

/// An encoded body would carry an echoed credential past the scrubber. We asked for `identity`, and of the transfer only chunks
/// are undone on the way in.
fn refuse_encoded(headers: &HeaderMap) -> Result<(), HostError> {
    let all_are = |name: header::HeaderName, plain: &[u8]| {
        headers.get_all(name).iter().all(|value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(plain))
    };
    if all_are(header::CONTENT_ENCODING, b"identity") && all_are(header::TRANSFER_ENCODING, b"chunked") {
        return Ok(());
    }
    Err(HostError::Backend {
        code: "response_encoded".to_owned(),
        message: "the API compressed its response although it was asked not to".to_owned(),
    })
}
