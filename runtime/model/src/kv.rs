//! What a guest asks of a key-value store, as written and as parsed, and what it is told.

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

use crate::{Cursor, KeyPrefix, ResourceName, StoreKey, key::KeyError};

/// Ten years.
const TTL_MS_MAX: f64 = 10.0 * 366.0 * 24.0 * 3_600_000.0;
/// The largest integer that every JSON reader keeps exactly.
pub const NUMBER_MAX: i64 = (1 << 53) - 1;

/// One call to a key-value store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KvCall {
    /// The store.
    pub resource: ResourceName,
    /// What to do, as the guest wrote it.
    pub action: KvAction,
}

/// What a guest wants done. Nothing in it has been looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are those of guest-sdk/wit/kinds/kv.wit")]
pub enum KvAction {
    /// Reads one value.
    Get { key: String },
    /// Sets one value, whatever was there.
    Set { key: String, value: String, ttl_ms: Option<f64> },
    /// Removes one entry.
    Delete { key: String },
    /// Reads a page of keys.
    List { prefix: String, cursor: Option<String> },
    /// Adds to a whole number.
    Increment { key: String, by: f64, ttl_ms: Option<f64> },
    /// Sets one value if it is what the guest believes it is.
    CompareAndSet { key: String, expected: Option<String>, value: String, ttl_ms: Option<f64> },
}

impl KvAction {
    /// The name of the function in the WIT.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Get { .. } => "get",
            Self::Set { .. } => "set",
            Self::Delete { .. } => "delete",
            Self::List { .. } => "list",
            Self::Increment { .. } => "increment",
            Self::CompareAndSet { .. } => "compare-and-set",
        }
    }

    /// Whether the store is another afterwards.
    #[must_use]
    pub const fn changes(&self) -> bool {
        match self {
            Self::Get { .. } | Self::List { .. } => false,
            Self::Set { .. } | Self::Delete { .. } | Self::Increment { .. } | Self::CompareAndSet { .. } => true,
        }
    }

    /// The key or prefix that it is about.
    #[must_use]
    pub fn target(&self) -> &str {
        match self {
            Self::Get { key }
            | Self::Set { key, .. }
            | Self::Delete { key }
            | Self::Increment { key, .. }
            | Self::CompareAndSet { key, .. } => key,
            Self::List { prefix, .. } => prefix,
        }
    }

    /// The values that it brings: what the trail keeps a digest of.
    #[must_use]
    pub fn values(&self) -> [&str; 2] {
        match self {
            Self::Get { .. } | Self::Delete { .. } | Self::List { .. } | Self::Increment { .. } => ["", ""],
            Self::Set { value, .. } => ["", value],
            Self::CompareAndSet { expected, value, .. } => [expected.as_deref().unwrap_or_default(), value],
        }
    }

    /// Bytes that the guest handed over.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let cursor = if let Self::List { cursor, .. } = self { cursor.as_ref().map_or(0, String::len) } else { 0 };
        self.target().len() + cursor + self.values().iter().map(|value| value.len()).sum::<usize>()
    }
}

/// An action whose parts hold what they promise.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as KvAction")]
pub enum KvCommand {
    /// Reads one value.
    Get { key: StoreKey },
    /// Sets one value, whatever was there.
    Set { key: StoreKey, value: String, ttl_ms: Option<NonZeroU64> },
    /// Removes one entry.
    Delete { key: StoreKey },
    /// Reads a page of keys.
    List { prefix: KeyPrefix, cursor: Option<Cursor> },
    /// Adds to a whole number; within 2^53 - 1 on both sides, and so is the sum.
    Increment { key: StoreKey, by: i64, ttl_ms: Option<NonZeroU64> },
    /// Sets one value if it is `expected`; `None` means that there is none.
    CompareAndSet { key: StoreKey, expected: Option<String>, value: String, ttl_ms: Option<NonZeroU64> },
}

/// Why an action makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KvError {
    /// Not a key, prefix or cursor.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Not a time to live.
    #[error("the time to live is not valid: use a whole number of milliseconds from 1 to ten years")]
    Ttl,
    /// Not a number to add.
    #[error("the number to add is not valid: use a whole number within 2^53 - 1")]
    Number,
}

