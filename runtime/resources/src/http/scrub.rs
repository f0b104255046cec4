//! Keeping a credential that an upstream echoes out of what the guest gets.
//!
//! Looked for: the exact bytes, base64 (standard and URL alphabet, with and without padding, and inside a longer
//! encoded text at any of the three alignments), percent-encoding in the usual sets, hexadecimal, and JSON escapes. An
//! upstream that transforms the secret in another way is beyond this; the host of a binding is trusted not to.

mod passage;

use std::{fmt, ops::Range};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use memchr::memmem;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_encode};
use zeroize::Zeroizing;

use super::target::QUERY;
pub(super) use passage::Passage;

const REPLACEMENT: &[u8] = b"[redacted]";
/// A shorter piece of base64 would be found where there is no secret.
const ALIGNED_BYTES_MIN: usize = 8;
/// Python's `quote`, JavaScript's `encodeURIComponent` and the WHATWG query set.
const QUOTE: &AsciiSet = &QUERY.remove(b'/');
const COMPONENT: &AsciiSet = &QUERY.remove(b'!').remove(b'*').remove(b'\'').remove(b'(').remove(b')');
const WHATWG_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'\'');

/// Every spelling of a credential, zeroed when dropped.
pub(super) struct Scrubber {
    needles: Vec<Zeroizing<Vec<u8>>>,
    longest: usize,
}

impl Scrubber {
    pub(super) fn new(secrets: &[Zeroizing<String>]) -> Self {
        let mut needles: Vec<_> = secrets.iter().flat_map(|secret| spellings(secret)).collect();
        needles.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        needles.dedup();
        let longest = needles.first().map_or(0, |needle| needle.len());
        Self { needles, longest }
    }

    /// Replaces every spelling by `[redacted]`.
    pub(super) fn scrub(&self, bytes: Vec<u8>) -> Vec<u8> {
        let spans = self.spans(&bytes);
        if spans.is_empty() { bytes } else { redacted(&bytes, &spans) }
    }

    /// Whether a spelling stands in it.
    pub(super) fn finds(&self, text: &[u8]) -> bool {
        self.needles.iter().any(|needle| memmem::find(text, needle).is_some())
    }

    /// Where spellings stand, in order; those that overlap are one span.
    fn spans(&self, text: &[u8]) -> Vec<Range<usize>> {
        let fit = self.needles.iter().filter(|needle| needle.len() <= text.len());
        let found = fit.flat_map(|needle| memmem::find_iter(text, needle.as_slice()).map(|at| at..at + needle.len()));
        merged(found.collect())
    }

    /// Where the last spelling begins that the text cuts short; its end where it cuts none.
    fn whole_until(&self, text: &[u8]) -> usize {
        let from = text.len().saturating_sub(self.longest.saturating_sub(1));
        let is_begun = |at: &usize| {
            let rest = text.get(*at..).unwrap_or_default();
            self.needles.iter().any(|needle| needle.len() > rest.len() && needle.starts_with(rest))
        };
        (from..text.len()).find(is_begun).unwrap_or(text.len())
    }
}

impl fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scrubber(..)")
    }
}

fn merged(mut spans: Vec<Range<usize>>) -> Vec<Range<usize>> {
    spans.sort_by_key(|span| (span.start, span.end));
    spans.dedup_by(|next, last| {
        let overlaps = next.start < last.end;
        if overlaps {
            last.end = last.end.max(next.end);
        }
        overlaps
    });
    spans
}

fn redacted(text: &[u8], spans: &[Range<usize>]) -> Vec<u8> {
    let (mut clean, mut at) = (Vec::with_capacity(text.len()), 0);
    for span in spans {
        clean.extend_from_slice(text.get(at..span.start).unwrap_or_default());
        clean.extend_from_slice(REPLACEMENT);
        at = span.end;
    }
    clean.extend_from_slice(text.get(at..).unwrap_or_default());
    clean
}

/// Every spelling of a secret that is looked for.
pub(crate) fn spellings(secret: &str) -> Vec<Zeroizing<Vec<u8>>> {
    let bytes = secret.as_bytes();
    let mut texts = vec![secret.to_owned(), hex::encode(bytes), hex::encode_upper(bytes)];
    texts.extend([STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].map(|engine| engine.encode(bytes)));
    texts.extend((0..3).flat_map(|offset| aligned(bytes, offset)));
    texts.extend(
        [NON_ALPHANUMERIC, QUERY, QUOTE, COMPONENT, WHATWG_QUERY].into_iter().flat_map(|set| escaped(bytes, set)),
    );
    texts.extend(json_escaped(secret));
    texts.into_iter().map(|text| Zeroizing::new(text.into_bytes())).collect()
}

