//! Packets over one connection: read one at a time, no larger than the reader wants, and never ahead of it.
//!
//! Nothing is read that nobody asked for, so a server that sends faster than rows are taken has to wait: memory stays at
//! one packet and one read.

use std::io;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::dial::{Stream, is_quiet};

/// Largest packet that is not a row: error texts, descriptions of columns.
pub(super) const PACKET_BYTES_MAX: usize = 1 << 20;
const READ_BYTES: usize = 16 << 10;
/// Length in three bytes, then a number that counts packets within one exchange.
const HEADER_BYTES: usize = 4;
/// A part of this length is followed by another one.
const PART_BYTES_MAX: usize = 0x00ff_ffff;

/// One connection.
pub(super) struct Wire {
    stream: Stream,
    inbox: BytesMut,
    outbox: BytesMut,
    /// Number of the last packet that came.
    number: u8,
}

/// What came next.
pub(super) enum Incoming {
    Packet(Bytes),
    /// A packet larger than asked for. It has not been read, and stands before whatever else comes.
    TooLarge,
}

impl Wire {
    /// Goes on where the last packet on the connection had a number.
    pub(super) fn new(stream: Stream, number: u8) -> Self {
        Self { stream, inbox: BytesMut::new(), outbox: BytesMut::new(), number }
    }

    /// Puts a command into the outbox; it begins a new exchange.
    pub(super) fn command(&mut self, payload: &[u8]) {
        self.push(0, payload);
    }

    /// Puts the answer to the packet that came last into the outbox.
    pub(super) fn answer(&mut self, payload: &[u8]) {
        self.push(self.number.wrapping_add(1), payload);
    }

    fn push(&mut self, mut number: u8, payload: &[u8]) {
        let mut rest = payload;
        loop {
            let (part, more) = rest.split_at(rest.len().min(PART_BYTES_MAX));
            self.outbox.put_uint_le(part.len() as u64, 3);
            self.outbox.put_u8(number);
            self.outbox.put_slice(part);
            if part.len() < PART_BYTES_MAX {
                return;
            }
            (rest, number) = (more, number.wrapping_add(1));
        }
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

    /// The next packet, of an ordinary size.
    ///
    /// # Errors
    /// When the connection ends or is broken, or what comes is not the protocol.
    pub(super) async fn packet(&mut self) -> io::Result<Bytes> {
        match self.next(PACKET_BYTES_MAX).await? {
            Incoming::Packet(packet) => Ok(packet),
            Incoming::TooLarge => Err(garbage("a packet that is too large")),
        }
    }

    /// The next packet, of at most `bytes_max` bytes. Can be dropped and called again.
    ///
    /// # Errors
    /// As [`Wire::packet`].
    pub(super) async fn next(&mut self, bytes_max: usize) -> io::Result<Incoming> {
        loop {
            match measure(&self.inbox, bytes_max) {
                Measured::Whole { parts } => return Ok(Incoming::Packet(self.take(parts))),
                Measured::TooLarge => return Ok(Incoming::TooLarge),
                Measured::Unfinished => {}
            }
            self.fill().await?;
        }
    }

    /// Reads past a packet that is too large, without keeping it. Dropped midway, the connection is of no further use.
    ///
    /// # Errors
    /// When the connection ends or is broken.
    pub(super) async fn pass_over(&mut self) -> io::Result<()> {
        loop {
            while self.inbox.len() < HEADER_BYTES {
                self.fill().await?;
            }
            let length = usize::try_from(self.inbox.get_uint_le(3)).unwrap_or(usize::MAX);
            self.number = self.inbox.get_u8();
            let mut left = length;
            while left > 0 {
                if self.inbox.is_empty() {
                    self.fill().await?;
                }
                let here = left.min(self.inbox.len());
                self.inbox.advance(here);
                left -= here;
            }
            if length < PART_BYTES_MAX {
                return Ok(());
            }
        }
    }

    async fn fill(&mut self) -> io::Result<()> {
        self.inbox.reserve(READ_BYTES);
        if self.stream.read_buf(&mut self.inbox).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    fn take(&mut self, parts: usize) -> Bytes {
        if parts == 1 {
            return self.take_part().freeze();
        }
        let mut whole = BytesMut::new();
        for _ in 0..parts {
            whole.unsplit(self.take_part());
        }
        whole.freeze()
    }

    /// INVARIANT: the inbox has been measured, and holds the part whole.
    fn take_part(&mut self) -> BytesMut {
        let length = usize::try_from(self.inbox.get_uint_le(3)).unwrap_or(usize::MAX);
        self.number = self.inbox.get_u8();
        self.inbox.split_to(length.min(self.inbox.len()))
    }

    /// Whether the server has said nothing and not gone away since the last packet.
    pub(super) async fn is_quiet(&mut self) -> bool {
        self.inbox.is_empty() && is_quiet(&mut self.stream).await
    }
}

enum Measured {
    Whole { parts: usize },
    TooLarge,
    Unfinished,
}

fn measure(inbox: &[u8], bytes_max: usize) -> Measured {
    let (mut rest, mut total, mut parts) = (inbox, 0_usize, 0);
    while let Some((header, behind)) = rest.split_first_chunk::<HEADER_BYTES>() {
        let [low, middle, high, _] = *header;
        let length = usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16;
        total += length;
        parts += 1;
        if total > bytes_max {
            return Measured::TooLarge;
        }
        match behind.get(length..) {
            None => return Measured::Unfinished,
            Some(_) if length < PART_BYTES_MAX => return Measured::Whole { parts },
            Some(more) => rest = more,
        }
    }
    Measured::Unfinished
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
