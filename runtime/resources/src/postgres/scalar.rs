//! One value from the server's text to JSON.

use std::io;

use serde::de::IgnoredAny;

use super::types::Kind;
use crate::sheet::SAFE_INTEGER_MAX;

/// Writes one value. A text that is not what its type promises becomes a string, so that the result is always JSON.
///
/// # Errors
/// Never, as memory takes every byte.
pub(super) fn write(text: &str, kind: Kind, out: &mut Vec<u8>) -> io::Result<()> {
    let verbatim = match kind {
        Kind::Bool if text == "t" => Some("true"),
        Kind::Bool if text == "f" => Some("false"),
        Kind::Int(_) => text.parse().is_ok_and(is_safe).then_some(text),
        Kind::Float | Kind::Json => is_json(text).then_some(text),
        Kind::Bool | Kind::Numeric | Kind::Text | Kind::Bytea | Kind::Other => None,
    };
    match verbatim {
        Some(json) => {
            out.extend_from_slice(json.as_bytes());
            Ok(())
        }
        None => write_string(text, out),
    }
}

/// Writes a JSON string.
///
/// # Errors
/// Never, as memory takes every byte.
pub(super) fn write_string(text: &str, out: &mut Vec<u8>) -> io::Result<()> {
    serde_json::to_writer(out, text).map_err(Into::into)
}

fn is_safe(integer: i64) -> bool {
    integer.unsigned_abs() <= SAFE_INTEGER_MAX
}

/// `NaN` and `Infinity` are not, and neither is half of a surrogate pair, which the type `json` keeps.
fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}
