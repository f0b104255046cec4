//! What a client sends on one HTTP/2 connection, counted frame by frame before anything else looks at it.
//!
//! h2 limits streams, resets, header blocks and empty DATA. It answers every PING, SETTINGS, PRIORITY or WINDOW_UPDATE
//! frame that comes, however many: those are what this counts. Requests earn frames, and so do the bytes that we send, so
//! an honest client never meets the limit.

use std::time::{Duration, Instant};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADER_BYTES: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// Frames that one request earns: to update windows, ping and reset with.
const EARNED_BY_REQUEST: u64 = 8;
/// Bytes that we send for each frame they earn.
const BYTES_SENT_PER_FRAME: u64 = 4 << 10;
/// What can be earned ahead, in bursts.
const EARNED_BURSTS_MAX: u64 = 16;

/// How many frames that ask for nothing a client may send.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    /// At once, on a fresh connection.
    pub(super) burst: u32,
    /// In each second.
    pub(super) per_second: u32,
}

/// What has been read of a connection so far.
#[derive(Debug)]
pub(super) struct Frames {
    stage: Stage,
    /// Frames and blocks of headers that came to their end.
    whole: u64,
    left: Left,
}

#[derive(Debug)]
enum Stage {
    /// So many bytes of the preface have come.
    Opening(usize),
    /// Not HTTP/2: nothing is counted.
    Other,
    /// So many bytes of a frame's header.
    Header([u8; HEADER_BYTES], usize, InBlock),
    /// So many bytes of a frame's payload are still to come.
    Payload(usize, Of, InBlock),
}

/// Whether a block of headers has begun and not ended.
type InBlock = bool;

/// What a payload belongs to. Bodies may take their time: they have a clock of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Body,
    Other,
}

/// Frames that may still come.
#[derive(Debug)]
struct Left {
    allowance: Allowance,
    frames: u64,
    bytes_sent: u64,
    refilled: Instant,
}

/// More frames than the connection may send.
#[derive(Debug, thiserror::Error)]
#[error("more HTTP/2 frames that ask for nothing than a connection may send")]
pub(super) struct TooMany;

impl Frames {
    pub(super) fn new(allowance: Allowance) -> Self {
        let frames = u64::from(allowance.burst);
        Self {
            stage: Stage::Opening(0),
            whole: 0,
            left: Left { allowance, frames, bytes_sent: 0, refilled: Instant::now() },
        }
    }

    /// Whether the client owes us the rest of what it began: its first word, a frame or a block of headers. The number is
    /// another one for each of them.
    pub(super) fn owed(&self) -> Option<u64> {
        let is_owed = match self.stage {
            Stage::Opening(_) => true,
            Stage::Other => false,
            Stage::Header(_, come, in_block) => come > 0 || in_block,
            Stage::Payload(_, of, in_block) => of == Of::Other || in_block,
        };
        is_owed.then_some(self.whole)
    }

