//! A request's body: all of it at hand, or handed over in pieces.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

/// Pieces that wait to be sent: one, so that whoever hands them over feels how fast the other side takes them.
const WAITING_MAX: usize = 1;

/// The body as the connection takes it.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// Sent at once, and again if the request has to be repeated.
    Whole(Bytes),
    /// Sent as it comes.
    Pieces(mpsc::Receiver<Piece>),
}

/// What a body is handed over in.
#[derive(Debug)]
pub(crate) enum Piece {
    Data(Bytes),
    /// There is no more. Without it the request breaks off, so that nobody takes half a body for a whole one.
    End,
}

/// The body was not handed over to its end.
#[derive(Debug, thiserror::Error)]
#[error("the body of the request was given up before its end")]
pub(crate) struct Unfinished;

impl Outgoing {
    /// A body in pieces, and where to put them.
    pub(super) fn pieces() -> (mpsc::Sender<Piece>, Self) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        (sender, Self::Pieces(receiver))
    }

    /// Bytes that are known to be sent.
    pub(super) fn known_bytes(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Pieces(_) => 0,
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Unfinished;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Unfinished>>> {
        Poll::Ready(match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => None,
            Self::Whole(bytes) => Some(Ok(Frame::data(std::mem::take(bytes)))),
            Self::Pieces(pieces) => match ready!(pieces.poll_recv(context)) {
                Some(Piece::Data(bytes)) => Some(Ok(Frame::data(bytes))),
                Some(Piece::End) => None,
                None => Some(Err(Unfinished)),
            },
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Pieces(_) => SizeHint::default(),
        }
    }
}
