//! What the clients of key-value resources take and give. Values are JSON.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::HostError;

/// Some of the keys with a prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page {
    /// Whole keys, in no promised order. May be empty although more follow.
    pub keys: Vec<String>,
    /// Where the next page begins; `None` after the last.
    pub cursor: Option<String>,
}

/// A value as the contract carries it.
///
/// # Errors
/// [`HostError::BadRequest`] when it has no JSON form.
#[doc(hidden)]
pub fn encode(value: &impl Serialize) -> Result<String, HostError> {
    serde_json::to_string(value).map_err(|error| HostError::bad_request(error.to_string()))
}

/// A value as its reader wants it.
///
/// # Errors
/// [`HostError::BadRequest`] when the entry is not JSON or does not fit the type.
#[doc(hidden)]
pub fn decode<T: DeserializeOwned>(text: Option<String>) -> Result<Option<T>, HostError> {
    let read = |text: String| {
        serde_json::from_str(&text).map_err(|error| HostError::bad_request(format!("the entry does not fit: {error}")))
    };
    text.map(read).transpose()
}

/// A time to live as the contract carries it: whole milliseconds, of which a fraction counts as one.
#[doc(hidden)]
#[must_use]
pub fn milliseconds(ttl: Option<Duration>) -> Option<f64> {
    ttl.map(|ttl| ttl.as_nanos().div_ceil(1_000_000) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_json_both_ways() {
        assert_eq!(encode(&("a", 1)).as_deref(), Ok(r#"["a",1]"#));
        assert_eq!(decode(Some("[1,2]".to_owned())), Ok(Some(vec![1, 2])));
        assert_eq!(decode::<u32>(None), Ok(None));
        assert!(matches!(decode::<u32>(Some("\"x\"".to_owned())), Err(HostError::BadRequest { .. })));
    }

    #[test]
    fn a_time_to_live_is_never_rounded_to_nothing() {
        assert_eq!(milliseconds(Some(Duration::from_micros(1))), Some(1.0));
        assert_eq!(milliseconds(Some(Duration::from_secs(60))), Some(60_000.0));
        assert_eq!(milliseconds(None), None);
    }
}
