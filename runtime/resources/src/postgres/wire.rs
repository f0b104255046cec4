//! Messages over one connection: read one at a time, no larger than the reader wants, and never ahead of it.
//!
//! Nothing is read that nobody asked for, so a server that sends faster than rows are taken has to wait: memory stays at
//! one message and one read.

use std::io;

use bytes::{Buf as _, BytesMut};
use postgres_protocol::message::backend::{Header, Message};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::dial::{Stream, is_quiet};

/// Largest message that is not a row: error texts, descriptions of 1,600 columns, settings.
pub(super) const MESSAGE_BYTES_MAX: usize = 1 << 20;
const READ_BYTES: usize = 16 << 10;
const DATA_ROW: u8 = b'D';

/// One connection.
pub(super) struct Wire {
    stream: Stream,
    inbox: BytesMut,
    outbox: BytesMut,
}

/// What came next.
pub(super) enum Incoming {
    Message(Message),
    /// A row larger than asked for. It has not been read, and stands before whatever else comes.
    RowTooLarge,
}

impl Wire {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, inbox: BytesMut::new(), outbox: BytesMut::new() }
    }

    /// Where messages are put together before [`Wire::send`].
    pub(super) fn outbox(&mut self) -> &mut BytesMut {
        &mut self.outbox
    }

    /// Sends what is in the outbox.
    ///
    /// # Errors
    /// When the connection is broken.
    pub(super) async fn send(&mut self) -> io::Result<()> {
        while self.outbox.has_remaining() {
            if self.stream.write_buf(&mut self.outbox).await? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        self.stream.flush().await
    }

    /// The next message, of an ordinary size.
    ///
    /// # Errors
    /// When the connection ends or is broken, or what comes is not the protocol.
    pub(super) async fn message(&mut self) -> io::Result<Message> {
        match self.next(MESSAGE_BYTES_MAX).await? {
            Incoming::Message(message) => Ok(message),
            Incoming::RowTooLarge => Err(garbage("a row larger than anybody asked for")),
        }
    }

    /// The next message; rows have at most `row_bytes_max` bytes. Can be dropped and called again.
    ///
    /// # Errors
    /// As [`Wire::message`].
    pub(super) async fn next(&mut self, row_bytes_max: usize) -> io::Result<Incoming> {
        loop {
            if let Some(header) = Header::parse(&self.inbox)? {
                let length = usize::try_from(header.len()).map_err(|_| garbage("a message without a length"))?;
                if header.tag() == DATA_ROW && length > row_bytes_max {
                    return Ok(Incoming::RowTooLarge);
                }
                if header.tag() != DATA_ROW && length > MESSAGE_BYTES_MAX {
                    return Err(garbage("a message that is too large"));
                }
                if let Some(message) = Message::parse(&mut self.inbox)? {
                    return Ok(Incoming::Message(message));
                }
            }
            self.inbox.reserve(READ_BYTES);
            if self.stream.read_buf(&mut self.inbox).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Reads past a row that is too large, without keeping it. Dropped midway, the connection is of no further use.
    ///
    /// # Errors
    /// When the connection ends or is broken.
    pub(super) async fn pass_over(&mut self) -> io::Result<()> {
        let Some(header) = Header::parse(&self.inbox)? else { return Err(garbage("no row to pass over")) };
        // The length counts itself and not the tag before it.
        let length = usize::try_from(header.len()).map_err(|_| garbage("a message without a length"))?;
        let mut left = length.saturating_add(1);
        loop {
            let here = left.min(self.inbox.len());
            self.inbox.advance(here);
            left -= here;
            if left == 0 {
                return Ok(());
            }
            self.inbox.reserve(READ_BYTES);
            if self.stream.read_buf(&mut self.inbox).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Whether the server has said nothing and not gone away since the last message.
    pub(super) async fn is_quiet(&mut self) -> bool {
        self.inbox.is_empty() && is_quiet(&mut self.stream).await
    }
}

/// An error for what is not the protocol.
pub(super) fn garbage(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}
