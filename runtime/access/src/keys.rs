//! Keys: public ones that tokens are checked with, private ones that tokens are minted with.

mod file;
mod jwks;
mod signing;

use std::{fmt, str::FromStr};

pub(crate) use self::jwks::PublicKey;
pub use self::{
    jwks::KeySet,
    signing::{Pkcs8, SigningKey, public_jwks},
};

/// A signature algorithm (RFC 7518 section 3.1, RFC 8037). It belongs to the key; a header never chooses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Ed25519, `kty` OKP.
    EdDsa,
    /// ECDSA on P-256 with SHA-256, `kty` EC. Signatures are 64 bytes, R then S.
    Es256,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 2] = [Self::EdDsa, Self::Es256];

    /// The name in JOSE headers and keys.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
        }
    }

    const fn key_type(self) -> &'static str {
        match self {
            Self::EdDsa => "OKP",
            Self::Es256 => "EC",
        }
    }

    const fn curve(self) -> &'static str {
        match self {
            Self::EdDsa => "Ed25519",
            Self::Es256 => "P-256",
        }
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
    /// Not a supported algorithm.
    #[error("the algorithms are `EdDSA` and `ES256`")]
    Algorithm,
    /// The bytes are not a PKCS#8 private key of this algorithm.
    #[error(
        "the private key is not PKCS#8 of the named algorithm: use the bytes that Airlock wrote, or generate a new key"
    )]
    Private,
    /// The cryptographic library failed, for instance for lack of randomness.
    #[error("the cryptographic library could not {0}")]
    Library(&'static str),
}
