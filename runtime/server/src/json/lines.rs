//! A stream of messages as one JSON object per line.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf as _, Bytes, BytesMut};
use http_body::{Body, Frame};
use prost_reflect::MessageDescriptor;
use tonic::{Code, Status};

use super::{Contract, encode, error};
use crate::body::GRPC_HEADER_BYTES;
use crate::status;

/// Turns gRPC frames into lines, and the trailers' error, if there is one, into the last line.
pub(super) struct Lines {
    contract: Contract,
    kind: MessageDescriptor,
    inner: tonic::body::Body,
    waiting: BytesMut,
    ended: bool,
}

impl Lines {
    pub(super) fn new(contract: Contract, kind: MessageDescriptor, inner: tonic::body::Body) -> Self {
        Self { contract, kind, inner, waiting: BytesMut::new(), ended: false }
    }

    /// The next whole frame as a line.
    fn line(&mut self) -> Option<Result<Vec<u8>, Status>> {
        let length = self.waiting.get(1..GRPC_HEADER_BYTES)?.try_into().map(u32::from_be_bytes).ok()?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if self.waiting.len() - GRPC_HEADER_BYTES < length {
            return None;
        }
        self.waiting.advance(GRPC_HEADER_BYTES);
        let message = self.waiting.split_to(length);
        let line = encode::message(&self.contract, self.kind.clone(), &message);
        Some(line.map_err(|why| status::status(airlock_model::Failure::internal(why), "")))
    }

    fn last(&mut self, ended: &Status) -> Frame<Bytes> {
        self.ended = true;
        line_frame(error::line(ended).to_string().into_bytes())
    }
}

fn line_frame(mut line: Vec<u8>) -> Frame<Bytes> {
    line.push(b'\n');
    Frame::data(line.into())
}

impl Body for Lines {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        loop {
            if self.ended {
                return Poll::Ready(None);
            }
            match self.line() {
                Some(Ok(line)) => return Poll::Ready(Some(Ok(line_frame(line)))),
                Some(Err(broken)) => return Poll::Ready(Some(Ok(self.last(&broken)))),
                None => {}
            }
            match Pin::new(&mut self.inner).poll_frame(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Err(broken))) => return Poll::Ready(Some(Ok(self.last(&broken)))),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.waiting.extend_from_slice(&data),
                    Err(frame) => {
                        let trailers = frame.into_trailers().unwrap_or_default();
                        let ended = Status::from_header_map(&trailers).filter(|ended| ended.code() != Code::Ok);
                        return Poll::Ready(ended.map(|ended| Ok(self.last(&ended))));
                    }
                },
            }
        }
    }
}