/// The middle of the base64 of any text that has the secret `offset` bytes after a multiple of three.
fn aligned(secret: &[u8], offset: usize) -> Vec<String> {
    let padded = Zeroizing::new([vec![0_u8; offset].as_slice(), secret].concat());
    // Characters that also depend on the neighbours are left out at both ends.
    let (first, last) = ((offset * 8).div_ceil(6), padded.len() * 8 / 6);
    let pieces = [STANDARD_NO_PAD, URL_SAFE_NO_PAD].map(|engine| {
        let encoded = Zeroizing::new(engine.encode(&*padded));
        encoded.get(first..last).map(str::to_owned)
    });
    pieces.into_iter().flatten().filter(|piece| piece.len() >= ALIGNED_BYTES_MIN).collect()
}

fn escaped(secret: &[u8], set: &'static AsciiSet) -> [String; 4] {
    let upper = percent_encode(secret, set).to_string();
    // Only the digits of the escapes: the secret's own letters keep their case.
    let lower = percent_lowered(&upper);
    [upper.replace("%20", "+"), lower.replace("%20", "+"), upper, lower]
}

fn percent_lowered(text: &str) -> String {
    let mut escape_left = 0;
    let lower = |c: char| {
        let lowered = if escape_left > 0 { c.to_ascii_lowercase() } else { c };
        escape_left = if c == '%' { 2 } else { usize::saturating_sub(escape_left, 1) };
        lowered
    };
    text.chars().map(lower).collect()
}

fn json_escaped(secret: &str) -> Vec<String> {
    let quoted = serde_json::to_string(secret).unwrap_or_default();
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned();
    if inner.is_empty() {
        return Vec::new();
    }
    let mut texts = vec![inner.replace('/', "\\/"), inner];
    // As Python's, Go's and .NET's writers have it, and one that escapes all it can.
    let sets: [fn(char) -> bool; 3] =
        [|c| !c.is_ascii(), |c| !c.is_ascii() || "+&<>'\"`".contains(c), |c| !c.is_ascii_alphanumeric()];
    texts.extend(sets.into_iter().flat_map(|set| {
        let lower = unicode_escaped(secret, set);
        let upper = lower.split("\\u").enumerate().map(|(place, part)| {
            let (digits, rest) = part.split_at_checked(4).filter(|_| place > 0).unwrap_or(("", part));
            format!("{}{}{rest}", if place > 0 { "\\u" } else { "" }, digits.to_ascii_uppercase())
        });
        [upper.collect(), lower]
    }));
    texts
}

/// JSON text with `\u00e9` for what is in the set.
fn unicode_escaped(secret: &str, is_escaped: fn(char) -> bool) -> String {
    let mut text = String::new();
    for c in secret.chars() {
        match c {
            c if is_escaped(c) => {
                c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
            }
            '"' | '\\' => text.extend(['\\', c]),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "s3cr/t+Canary ~'\"x\u{fc}9";

    fn scrub(text: &str) -> String {
        let scrubber = Scrubber::new(&[Zeroizing::new(SECRET.to_owned())]);
        String::from_utf8(scrubber.scrub(text.as_bytes().to_vec())).expect("utf-8")
    }

    #[test]
    fn every_spelling_is_replaced_wherever_it_stands() {
        let bytes = SECRET.as_bytes();
        let mut spelled = vec![
            SECRET.to_owned(),
            STANDARD.encode(bytes),
            URL_SAFE_NO_PAD.encode(bytes),
            hex::encode(bytes),
            hex::encode_upper(bytes),
            "s3cr%2Ft%2BCanary%20~%27%22x%C3%BC9".to_owned(),
            "s3cr%2ft%2bCanary%20~%27%22x%c3%bc9".to_owned(),
            "s3cr%2Ft%2BCanary+%7E%27%22x%C3%BC9".to_owned(),
            "s3cr%2Ft%2BCanary%20~'%22x%C3%BC9".to_owned(),
            serde_json::to_string(SECRET).expect("json").trim_matches('"').to_owned(),
            "s3cr\\/t+Canary ~'\\\"x\u{fc}9".to_owned(),
            "s3cr/t+Canary ~'\\\"x\\u00fc9".to_owned(),
            "s3cr/t\\u002BCanary ~\\u0027\\u0022x\\u00FC9".to_owned(),
            "s3cr/t%2BCanary%20~%27%22x%C3%BC9".to_owned(),
        ];
        spelled.dedup();
        for text in spelled {
            assert_eq!(scrub(&format!("a{text}b{text}{text}c")), "a[redacted]b[redacted][redacted]c", "{text}");
        }
    }

    #[test]
    fn a_secret_inside_a_longer_encoded_text_is_replaced() {
        for before in ["", "a", "ab", "abc", "Bearer "] {
            for after in ["", "z", "zz", "zzz"] {
                let encoded = STANDARD.encode(format!("{before}{SECRET}{after}"));
                let clean = scrub(&encoded);
                assert!(clean.contains("[redacted]"), "{before} {after}: {clean}");
                // At most one character at each end is kept, and it shares bits with its neighbour.
                assert!(clean.len() + STANDARD_NO_PAD.encode(SECRET).len() <= encoded.len() + 10 + 3, "{clean}");
            }
        }
    }

    #[test]
    fn other_text_is_left_alone() {
        let text = "s3cr/t+Canar s3cr%2Ft nothing of it, [redacted]";
        assert_eq!(scrub(text), text);
    }
}
