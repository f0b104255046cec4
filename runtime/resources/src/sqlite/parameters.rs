//! Parameters: a JSON array as text, read into values that are bound and never spliced.
//!
//! `null`, `true`/`false` (1/0), integers of 64 bits, other numbers as REAL, text, and `{"$bytes": "<base64>"}` for a
//! BLOB. An integer that does not fit is refused rather than rounded.

use airlock_model::HostError;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rusqlite::types::Value;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Reads the array.
///
/// # Errors
/// `BadRequest` that names the place of the value and what it may be.
pub(super) fn parse(text: &str) -> Result<Vec<Value>, HostError> {
    // No parameters may be said with no text.
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let raw: Vec<&RawValue> = serde_json::from_str(text)
        .map_err(|why| HostError::BadRequest(format!("the parameters are not a JSON array: {why}")))?;
    raw.into_iter().enumerate().map(|(index, value)| parameter(index + 1, value.get())).collect()
}

fn parameter(place: usize, text: &str) -> Result<Value, HostError> {
    let refuse = |rule: &str| HostError::BadRequest(format!("parameter {place} {rule}"));
    match text.as_bytes().first() {
        Some(b'n') => Ok(Value::Null),
        Some(b't') => Ok(Value::Integer(1)),
        Some(b'f') => Ok(Value::Integer(0)),
        Some(b'"') => serde_json::from_str(text)
            .map(Value::Text)
            .map_err(|_| refuse("is text with a broken escape, for instance half of a surrogate pair")),
        Some(b'{') => bytes(text).ok_or_else(|| refuse("is an object: only {\"$bytes\": \"<base64>\"} can be bound")),
        Some(b'[') => Err(refuse("is an array: bind one value for each `?`, or JSON as text")),
        _ if text.contains(['.', 'e', 'E']) => text
            .parse()
            .ok()
            .filter(|real: &f64| real.is_finite())
            .map(Value::Real)
            .ok_or_else(|| refuse("is a number beyond the range of REAL")),
        _ => text.parse().map(Value::Integer).map_err(|_| refuse("is an integer beyond 64 bits: pass it as text")),
    }
}

fn bytes(text: &str) -> Option<Value> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Bytes {
        #[serde(rename = "$bytes")]
        base64: String,
    }
    let bytes: Bytes = serde_json::from_str(text).ok()?;
    STANDARD.decode(bytes.base64).ok().map(Value::Blob)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_type_and_their_last_digit() {
        let text =
            r#"[null, true, false, 9007199254740993, -9223372036854775808, 1.5, 1e3, "a'b\u0000", {"$bytes":"AP8="}]"#;
        let expected = [
            Value::Null,
            Value::Integer(1),
            Value::Integer(0),
            Value::Integer(9_007_199_254_740_993),
            Value::Integer(i64::MIN),
            Value::Real(1.5),
            Value::Real(1000.0),
            Value::Text("a'b\0".to_owned()),
            Value::Blob(vec![0, 255]),
        ];
        assert_eq!(parse(text).expect("valid"), expected);
        assert_eq!(parse("").expect("none"), []);
        assert_eq!(parse("[]").expect("none"), []);
    }

    #[test]
    fn what_cannot_be_bound_is_named_by_place() {
        for text in [
            "[1, [2]]",
            "[1, {}]",
            "[1, {\"$bytes\":\"?\"}]",
            "[1, 9223372036854775808]",
            "[1, 1e999]",
            "[1, \"\\ud800\"]",
        ] {
            let refused = parse(text).expect_err(text).to_string();
            assert!(refused.contains("parameter 2"), "{text}: {refused}");
        }
        for text in ["{}", "1", "[1", "[1,]", "[nul]", &"[".repeat(100_000)] {
            assert!(matches!(parse(text), Err(HostError::BadRequest(_))), "{}", text.get(..5).unwrap_or(text));
        }
    }
}