impl KvCommand {
    /// Reads what a guest wrote.
    ///
    /// # Errors
    /// The first part that breaks its rule.
    pub fn parse(action: KvAction) -> Result<Self, KvError> {
        Ok(match action {
            KvAction::Get { key } => Self::Get { key: StoreKey::parse(key)? },
            KvAction::Set { key, value, ttl_ms } => {
                Self::Set { key: StoreKey::parse(key)?, value, ttl_ms: milliseconds(ttl_ms)? }
            }
            KvAction::Delete { key } => Self::Delete { key: StoreKey::parse(key)? },
            KvAction::List { prefix, cursor } => {
                Self::List { prefix: KeyPrefix::parse(prefix)?, cursor: cursor.map(Cursor::parse).transpose()? }
            }
            KvAction::Increment { key, by, ttl_ms } => {
                let by = whole(by).ok_or(KvError::Number)?;
                Self::Increment { key: StoreKey::parse(key)?, by, ttl_ms: milliseconds(ttl_ms)? }
            }
            KvAction::CompareAndSet { key, expected, value, ttl_ms } => {
                Self::CompareAndSet { key: StoreKey::parse(key)?, expected, value, ttl_ms: milliseconds(ttl_ms)? }
            }
        })
    }

    /// Whether the store is another afterwards.
    #[must_use]
    pub const fn changes(&self) -> bool {
        match self {
            Self::Get { .. } | Self::List { .. } => false,
            Self::Set { .. } | Self::Delete { .. } | Self::Increment { .. } | Self::CompareAndSet { .. } => true,
        }
    }

    /// Bytes of the value that it would leave in the store.
    #[must_use]
    pub fn value_bytes(&self) -> usize {
        match self {
            Self::Get { .. } | Self::Delete { .. } | Self::List { .. } | Self::Increment { .. } => 0,
            Self::Set { value, .. } | Self::CompareAndSet { value, .. } => value.len(),
        }
    }
}

fn milliseconds(ttl_ms: Option<f64>) -> Result<Option<NonZeroU64>, KvError> {
    let Some(written) = ttl_ms else { return Ok(None) };
    let legal = whole(written).filter(|_| written <= TTL_MS_MAX).and_then(|ms| u64::try_from(ms).ok());
    legal.and_then(NonZeroU64::new).map(Some).ok_or(KvError::Ttl)
}

/// A whole number that a JavaScript number holds exactly.
pub(crate) fn whole(number: f64) -> Option<i64> {
    #[expect(clippy::cast_precision_loss, reason = "2^53 - 1 is exact")]
    let bound = NUMBER_MAX as f64;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53 - 1")]
    (number.fract() == 0.0 && number.abs() <= bound).then_some(number as i64)
}

/// What a key-value store answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KvReply {
    /// For `get`: the value, if there is one.
    Value(Option<String>),
    /// For `set`.
    Set,
    /// For `delete`: whether there was one.
    Deleted(bool),
    /// For `list`.
    Keys(KeyPage),
    /// For `increment`: the sum.
    Number(i64),
    /// For `compare-and-set`: whether the value was as expected and has been set.
    Swapped(bool),
}

/// Some of the keys with a prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPage {
    /// Whole keys, in no promised order.
    pub keys: Vec<String>,
    /// Where the next page begins; `None` after the last.
    pub cursor: Option<String>,
}

impl KvReply {
    /// Bytes that the host hands to the guest.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        match self {
            Self::Value(value) => value.as_ref().map_or(0, String::len),
            Self::Keys(page) => page.keys.iter().chain(&page.cursor).map(String::len).sum(),
            Self::Set | Self::Deleted(_) | Self::Number(_) | Self::Swapped(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> String {
        "k".to_owned()
    }

    #[test]
    fn numbers_are_whole_and_exact() {
        let add = |by| KvCommand::parse(KvAction::Increment { key: key(), by, ttl_ms: None });
        for by in [0.0, -1.0, 9_007_199_254_740_991.0, -9_007_199_254_740_991.0] {
            assert!(add(by).is_ok(), "{by}");
        }
        for by in [0.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 9_007_199_254_740_992.0, 1e300] {
            assert_eq!(add(by), Err(KvError::Number), "{by}");
        }
    }

    #[test]
    fn a_time_to_live_is_whole_and_above_zero() {
        let set = |ttl_ms| KvCommand::parse(KvAction::Set { key: key(), value: String::new(), ttl_ms: Some(ttl_ms) });
        assert!(set(1.0).is_ok() && set(TTL_MS_MAX).is_ok());
        for ttl in [0.0, -1.0, 0.5, f64::NAN, f64::INFINITY, TTL_MS_MAX + 1.0] {
            assert_eq!(set(ttl), Err(KvError::Ttl), "{ttl}");
        }
    }

    #[test]
    fn every_part_counts() {
        let swap =
            KvAction::CompareAndSet { key: key(), expected: Some("ab".into()), value: "cde".into(), ttl_ms: None };
        assert_eq!((swap.size_bytes(), swap.changes(), swap.target()), (6, true, "k"));
        let list = KvAction::List { prefix: "pre".into(), cursor: Some("c".into()) };
        assert_eq!((list.size_bytes(), list.changes(), list.target()), (4, false, "pre"));
    }
}
