//! An HTTP/2 client that sends what no honest one does: frames by hand (RFC 9113, RFC 7541).

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::PATIENCE;

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const ACK: u8 = 1;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// REFUSED_STREAM and ENHANCE_YOUR_CALM (RFC 9113 section 7).
pub(super) const REFUSED: u32 = 7;
pub(super) const CALM: u32 = 11;

/// One frame's bytes.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes()[..], payload].concat()
}

/// The header block of an `Invoke` with this token, without the dynamic table.
pub(super) fn block(token: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [
        vec![0x83, 0x86, 0x04],
        text("/airlock.v1.InvocationService/Invoke"),
        vec![0x01],
        text("x"),
        vec![0x0f, 0x10],
        text("application/grpc"),
        vec![0x0f, 0x08],
        text(&format!("Bearer {token}")),
        vec![0x00],
        text("te"),
        text("trailers"),
    ]
    .concat()
}

/// The message of a call, as gRPC frames it.
pub(super) fn message(function: &str) -> Vec<u8> {
    let field = |tag: u8, text: &str| [&[tag, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let fields = [field(0x0a, function), field(0x12, "dev"), field(0x1a, "1")].concat();
    [&[0, 0, 0, 0, u8::try_from(fields.len()).unwrap()], &fields[..]].concat()
}

/// A whole call on one stream.
pub(super) fn call(function: &str, stream: u32) -> Vec<u8> {
    [frame(HEADERS, END_HEADERS, stream, &block("good")), frame(DATA, END_STREAM, stream, &message(function))].concat()
}

/// What the server sent.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

impl Frame {
    /// The error code of a GOAWAY or RST_STREAM frame.
    pub(super) fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

pub(super) struct Wire(TcpStream);

impl Wire {
    /// Connects without a word.
    pub(super) async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    /// Connects with preface and these settings.
    pub(super) async fn open(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let mut wire = Self::connect(address).await;
        let pairs = settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat());
        wire.send(&[PREFACE, &frame(SETTINGS, 0, 0, &pairs.collect::<Vec<_>>())].concat()).await;
        wire
    }

    /// Writes all, or as much as the server takes before it closes.
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        let _ = timeout(PATIENCE, self.0.write_all(bytes)).await.expect("the server reads or closes");
    }

    /// The next frame, or nothing when the server closed.
    pub(super) async fn next(&mut self) -> Option<Frame> {
        timeout(PATIENCE, self.read()).await.expect("the server sends or closes")
    }

    async fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        Some(Frame { kind, flags, stream: u32::from_be_bytes(stream), payload })
    }

    /// All frames until the server closes.
    pub(super) async fn all(&mut self) -> Vec<Frame> {
        let mut all = Vec::new();
        while let Some(frame) = self.next().await {
            all.push(frame);
        }
        all
    }

    /// The next frame of a kind.
    pub(super) async fn next_of(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.next().await.expect("the server goes on");
            if frame.kind == kind {
                return frame;
            }
        }
    }

    /// Whether the connection is still open after that long, frames or none.
    pub(super) async fn is_open_after(&mut self, pause: Duration) -> bool {
        timeout(pause, async { while self.read().await.is_some() {} }).await.is_err()
    }

    /// Sends a PING and waits for its answer: the server has taken everything before it.
    pub(super) async fn is_serving(&mut self) -> bool {
        self.send(&frame(PING, 0, 0, b"hereyet?")).await;
        while let Some(frame) = self.next().await {
            if frame.kind == PING && frame.flags == ACK && frame.payload == b"hereyet?" {
                return true;
            }
        }
        false
    }
}
