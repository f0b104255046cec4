//! Bodies that are scrubbed while they pass.

use std::sync::Arc;

use super::{REPLACEMENT, Scrubber, merged};

/// A body on its way to a guest, piece by piece, scrubbed as if it were whole: what may be the beginning of a secret waits
/// for the next piece, and never longer than the longest spelling.
pub(in crate::http) struct Passage {
    scrubber: Arc<Scrubber>,
    held: Vec<u8>,
    /// Bytes at the beginning of `held` that belong to a span whose `[redacted]` has been handed on.
    covered: usize,
}

impl Passage {
    pub(in crate::http) fn new(scrubber: Arc<Scrubber>) -> Self {
        Self { scrubber, held: Vec::new(), covered: 0 }
    }

    /// What of this piece and of those before it can be handed on.
    pub(in crate::http) fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(piece);
        let safe = self.scrubber.whole_until(&self.held);
        self.hand_on(safe)
    }

    /// The rest, when nothing follows.
    pub(in crate::http) fn finish(&mut self) -> Vec<u8> {
        self.hand_on(self.held.len())
    }

    fn hand_on(&mut self, safe: usize) -> Vec<u8> {
        let mut spans = self.scrubber.spans(&self.held);
        if self.covered > 0 {
            spans.insert(0, 0..self.covered);
            spans = merged(spans);
        }
        let mut clean = Vec::with_capacity(safe);
        let mut at = 0;
        for span in spans.iter().take_while(|span| span.start < safe) {
            if span.start > 0 || self.covered == 0 {
                clean.extend_from_slice(self.held.get(at..span.start).unwrap_or_default());
                clean.extend_from_slice(REPLACEMENT);
            }
            at = span.end;
        }
        clean.extend_from_slice(self.held.get(at..safe).unwrap_or_default());
        self.covered = at.saturating_sub(safe);
        self.held.drain(..safe);
        clean
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use zeroize::Zeroizing;

    use super::*;

    const SECRET: &str = "s3cr/t+Canary ~'\"x\u{fc}9";

    #[test]
    fn pieces_of_any_size_are_scrubbed_like_the_whole() {
        let scrubber = Arc::new(Scrubber::new(&[Zeroizing::new(SECRET.to_owned())]));
        let whole = format!(
            "a{SECRET}b{SECRET}{SECRET} s3cr {} tail s3cr/t+Can{} s3cr/t",
            STANDARD.encode(format!("x{SECRET}yz")),
            hex::encode(SECRET)
        );
        let expected = scrubber.scrub(whole.clone().into_bytes());
        for size in 1..whole.len() {
            let mut passage = Passage::new(Arc::clone(&scrubber));
            let mut clean: Vec<u8> = whole.as_bytes().chunks(size).flat_map(|piece| passage.push(piece)).collect();
            clean.extend(passage.finish());
            assert_eq!(String::from_utf8_lossy(&clean), String::from_utf8_lossy(&expected), "pieces of {size}");
        }
    }

    #[test]
    fn a_text_without_a_secret_waits_for_nothing() {
        let mut passage = Passage::new(Arc::new(Scrubber::new(&[Zeroizing::new(SECRET.to_owned())])));
        assert_eq!(passage.push(b"data: hello\n\n"), b"data: hello\n\n");
        assert_eq!(passage.push(b"data: s3c"), b"data: ");
        assert_eq!(passage.push(b"ret"), b"s3cret");
        assert_eq!(passage.finish(), b"");
    }

    #[test]
    fn endless_overlaps_do_not_pile_up() {
        let mut passage = Passage::new(Arc::new(Scrubber::new(&[Zeroizing::new("aaaaaa".to_owned())])));
        for _ in 0..1_000 {
            passage.push(&[b'a'; 1_000]);
            assert!(passage.held.len() < 100, "{}", passage.held.len());
        }
    }
}
