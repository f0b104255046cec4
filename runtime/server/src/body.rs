//! Bodies that know when to stop.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
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

use crate::listen::{Busy, Phase, Unsent};

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request body that must arrive within a time, counted from the first wait: a body that is already here costs no
/// timer.
#[derive(Debug)]
pub(crate) struct PromptBody<B> {
    inner: B,
    /// What [`PromptBody::is_complete`] took.
    first: Option<Option<Result<Frame<Bytes>, BoxError>>>,
    within: Duration,
    clock: Option<Pin<Box<Sleep>>>,
}

impl<B> PromptBody<B> {
    pub(crate) fn new(inner: B, within: Duration) -> Self {
        Self { inner, first: None, within, clock: None }
    }
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin> PromptBody<B> {
    /// Whether all of it is here already. Never waits.
    pub(crate) fn is_complete(&mut self) -> bool {
        if self.first.is_none() {
            self.first = self.inner.frame().now_or_never().map(|first| first.map(|frame| frame.map_err(Into::into)));
        }
        match &self.first {
            None => false,
            Some(None) => true,
            Some(Some(Ok(frame))) => frame.data_ref().is_some_and(is_whole) || self.inner.is_end_stream(),
            Some(Some(Err(_))) => true,
        }
    }
}

/// Whether these bytes are one gRPC message: a flag, four bytes of length, and so many bytes. Its client may end the stream
/// with a frame of its own.
fn is_whole(data: &Bytes) -> bool {
    let Some(([_, length @ ..], rest)) = data.split_first_chunk::<5>() else { return false };
    usize::try_from(u32::from_be_bytes(*length)).is_ok_and(|length| length == rest.len())
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin> Body for PromptBody<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(first);
        }
        match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Ready(frame) => return Poll::Ready(frame.map(|frame| frame.map_err(Into::into))),
            Poll::Pending => {}
        }
        let within = self.within;
        let clock = self.clock.get_or_insert_with(|| Box::pin(sleep(within)));
        match clock.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Some(Err(Box::new(crate::status::too_slow())))),
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

/// A response body that knows whether the client takes it, and keeps the connection busy while it lasts.
pub(crate) struct SentBody {
    inner: TonicBody,
    unsent: Unsent,
    _busy: Option<Busy>,
}

impl SentBody {
    pub(crate) fn wrap(inner: TonicBody, unsent: Unsent, busy: Option<Busy>) -> TonicBody {
        TonicBody::new(Self { inner, unsent, _busy: busy })
    }
}

impl Body for SentBody {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        let part = Pin::new(&mut self.inner).poll_frame(context);
        self.unsent.asked(part.is_ready());
        part
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
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
        let status = crate::status::draining();
        // Only fails for texts that are not header values, and this one is ours.
        let _ = status.add_header(&mut trailers);
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}
