//! Keys of entries and objects, as guests name them. Parsed once at the gate, trusted afterwards.

use std::fmt;

/// Bytes of one key or prefix.
pub const KEY_BYTES_MAX: usize = 512;

/// Why a text is no key, prefix or cursor. Says the rule, not the text: the trail has that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the {what} is not valid: use {least} to {KEY_BYTES_MAX} bytes of UTF-8 without control characters")]
pub struct KeyError {
    what: &'static str,
    least: usize,
}

/// The name of one entry or object. INVARIANT: 1 to 512 bytes, no control characters.
///
/// Nothing else is special in it: `/`, `..`, `*` and `%` are characters like any other, and engines treat them so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreKey(String);

impl StoreKey {
    /// Takes a key.
    ///
    /// # Errors
    /// When it is empty, too long, or has a control character.
    pub fn parse(text: String) -> Result<Self, KeyError> {
        let error = KeyError { what: "key", least: 1 };
        if is_legal(&text) && !text.is_empty() { Ok(Self(text)) } else { Err(error) }
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What keys of a listing begin with. INVARIANT: at most 512 bytes, no control characters; the empty one means all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPrefix(String);

impl KeyPrefix {
    /// Takes a prefix.
    ///
    /// # Errors
    /// When it is too long, or has a control character.
    pub fn parse(text: String) -> Result<Self, KeyError> {
        if is_legal(&text) { Ok(Self(text)) } else { Err(KeyError { what: "prefix", least: 0 }) }
    }

    /// The prefix as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where a listing goes on: what an earlier page gave, or what a guest made up. INVARIANT: as a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(String);

impl Cursor {
    /// Takes a cursor.
    ///
    /// # Errors
    /// When it is empty, too long, or has a control character.
    pub fn parse(text: String) -> Result<Self, KeyError> {
        let error = KeyError { what: "cursor", least: 1 };
        if is_legal(&text) && !text.is_empty() { Ok(Self(text)) } else { Err(error) }
    }

    /// The cursor as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_legal(text: &str) -> bool {
    text.len() <= KEY_BYTES_MAX && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_any_text_that_can_be_shown() {
        for text in ["a", "../../etc/passwd", "/", "*?[]\\%_", "users/grüße 漢字", &"x".repeat(KEY_BYTES_MAX)] {
            assert_eq!(StoreKey::parse(text.to_owned()).map(|key| key.to_string()), Ok(text.to_owned()));
            assert!(KeyPrefix::parse(text.to_owned()).is_ok() && Cursor::parse(text.to_owned()).is_ok());
        }
        for text in ["a\0", "\n", "\u{7f}", "\u{9b}31m", &"x".repeat(KEY_BYTES_MAX + 1), &"漢".repeat(171)] {
            assert!(StoreKey::parse(text.to_owned()).is_err(), "{text:?}");
            assert!(KeyPrefix::parse(text.to_owned()).is_err() && Cursor::parse(text.to_owned()).is_err(), "{text:?}");
        }
        assert!(StoreKey::parse(String::new()).is_err() && Cursor::parse(String::new()).is_err());
        assert!(KeyPrefix::parse(String::new()).is_ok());
    }
}
