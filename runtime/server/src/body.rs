//! Bodies that know when to stop.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use airlock_service::{
    Holding,
    telemetry::{RpcEnd, ServerSpan},
};
use bytes::Bytes;
use futures::FutureExt as _;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::{
    sync::watch,
    time::{Sleep, sleep},
};
use tonic::body::Body as TonicBody;

use crate::{
    listen::{Busy, Phase, Unsent},
    status::{self, Refusal},
    strangers::{Place, Strangers},
};

/// A flag and a length stand before a message (gRPC over HTTP/2).
pub(crate) const GRPC_HEADER_BYTES: usize = 5;

/// What is handed to the transport at once: as much as it sends in one frame.
const PART_BYTES_MAX: usize = 16 << 10;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request body that must arrive within a time, counted from the first wait: a body that is already here costs no
/// timer. It may not grow beyond its bounds, and one that is waited for is counted as it grows.
pub(crate) struct PromptBody<B> {
    inner: B,
    /// What [`PromptBody::is_complete`] took.
    first: Option<Option<Result<Frame<Bytes>, BoxError>>>,
    within: Duration,
    clock: Option<Pin<Box<Sleep>>>,
    /// Of whoever has no token yet.
    place: Option<Place>,
    bytes_max: usize,
    bytes: usize,
    holding: Holding,
}

impl<B> PromptBody<B> {
    pub(crate) fn new(inner: B, within: Duration, bytes_max: usize) -> Self {
        Self { inner, first: None, within, clock: None, place: None, bytes_max, bytes: 0, holding: Holding::default() }
    }

    /// From now on every byte that is read counts there.
    pub(crate) fn count_in(&mut self, holding: Holding) {
        self.holding = holding;
    }

    /// From now on the rest is waited for as long as nobody else needs the place.
    pub(crate) fn wait_among(&mut self, strangers: &Arc<Strangers>) {
        self.place = Some(strangers.wait());
    }

    /// Lets bytes in, or says why not.
    fn take(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, BoxError> {
        let more = frame.data_ref().map_or(0, Bytes::len);
        self.bytes = self.bytes.saturating_add(more);
        if self.bytes > self.bytes_max.saturating_add(GRPC_HEADER_BYTES) {
            return Err(Box::new(status::status(Refusal::too_large(self.bytes_max), "")));
        }
        self.holding.hold(more as u64).map_err(|full| status::status(full, ""))?;
        Ok(frame)
    }
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin> PromptBody<B> {
    /// Whether all of it is here already. Never waits. One that seems so takes no more from then on: nobody looked at the token
    /// of whoever sends it.
    pub(crate) fn is_complete(&mut self) -> bool {
        if self.first.is_none() {
            self.first = self.inner.frame().now_or_never().map(|first| first.map(|frame| frame.map_err(Into::into)));
        }
        match &self.first {
            None => false,
            Some(None) => true,
            Some(Some(Ok(frame))) => {
                let whole = frame.data_ref().filter(|data| is_whole(data)).map(Bytes::len);
                self.bytes_max =
                    whole.map_or(self.bytes_max, |length| length.saturating_sub(GRPC_HEADER_BYTES).min(self.bytes_max));
                whole.is_some() || self.inner.is_end_stream()
            }
            Some(Some(Err(_))) => true,
        }
    }
}

/// Whether these bytes are one gRPC message: a flag, four bytes of length, and so many bytes. Its client may end the stream
/// with a frame of its own.
fn is_whole(data: &Bytes) -> bool {
    let Some(([_, length @ ..], rest)) = data.split_first_chunk::<GRPC_HEADER_BYTES>() else { return false };
    usize::try_from(u32::from_be_bytes(*length)).is_ok_and(|length| length == rest.len())
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin> Body for PromptBody<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(first.map(|frame| self.take(frame?)));
        }
        match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Ready(frame) => {
                return Poll::Ready(frame.map(|frame| frame.map_err(Into::into).and_then(|frame| self.take(frame))));
            }
            Poll::Pending => {}
        }
        if let Some(place) = &mut self.place {
            let taken = place.poll_taken(context);
            if taken.is_ready() {
                return Poll::Ready(Some(Err(Box::new(status::place_taken()))));
            }
        }
        let within = self.within;
        let clock = self.clock.get_or_insert_with(|| Box::pin(sleep(within)));
        match clock.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Some(Err(Box::new(status::too_slow())))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        // What was taken counts too.
        !matches!(self.first, Some(Some(_))) && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.first.is_none() { self.inner.size_hint() } else { SizeHint::default() }
    }
}

