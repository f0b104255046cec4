//! Keys: public ones that tokens are checked with, private ones that tokens are minted with.

mod file;
mod jwk;
mod jwks;
mod roca;
mod signing;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

pub use self::jwk::KeyTag;
pub(crate) use self::jwk::{KeyFault, KeyMark, PublicKey, is_key_id};
pub use self::{
    jwks::{KeySet, PublishedKeys},
    signing::{Pkcs8, SigningKey, public_jwks},
};

/// A signature algorithm (RFC 7518 section 3.1, RFC 8037). It belongs to the key; a header never chooses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum Algorithm {
    /// Ed25519, `kty` OKP.
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// ECDSA on P-256 with SHA-256, `kty` EC. Signatures are 64 bytes, R then S.
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3), `kty` RSA: what identity providers sign with. Only verified,
    /// never signed with.
    #[serde(rename = "RS256")]
    Rs256,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 3] = [Self::EdDsa, Self::Es256, Self::Rs256];

    /// The name in JOSE headers and keys.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }

    const fn key_type(self) -> &'static str {
        match self {
            Self::EdDsa => "OKP",
            Self::Es256 => "EC",
            Self::Rs256 => "RSA",
        }
    }

    /// `crv`, for the types of keys that have one.
    const fn curve(self) -> Option<&'static str> {
        match self {
            Self::EdDsa => Some("Ed25519"),
            Self::Es256 => Some("P-256"),
            Self::Rs256 => None,
        }
    }
}

/// Which algorithms the keys of one issuer may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Algorithms([bool; Algorithm::ALL.len()]);

impl Algorithms {
    /// None at all.
    pub const NONE: Self = Self([false; Algorithm::ALL.len()]);
    /// What Airlock's own keys have, and an issuer unless it says otherwise: EdDSA and ES256.
    pub const OWN: Self = Self([true, true, false]);

    /// Whether this algorithm is one of them.
    #[must_use]
    pub fn contains(self, algorithm: Algorithm) -> bool {
        Algorithm::ALL.into_iter().zip(self.0).any(|(one, allowed)| allowed && one == algorithm)
    }

    /// Those of either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Algorithm::ALL.into_iter().filter(|one| self.contains(*one) || other.contains(*one)).collect()
    }
}

impl FromIterator<Algorithm> for Algorithms {
    fn from_iter<I: IntoIterator<Item = Algorithm>>(algorithms: I) -> Self {
        let mut allowed = Self::NONE;
        for algorithm in algorithms {
            for (one, place) in Algorithm::ALL.into_iter().zip(&mut allowed.0) {
                *place |= one == algorithm;
            }
        }
        allowed
    }
}

impl FromStr for Algorithm {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == text).ok_or(KeyError::Algorithm)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a key or a set of keys is not accepted. Names keys by `kid`, never shows key material.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text is larger than 64 KiB.
    #[error("the key set has {bytes} bytes; 65536 are allowed")]
    Oversize {
        /// Its length.
        bytes: usize,
    },
    /// The text is not a JWK set (RFC 7517 section 5).
    #[error("the key set {0}; write {{\"keys\":[..]}}")]
    Syntax(String),
    /// No key, or more than 64.
    #[error("the key set has {keys} keys; 1 to 64 are allowed")]
    Count {
        /// How many.
        keys: usize,
    },
    /// A key without a usable `kid`.
    #[error("key number {position} has no `kid`: give every key its own, 1 to 128 visible ASCII characters")]
    KeyId {
        /// Counted from 1.
        position: usize,
    },
    /// The `kid` for a new key is not usable.
    #[error("a `kid` is 1 to 128 visible ASCII characters")]
    KeyIdShape,
    /// Two keys share a `kid`.
    #[error("`kid` `{0}` stands twice: give every key its own")]
    Duplicate(String),
    /// A member of one key breaks a rule.
    #[error("key `{key_id}`: {rule}")]
    Key {
        /// Its `kid`.
        key_id: String,
        /// The rule, as an instruction.
        rule: &'static str,
    },
    /// A key of an algorithm that its issuer does not use.
    #[error(
        "key `{key_id}` is for `{algorithm}`, which the issuer's `algorithms` do not name: add it there, or remove the key"
    )]
    NotListed {
        /// Its `kid`.
        key_id: String,
        /// What it is for.
        algorithm: Algorithm,
    },
    /// A published set without a key that could be used.
    #[error(
        "the key set has no usable key: {skipped} were skipped, for want of a `kid`, or as of another type, use or algorithm"
    )]
    NoneUsable {
        /// How many keys are in the set.
        skipped: usize,
    },
    /// Not a supported algorithm.
    #[error("the algorithms are `EdDSA`, `ES256` and `RS256`")]
    Algorithm,
    /// `RS256` was asked for where keys are made.
    #[error("keys are made for `EdDSA` and `ES256`; `RS256` is only verified, for identity providers")]
    VerifyOnly,
    /// The bytes are not a PKCS#8 private key of this algorithm.
    #[error(
        "the private key is not PKCS#8 of the named algorithm: use the bytes that Airlock wrote, or generate a new key"
    )]
    Private,
    /// The cryptographic library failed, for instance for lack of randomness.
    #[error("the cryptographic library could not {0}")]
    Library(&'static str),
}