    /// Takes note of what we sent.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.left.bytes_sent = self.left.bytes_sent.saturating_add(bytes as u64);
    }

    /// Takes note of what was read.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> Result<(), TooMany> {
        while let Some((first, rest)) = bytes.split_first() {
            match &mut self.stage {
                Stage::Other => return Ok(()),
                Stage::Opening(come) if PREFACE.get(*come) == Some(first) => {
                    *come += 1;
                    bytes = rest;
                    if *come == PREFACE.len() {
                        self.ended(false);
                    }
                }
                Stage::Opening(_) => self.stage = Stage::Other,
                Stage::Payload(left, _, in_block) => {
                    let here = bytes.len().min(*left);
                    (_, bytes) = bytes.split_at(here);
                    *left -= here;
                    if *left == 0 {
                        let in_block = *in_block;
                        self.ended(in_block);
                    }
                }
                Stage::Header(header, come, in_block) => {
                    if let Some(place) = header.get_mut(*come) {
                        *place = *first;
                    }
                    *come += 1;
                    bytes = rest;
                    if *come == HEADER_BYTES {
                        let frame = Frame::of(*header);
                        let in_block = frame.leaves_block_open(*in_block);
                        match frame.length {
                            0 => self.ended(in_block),
                            length => self.stage = Stage::Payload(length, frame.of_what(), in_block),
                        }
                        self.left.take(frame)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn ended(&mut self, in_block: InBlock) {
        self.stage = Stage::Header([0; HEADER_BYTES], 0, in_block);
        self.whole += u64::from(!in_block);
    }
}

/// A frame's header (RFC 9113 section 4.1), as far as it matters here.
#[derive(Debug, Clone, Copy)]
struct Frame {
    length: usize,
    kind: u8,
    flags: u8,
}

impl Frame {
    fn of([a, b, c, kind, flags, ..]: [u8; HEADER_BYTES]) -> Self {
        Self { length: u32::from_be_bytes([0, a, b, c]) as usize, kind, flags }
    }

    fn of_what(self) -> Of {
        if self.kind == DATA { Of::Body } else { Of::Other }
    }

    fn leaves_block_open(self, was_open: bool) -> bool {
        match self.kind {
            HEADERS | CONTINUATION => self.flags & END_HEADERS == 0,
            _ => was_open,
        }
    }
}

impl Left {
    fn take(&mut self, frame: Frame) -> Result<(), TooMany> {
        match frame.kind {
            HEADERS => self.earn(EARNED_BY_REQUEST),
            // Bounded by flow control and, when small or empty, by h2.
            DATA => {}
            _ => {
                if self.frames == 0 {
                    self.refill();
                }
                self.frames = self.frames.checked_sub(1).ok_or(TooMany)?;
            }
        }
        Ok(())
    }

    /// Only looked at when everything is spent: reading the clock for each frame would cost more than the frame.
    fn refill(&mut self) {
        let since = self.refilled.elapsed().min(Duration::from_secs(1));
        let by_time = u64::try_from(since.as_micros()).unwrap_or(0) * u64::from(self.allowance.per_second) / 1_000_000;
        if by_time > 0 {
            self.refilled = Instant::now();
        }
        self.earn(by_time.saturating_add(self.bytes_sent / BYTES_SENT_PER_FRAME));
        self.bytes_sent %= BYTES_SENT_PER_FRAME;
    }

    fn earn(&mut self, frames: u64) {
        let most = u64::from(self.allowance.burst).saturating_mul(EARNED_BURSTS_MAX);
        self.frames = self.frames.saturating_add(frames).min(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWANCE: Allowance = Allowance { burst: 10, per_second: 0 };
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;

    fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![0, (length >> 8) as u8, length as u8, kind, flags, 0, 0, 0, 1];
        bytes.resize(HEADER_BYTES + length, 0xff);
        bytes
    }

    /// How many of a frame go through.
    fn accepted(frames: &mut Frames, bytes: &[u8]) -> usize {
        (0..1_000).take_while(|_| frames.read(bytes).is_ok()).count()
    }

    fn opened() -> Frames {
        let mut frames = Frames::new(ALLOWANCE);
        frames.read(PREFACE).unwrap();
        frames
    }

    #[test]
    fn frames_that_ask_for_nothing_are_counted_and_others_are_not() {
        for kind in (2..=8).chain([CONTINUATION, 0xee]) {
            assert_eq!(accepted(&mut opened(), &frame(kind, 0, 8)), 10, "{kind}");
        }
        assert_eq!(accepted(&mut opened(), &frame(DATA, 0, 300)), 1_000);
        assert_eq!(accepted(&mut opened(), &frame(HEADERS, 4, 300)), 1_000);
    }

    #[test]
    fn requests_answers_and_time_earn_frames() {
        // Ends with its header, so that the next one begins well after it was refused.
        let idle = frame(SETTINGS, 0, 0);
        let mut frames = opened();
        frames.read(&frame(HEADERS, END_HEADERS, 7)).unwrap();
        assert_eq!(accepted(&mut frames, &idle), 10 + EARNED_BY_REQUEST as usize);
        frames.sent(3 * BYTES_SENT_PER_FRAME as usize + 1);
        assert_eq!(accepted(&mut frames, &idle), 3);
        for _ in 0..1_000 {
            frames.read(&frame(HEADERS, END_HEADERS, 7)).unwrap();
        }
        let most = 10 * EARNED_BURSTS_MAX as usize;
        assert_eq!(accepted(&mut frames, &idle), most, "no more is kept");
        let mut frames = Frames::new(Allowance { burst: 1, per_second: 1_000 });
        frames.read(PREFACE).unwrap();
        frames.left.refilled -= Duration::from_millis(500);
        assert!(accepted(&mut frames, &idle) > 16, "time is capped like the rest");
    }

    #[test]
    fn the_same_bytes_count_the_same_however_they_are_cut() {
        let bytes =
            [PREFACE.to_vec(), frame(HEADERS, END_HEADERS, 300), frame(4, 0, 0), frame(DATA, 1, 20), frame(PING, 0, 8)]
                .concat();
        for size in 1..40 {
            let mut frames = Frames::new(ALLOWANCE);
            for part in bytes.chunks(size) {
                frames.read(part).unwrap();
            }
            assert_eq!(frames.left.frames, 10 + EARNED_BY_REQUEST - 2, "{size}");
        }
    }

    #[test]
    fn what_is_begun_is_owed() {
        let mut frames = Frames::new(ALLOWANCE);
        assert_eq!(frames.owed(), Some(0), "a first word");
        frames.read(&PREFACE[..20]).unwrap();
        assert_eq!(frames.owed(), Some(0), "the rest of the preface");
        frames.read(&PREFACE[20..]).unwrap();
        assert_eq!(frames.owed(), None);
        frames.read(&frame(HEADERS, 0, 7)).unwrap();
        assert_eq!(frames.owed(), Some(1), "the rest of the headers");
        frames.read(&frame(CONTINUATION, 0, 7)).unwrap();
        assert_eq!(frames.owed(), Some(1), "still the same");
        frames.read(&frame(CONTINUATION, END_HEADERS, 0)).unwrap();
        assert_eq!(frames.owed(), None);
        frames.read(&frame(PING, 0, 8)[..3]).unwrap();
        assert_eq!(frames.owed(), Some(2), "the rest of a frame");
        frames.read(&frame(PING, 0, 8)[3..]).unwrap();
        frames.read(&frame(DATA, 0, 100)[..50]).unwrap();
        assert_eq!(frames.owed(), None, "bodies have their own clock");
        let mut frames = Frames::new(ALLOWANCE);
        frames.read(b"POST / HTTP/1.1").unwrap();
        assert_eq!(frames.owed(), None, "HTTP/1.1 has its own clock");
        assert!(frames.read(&[6; 10_000]).is_ok());
    }
}
