//! Digests as people write them: their beginning.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use super::Digest;

const HEX_BYTES: usize = 64;
/// Fewer could be anything's.
const DIGITS_MIN: usize = 8;
const ALGORITHM: &str = "sha256:";

/// The beginning of a digest, or all of it: 8 to 64 hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct DigestPrefix(Box<str>); // Invariant: 8 to 64 characters of 0-9a-f.

/// The text is no beginning of a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a digest is 64 hexadecimal characters of SHA-256, or its first {DIGITS_MIN} and more")]
pub struct DigestPrefixError;

impl DigestPrefix {
    /// The digest, when nothing is missing.
    #[must_use]
    pub fn whole(&self) -> Option<Digest> {
        self.0.parse().ok()
    }

    /// The digits that were given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first and the last digest that begin so.
    #[must_use]
    pub fn range(&self) -> RangeInclusive<Digest> {
        let filled = |digit: &str| format!("{}{}", self.0, digit.repeat(HEX_BYTES - self.0.len()));
        // 64 digits either way.
        let digest = |digit: &str, otherwise: u8| filled(digit).parse().unwrap_or(Digest::from_bytes([otherwise; 32]));
        digest("0", u8::MIN)..=digest("f", u8::MAX)
    }
}

impl FromStr for DigestPrefix {
    type Err = DigestPrefixError;
    fn from_str(text: &str) -> Result<Self, DigestPrefixError> {
        let digits = text.strip_prefix(ALGORITHM).unwrap_or(text);
        let is_long_enough = (DIGITS_MIN..=HEX_BYTES).contains(&digits.len());
        if is_long_enough && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Self(digits.to_ascii_lowercase().into()));
        }
        Err(DigestPrefixError)
    }
}

impl From<Digest> for DigestPrefix {
    fn from(digest: Digest) -> Self {
        Self(digest.to_string().into())
    }
}

impl fmt::Display for DigestPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DigestPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_digits_are_enough_and_seven_are_not() {
        let whole = Digest::of(b"x").to_string();
        for text in [whole.clone(), format!("sha256:{whole}"), whole.to_ascii_uppercase()] {
            assert_eq!(text.parse::<DigestPrefix>().unwrap().whole(), Some(Digest::of(b"x")), "{text}");
        }
        for text in ["0123abcd", "sha256:0123abcd", "0123ABCD"] {
            let prefix: DigestPrefix = text.parse().unwrap();
            assert_eq!((prefix.as_str(), prefix.whole()), ("0123abcd", None));
        }
        for text in ["", "0123abc", "sha256:0123abc", "0123abcg", "sha1:0123abcd", " 0123abcd", &format!("{whole}0")] {
            assert_eq!(text.parse::<DigestPrefix>(), Err(DigestPrefixError), "{text}");
        }
    }

    #[test]
    fn a_range_is_every_digest_that_begins_so() {
        let digest = Digest::of(b"x");
        let text = digest.to_string();
        for length in [8, 9, 63, 64] {
            let range = text[..length].parse::<DigestPrefix>().unwrap().range();
            assert!(range.contains(&digest) && range.start().to_string().starts_with(&text[..length]));
            assert!(range.end().to_string().starts_with(&text[..length]), "{length}");
        }
        assert!(!"00000000".parse::<DigestPrefix>().unwrap().range().contains(&digest));
    }
}
