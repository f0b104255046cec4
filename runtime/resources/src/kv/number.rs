//! Counters: text of a whole number, as `increment` finds and leaves it.

use airlock_model::{HostError, kv::NUMBER_MAX};

use super::backend;

/// Adds to what an entry holds; nothing counts as 0.
///
/// # Errors
/// When it holds no whole number within 2^53 - 1, or the sum is beyond that.
pub(super) fn add(held: Option<&str>, by: i64) -> Result<i64, HostError> {
    let held = held.map_or(Some(0), parse).ok_or_else(not_a_number)?;
    let sum = held.checked_add(by).filter(|sum| sum.abs() <= NUMBER_MAX);
    sum.filter(|_| held.abs() <= NUMBER_MAX).ok_or_else(out_of_range)
}

/// Digits with an optional `-`, at most 17 characters: what the script for Redis takes as well.
fn parse(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = text.len() <= 17 && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

pub(super) fn not_a_number() -> HostError {
    backend("KV_NOT_A_NUMBER", "the entry holds no whole number: use another key for the counter")
}

pub(super) fn out_of_range() -> HostError {
    backend("KV_OUT_OF_RANGE", "the entry or the sum is beyond 2^53 - 1, so the entry stays as it was")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_stay_exact() {
        assert_eq!((add(None, 5), add(Some("-3"), 3), add(Some("007"), 1)), (Ok(5), Ok(0), Ok(8)));
        assert_eq!(add(Some("9007199254740990"), 1), Ok(NUMBER_MAX));
        for (held, by) in [("9007199254740991", 1), ("-9007199254740991", -1), ("9007199254740993", -10)] {
            assert_eq!(add(Some(held), by), Err(out_of_range()), "{held} {by}");
        }
        for held in ["", "-", "+1", "1.5", "1e3", "\"1\"", " 1", "999999999999999999", "x", "٣"] {
            assert_eq!(add(Some(held), 0), Err(not_a_number()), "{held}");
        }
    }
}
