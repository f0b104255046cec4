//! Values that belong to an event and are kept beside the chain, so that they can be erased from it.
//!
//! The event, which is hashed, has a commitment: SHA-256 over a random salt and the value. With the salt, whoever has the value can
//! prove that it was that one; without it, nobody can find out by guessing. So what is erased is the salt, and what is kept of the
//! value with it, and the chain stays what it is.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use super::redact::{capped, redacted};
use crate::Digest;

/// Bytes of a value that are kept at most.
pub const KEPT_BYTES_MAX: usize = 16 << 10;

/// "1": what follows the salt is never read in another way.
const OPENING: &[u8] = b"airlock audit opening 1";
const COMMITMENT: &[u8] = b"airlock audit commitment 1";

/// What an event has a commitment to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueField {
    /// The parameters or the body of a host call.
    Arguments,
    /// The text of a statement.
    Statement,
}

impl ValueField {
    /// Every field.
    pub const ALL: [Self; 2] = [Self::Arguments, Self::Statement];

    /// The field in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Arguments => "arguments",
            Self::Statement => "statement",
        }
    }
}

/// What is kept of a value beside its salt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValuePolicy {
    /// Nothing: whoever has the value can prove that it was that one.
    #[default]
    Hash,
    /// Its structure, with types and lengths in the place of what it says.
    Redacted,
    /// The value, its first 16 KiB.
    Plain,
}

impl ValuePolicy {
    /// Every policy.
    pub const ALL: [Self; 3] = [Self::Hash, Self::Redacted, Self::Plain];

    /// The policy in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hash => "hash",
            Self::Redacted => "redacted",
            Self::Plain => "plain",
        }
    }
}

/// Where the text of a statement is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatementPolicy {
    /// In the event, for as long as the trail.
    #[default]
    Text,
    /// Beside the chain, where it can be erased.
    Erasable,
    /// Nowhere: only its fingerprint is.
    Fingerprint,
}

/// A value of an event as it is kept beside the chain.
#[derive(Clone, PartialEq, Eq)]
pub struct AuditValue {
    /// What it is of the event.
    pub field: ValueField,
    /// What is kept of it.
    pub policy: ValuePolicy,
    /// Random, for this value alone.
    pub salt: [u8; 32],
    /// Bytes of the whole value.
    pub bytes: u64,
    /// SHA-256 over salt and whole value.
    pub opening: Digest,
    /// What the policy keeps of it.
    pub kept: Option<Arc<str>>,
}

impl AuditValue {
    /// What a policy keeps of a value.
    #[must_use]
    pub fn new(field: ValueField, policy: ValuePolicy, salt: [u8; 32], value: &str) -> Self {
        let kept: Option<Arc<str>> = match policy {
            ValuePolicy::Hash => None,
            ValuePolicy::Redacted => Some(redacted(value).into()),
            ValuePolicy::Plain => Some(capped(value).into()),
        };
        let opening = opening(field, &salt, value.as_bytes());
        Self { field, policy, salt, bytes: value.len() as u64, opening, kept }
    }

    /// What stands in the event: it covers everything here, and so shows when any of it is another.
    #[must_use]
    pub fn commitment(&self) -> Digest {
        let Self { field, policy, salt, bytes, opening, kept } = self;
        Digest::of_parts(&[
            COMMITMENT,
            field.as_str().as_bytes(),
            policy.as_str().as_bytes(),
            salt,
            &bytes.to_le_bytes(),
            opening.as_bytes(),
            kept.as_deref().unwrap_or_default().as_bytes(),
        ])
    }

    /// Whether it was this value.
    #[must_use]
    pub fn opens_to(&self, value: &[u8]) -> bool {
        opening(self.field, &self.salt, value) == self.opening
    }
}

fn opening(field: ValueField, salt: &[u8; 32], value: &[u8]) -> Digest {
    Digest::of_parts(&[OPENING, field.as_str().as_bytes(), salt, value])
}

/// Neither salts nor values are for logs.
impl fmt::Debug for AuditValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuditValue({}, {})", self.field.as_str(), self.policy.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(policy: ValuePolicy, text: &str) -> AuditValue {
        AuditValue::new(ValueField::Arguments, policy, [7; 32], text)
    }

    #[test]
    fn a_commitment_opens_to_its_value_and_to_no_other() {
        for policy in ValuePolicy::ALL {
            let one = value(policy, "[\"ada\"]");
            assert!(one.opens_to(b"[\"ada\"]") && !one.opens_to(b"[\"eve\"]"), "{policy:?}");
            let resalted = AuditValue::new(ValueField::Arguments, policy, [8; 32], "[\"ada\"]");
            assert_ne!(one.commitment(), resalted.commitment(), "the same value twice does not show");
        }
    }

    #[test]
    fn a_commitment_covers_everything_that_is_kept() {
        let one = value(ValuePolicy::Plain, "[\"ada\"]");
        let changes: [fn(&mut AuditValue); 6] = [
            |value| value.field = ValueField::Statement,
            |value| value.policy = ValuePolicy::Redacted,
            |value| value.salt[31] ^= 1,
            |value| value.bytes += 1,
            |value| value.opening = Digest::of(b"other"),
            |value| value.kept = Some("[\"eve\"]".into()),
        ];
        for change in changes {
            let mut other = one.clone();
            change(&mut other);
            assert_ne!(one.commitment(), other.commitment(), "{other:?}");
        }
        assert_eq!(one.commitment(), one.clone().commitment());
    }

    #[test]
    fn a_policy_keeps_what_it_says_and_the_true_length() {
        let long = format!("\"{}\"", "\u{e9}".repeat(KEPT_BYTES_MAX));
        let plain = value(ValuePolicy::Plain, &long);
        let kept = plain.kept.as_deref().expect("kept");
        assert!(kept.len() <= KEPT_BYTES_MAX && long.starts_with(kept), "{}", kept.len());
        assert_eq!((plain.bytes, plain.opens_to(long.as_bytes())), (long.len() as u64, true));
        assert_eq!(value(ValuePolicy::Hash, "secret").kept, None);
        assert!(!format!("{:?}", value(ValuePolicy::Plain, "secret")).contains("secret"));
    }
}
