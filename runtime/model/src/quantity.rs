//! Amounts as people write them in configuration: `500`, `"64MiB"`, `"10s"`.

use std::num::NonZeroU64;

use serde::{Deserialize, Deserializer, de::Error as _};

/// Why a text is not an amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an amount: write a whole number above zero, optionally with KiB, MiB, GiB, ms, s or min")]
pub struct QuantityError {
    /// The text, cut to 40 characters.
    pub text: String,
}

const UNITS: [(&str, u64); 6] =
    [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("ms", 1), ("min", 60_000), ("s", 1_000)];

/// Reads `"64MiB"` as bytes, `"10s"` as milliseconds and plain digits as they are; `_` may group digits.
///
/// # Errors
/// When the text is not a whole number above zero that fits 64 bits, with at most one known unit.
pub fn parse(text: &str) -> Result<NonZeroU64, QuantityError> {
    let error = || QuantityError { text: text.chars().take(40).collect() };
    let compact = text.replace('_', "");
    let (digits, factor) = UNITS
        .iter()
        .find_map(|(unit, factor)| compact.strip_suffix(unit).map(|digits| (digits.trim_end(), *factor)))
        .unwrap_or((compact.as_str(), 1));
    let number: u64 = digits.parse().map_err(|_| error())?;
    number.checked_mul(factor).and_then(NonZeroU64::new).ok_or_else(error)
}

/// For `#[serde(deserialize_with)]` on an optional amount.
///
/// # Errors
/// When the value is neither a positive integer nor a text that [`parse`] takes.
pub fn deserialize<'de, D: Deserializer<'de>>(source: D) -> Result<Option<NonZeroU64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(u64),
        Text(String),
    }
    let text = match Written::deserialize(source)
        .map_err(|_| D::Error::custom("an amount is a number or a text such as \"64MiB\""))?
    {
        Written::Number(number) => number.to_string(),
        Written::Text(text) => text,
    };
    parse(&text).map(Some).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_as_people_write_them() {
        for (text, value) in
            [("7", 7), ("20_000", 20_000), ("64MiB", 64 << 20), ("10s", 10_000), ("250ms", 250), ("2 KiB", 2048)]
        {
            assert_eq!(parse(text).map(NonZeroU64::get), Ok(value), "{text}");
        }
    }

    #[test]
    fn nonsense_zero_and_overflow_are_refused() {
        for text in ["", "0", "-1", "1.5", "MiB", "1TB", "18446744073709551615GiB"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
