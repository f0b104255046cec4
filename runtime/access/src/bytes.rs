//! Base64url as JOSE wants it (RFC 7515 section 2): no padding, no whitespace, one spelling per value.

use base64::{DecodeError, Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// Encodes without padding.
pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes the one canonical spelling; padding, stray characters and non-zero trailing bits are errors.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, DecodeError> {
    URL_SAFE_NO_PAD.decode(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_exactly_one_spelling() {
        assert_eq!(decode("AA"), Ok(vec![0]));
        for text in ["AB", "A", "AA=", "AA==", "AA ", " AA", "A\nA", "A+", "A/", "AAB"] {
            assert!(decode(text).is_err(), "{text:?}");
        }
    }
}