/// A response body that knows whether the client takes it, keeps the connection busy while it lasts, and is counted until it
/// is sent.
pub(crate) struct SentBody {
    inner: TonicBody,
    /// What came in one part and is not handed over yet.
    rest: Bytes,
    unsent: Unsent,
    ended: bool,
    _busy: Option<Busy>,
    _holding: Holding,
    /// Ends with the body.
    span: Option<ServerSpan>,
}

impl SentBody {
    pub(crate) fn wrap(
        inner: TonicBody,
        unsent: Unsent,
        (busy, holding, span): (Option<Busy>, Holding, Option<ServerSpan>),
    ) -> TonicBody {
        TonicBody::new(Self { inner, rest: Bytes::new(), unsent, ended: false, _busy: busy, _holding: holding, span })
    }

    /// A stream says only now how it went.
    fn note_end(&mut self, frame: &Frame<Bytes>) {
        let code = frame.trailers_ref().and_then(|trailers| trailers.get(tonic::Status::GRPC_STATUS));
        if let (Some(span), Some(code)) = (&mut self.span, code) {
            span.answered(RpcEnd { code: tonic::Code::from_bytes(code.as_bytes()) as i32, http: None });
        }
    }

    /// In small parts: hyper asks for the next only when the client takes the one before, but keeps what it was given.
    fn next_part(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.inner).poll_frame(context)).transpose()?.map(Frame::into_data) {
                None => return Poll::Ready(None),
                Some(Err(trailers)) => {
                    self.note_end(&trailers);
                    return Poll::Ready(Some(Ok(trailers)));
                }
                Some(Ok(data)) => self.rest = data,
            }
        }
        let length = self.rest.len().min(PART_BYTES_MAX);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }
}

impl Body for SentBody {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        let part = self.next_part(context);
        self.unsent.asked(part.is_ready());
        self.ended = matches!(part, Poll::Ready(None));
        part
    }

    /// Only when the transport has asked for more than there is: before, it still has what it was given, and drops a body
    /// that says it has ended.
    fn is_end_stream(&self) -> bool {
        self.ended
    }

    /// Asked for before the first part only.
    fn size_hint(&self) -> SizeHint {
        if self.rest.is_empty() { self.inner.size_hint() } else { SizeHint::default() }
    }
}

/// A response body that would never end by itself (a health watch, reflection): it ends when the server drains, after
/// it has said what it still had to say.
pub(crate) struct UntilDrain {
    inner: TonicBody,
    draining: Pin<Box<dyn Future<Output = ()> + Send>>,
    ended: bool,
}

impl UntilDrain {
    pub(crate) fn wrap(inner: TonicBody, mut phase: watch::Receiver<Phase>) -> TonicBody {
        let draining = Box::pin(async move {
            // An error means the server is gone, which is as good as draining.
            let _ = phase.wait_for(|phase| *phase != Phase::Serving).await;
        });
        TonicBody::new(Self { inner, draining, ended: false })
    }
}

impl Body for UntilDrain {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) {
            return Poll::Ready(frame);
        }
        if self.draining.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        self.ended = true;
        let mut trailers = HeaderMap::new();
        let status = status::draining();
        // Only fails for texts that are not header values, and this one is ours.
        let _ = status.add_header(&mut trailers);
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}
