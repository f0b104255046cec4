//! RESP 2 over one connection: commands as arrays of byte strings, replies within a cap.

use std::{future::Future, io, pin::Pin};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::dial::{Stream, is_quiet};

const READ_BYTES: usize = 16 << 10;
/// Longest line: status, error, number or length.
const LINE_BYTES_MAX: usize = 4 << 10;
/// What an element of a reply costs besides its bytes.
const ELEMENT_BYTES: usize = 32;
/// Arrays in arrays: a page of keys stands beside its cursor.
const DEPTH_MAX: u8 = 2;

/// A reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Status(String),
    Error(String),
    Number(i64),
    /// `None` where there is nothing.
    Bytes(Option<Vec<u8>>),
    Array(Vec<Reply>),
}

/// Why there is no reply. The connection is of no further use then.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    #[error("the connection failed")]
    Broken(#[from] io::Error),
    #[error("a reply of {0} bytes or more")]
    TooLarge(usize),
}

/// One connection.
pub(super) struct Wire {
    stream: Stream,
    inbox: BytesMut,
}

impl Wire {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, inbox: BytesMut::new() }
    }

    /// Sends one command.
    pub(super) async fn send(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        let mut outbox = format!("*{}\r\n", parts.len()).into_bytes();
        for part in parts {
            outbox.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
            outbox.extend_from_slice(part);
            outbox.extend_from_slice(b"\r\n");
        }
        self.stream.write_all(&outbox).await?;
        self.stream.flush().await
    }

    /// Reads one reply of at most so many bytes.
    pub(super) async fn reply(&mut self, bytes_max: usize) -> Result<Reply, WireError> {
        let mut room = Room { left: bytes_max, all: bytes_max };
        self.element(&mut room, DEPTH_MAX).await
    }

    fn element<'a>(
        &'a mut self,
        room: &'a mut Room,
        depth: u8,
    ) -> Pin<Box<dyn Future<Output = Result<Reply, WireError>> + Send + 'a>> {
        Box::pin(async move {
            let line = self.line().await?;
            let (kind, text) = line.split_at_checked(1).ok_or_else(|| garbage("an empty line"))?;
            room.take(ELEMENT_BYTES.saturating_add(text.len()))?;
            match kind {
                "+" => Ok(Reply::Status(text.to_owned())),
                "-" => Ok(Reply::Error(text.to_owned())),
                ":" => Ok(Reply::Number(text.parse().map_err(|_| garbage("a number that is none"))?)),
                "$" => self.bytes(text, room).await.map(Reply::Bytes),
                "*" if depth > 0 => self.array(text, room, depth - 1).await,
                _ => Err(garbage("not RESP 2").into()),
            }
        })
    }

    async fn array(&mut self, length: &str, room: &mut Room, depth: u8) -> Result<Reply, WireError> {
        let length: usize = length.parse().map_err(|_| garbage("an array without a length"))?;
        // Grows with what is there: a server may announce anything.
        let mut items = Vec::new();
        for _ in 0..length {
            items.push(self.element(room, depth).await?);
        }
        Ok(Reply::Array(items))
    }

    async fn bytes(&mut self, length: &str, room: &mut Room) -> Result<Option<Vec<u8>>, WireError> {
        if length == "-1" {
            return Ok(None);
        }
        let length: usize = length.parse().map_err(|_| garbage("bytes without a length"))?;
        room.take(length)?;
        let whole = length + 2;
        while self.inbox.len() < whole {
            self.fill().await?;
        }
        let mut found = self.inbox.split_to(whole);
        if !found.ends_with(b"\r\n") {
            return Err(garbage("bytes that go on").into());
        }
        found.truncate(length);
        Ok(Some(found.to_vec()))
    }

    async fn line(&mut self) -> Result<String, WireError> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.inbox) {
                let line = self.inbox.split_to(end);
                self.inbox.advance(1);
                let line = line.strip_suffix(b"\r").ok_or_else(|| garbage("a line without its end"))?;
                return Ok(std::str::from_utf8(line).map_err(|_| garbage("a line that is no text"))?.to_owned());
            }
            if self.inbox.len() > LINE_BYTES_MAX {
                return Err(garbage("a line without end").into());
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> io::Result<()> {
        self.inbox.reserve(READ_BYTES);
        if self.stream.read_buf(&mut self.inbox).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    /// Whether the server has said nothing and not gone away since the last reply.
    pub(super) async fn is_quiet(&mut self) -> bool {
        self.inbox.is_empty() && is_quiet(&mut self.stream).await
    }
}

/// What is left of a reply's cap.
struct Room {
    left: usize,
    all: usize,
}

impl Room {
    fn take(&mut self, bytes: usize) -> Result<(), WireError> {
        self.left = self.left.checked_sub(bytes).ok_or(WireError::TooLarge(self.all))?;
        Ok(())
    }
}

fn garbage(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    async fn read(sent: &[u8]) -> Result<Reply, WireError> {
        let (ours, mut theirs) = duplex(64 << 10);
        theirs.write_all(sent).await.expect("room");
        drop(theirs);
        Wire::new(Box::new(ours)).reply(1_000).await
    }

    fn bytes(text: &str) -> Reply {
        Reply::Bytes(Some(text.as_bytes().to_vec()))
    }

    #[tokio::test]
    async fn every_kind_of_reply_is_read() {
        let page = Reply::Array(vec![bytes("17"), Reply::Array(vec![bytes("a"), bytes("b\r\n")])]);
        for (sent, expected) in [
            (&b"+OK\r\n"[..], Reply::Status("OK".to_owned())),
            (b"-ERR no\r\n", Reply::Error("ERR no".to_owned())),
            (b":-7\r\n", Reply::Number(-7)),
            (b"$-1\r\n", Reply::Bytes(None)),
            (b"$0\r\n\r\n", bytes("")),
            (b"*2\r\n$2\r\n17\r\n*2\r\n$1\r\na\r\n$3\r\nb\r\n\r\n", page),
        ] {
            assert_eq!(read(sent).await.expect("a reply"), expected);
        }
    }

    #[tokio::test]
    async fn garbage_and_endless_replies_are_errors() {
        for sent in [
            &b""[..],
            b"\r\n",
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            b"+OK\n",
            b":x\r\n",
            b"$5\r\nab",
            b"$2\r\nabcd\r\n",
            b"$-2\r\n",
            b"*-1\r\n",
            b"*1\r\n*1\r\n*1\r\n:1\r\n",
            b"*2\r\n:1\r\n",
            b"+\xff\xfe\r\n",
            b"%1\r\n+a\r\n+b\r\n",
        ] {
            assert!(matches!(read(sent).await, Err(WireError::Broken(_))), "{sent:?}");
        }
        assert!(matches!(read(&[b'+'; 8_192]).await, Err(WireError::Broken(_))));
        let many = [&b"*1000000000\r\n"[..], &b":1\r\n".repeat(1_000)].concat();
        for sent in [&b"$536870912\r\nabc"[..], b"$18446744073709551615\r\n", &many] {
            assert!(matches!(read(sent).await, Err(WireError::TooLarge(1_000))));
        }
    }

    /// Whatever a server sends: an answer or an error, never a panic, and never more than the cap.
    #[tokio::test]
    async fn damaged_replies_end_in_a_reply_or_an_error() {
        let seeds: [&[u8]; 4] = [
            b"*2\r\n$2\r\n17\r\n*2\r\n$1\r\na\r\n$3\r\nb\r\n\r\n",
            b"$5\r\nhello\r\n",
            b"-ERR no\r\n",
            b":9007199254740993\r\n",
        ];
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % below as u64).expect("small")
        };
        for round in 0..20_000 {
            let mut sent = seeds[round % seeds.len()].to_vec();
            for _ in 0..=random(4) {
                let at = random(sent.len());
                match random(4) {
                    0 => sent[at] = b"*$+-:\r\n019\xff"[random(11)],
                    1 => sent[at] = u8::try_from(random(256)).expect("a byte"),
                    2 => drop(sent.drain(at..)),
                    _ => sent.insert(at, b'9'),
                }
                sent.push(b'\n');
            }
            if let Ok(Reply::Bytes(Some(bytes))) = read(&sent).await {
                assert!(bytes.len() <= 1_000);
            }
        }
    }
}
