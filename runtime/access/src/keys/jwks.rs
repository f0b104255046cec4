//! Public keys from a JWK set (RFC 7517, RFC 8037 section 2, RFC 7518 section 6.2).

use std::{collections::BTreeMap, fmt, sync::Arc};

use aws_lc_rs::signature::{self, ParsedPublicKey};
use serde_json::{Map, Value};

use super::{Algorithm, KeyError};
use crate::{bytes, strict_json};

const TEXT_BYTES_MAX: usize = 64 * 1024;
const KEYS_MAX: usize = 64;
const DEPTH_MAX: u8 = 8;
const KEY_ID_LENGTH_MAX: usize = 128;
const COORDINATE_BYTES: usize = 32;

/// Private members of any key type (RFC 7518 section 6, RFC 8037): their presence means a leaked key.
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Encodings of Ed25519 points of small order, sign bit cleared: under such a key anybody can sign (RFC 8032 section
/// 5.1.7 leaves the check to us). The same list as in libsodium.
const SMALL_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

/// The public keys of one issuer, by `kid`. Cheap to clone.
#[derive(Clone)]
pub struct KeySet(Arc<BTreeMap<Box<str>, PublicKey>>);

/// One public key, parsed and checked once, with the one algorithm it may be used with.
pub(crate) struct PublicKey {
    algorithm: Algorithm,
    parsed: ParsedPublicKey,
}

impl KeySet {
    /// Reads a JWK set: at most 64 KiB and 64 keys, all of them Ed25519 or P-256 public keys with their own `kid`.
    ///
    /// `alg` may be absent, since the type of the key leaves one choice; when present it must fit. `use` is absent or
    /// `sig`. Other members are ignored (RFC 7517 section 4), keys of other types are not.
    ///
    /// # Errors
    /// The first rule that is broken, naming the key.
    pub fn parse(jwks_text: &str) -> Result<Self, KeyError> {
        if jwks_text.len() > TEXT_BYTES_MAX {
            return Err(KeyError::Oversize { bytes: jwks_text.len() });
        }
        let set =
            strict_json::object(jwks_text.as_bytes(), DEPTH_MAX).map_err(|why| KeyError::Syntax(why.to_string()))?;
        let Some(Value::Array(listed)) = set.get("keys") else {
            return Err(KeyError::Syntax("has no array `keys`".to_owned()));
        };
        if !(1..=KEYS_MAX).contains(&listed.len()) {
            return Err(KeyError::Count { keys: listed.len() });
        }
        let mut keys = BTreeMap::new();
        for (index, jwk) in listed.iter().enumerate() {
            let Value::Object(jwk) = jwk else {
                return Err(KeyError::Syntax("has a key that is not an object".to_owned()));
            };
            let key_id = key_id(jwk).ok_or(KeyError::KeyId { position: index + 1 })?;
            let key = PublicKey::from_jwk(jwk).map_err(|rule| KeyError::Key { key_id: key_id.to_owned(), rule })?;
            if keys.insert(key_id.into(), key).is_some() {
                return Err(KeyError::Duplicate(key_id.to_owned()));
            }
        }
        Ok(Self(Arc::new(keys)))
    }

    /// How many keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never true: a set without keys does not parse.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every `kid`, sorted.
    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(AsRef::as_ref)
    }

    pub(crate) fn get(&self, key_id: &str) -> Option<&PublicKey> {
        self.0.get(key_id)
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl PublicKey {
    pub(crate) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether `signature` is this key's over `message`; a wrong length is no.
    pub(crate) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        self.parsed.verify_sig(message, signature).is_ok()
    }

    pub(crate) fn from_jwk(jwk: &Map<String, Value>) -> Result<Self, &'static str> {
        if PRIVATE_MEMBERS.iter().any(|member| jwk.contains_key(*member)) {
            return Err(
                "it contains a private key: publish only public keys, and replace this one, it is no longer secret",
            );
        }
        let algorithm = algorithm_of(jwk)?;
        if jwk.get("alg").is_some_and(|alg| alg.as_str() != Some(algorithm.as_str())) {
            return Err("`alg` does not fit `kty`: use `EdDSA` with Ed25519, `ES256` with P-256");
        }
        if jwk.get("use").is_some_and(|usage| usage.as_str() != Some("sig")) {
            return Err("`use` is not `sig`: publish only signature keys");
        }
        if jwk.get("key_ops").is_some_and(|operations| !only_verifies(operations)) {
            return Err("`key_ops` is not [\"verify\"]: publish only signature keys");
        }
        match algorithm {
            Algorithm::EdDsa => ed25519(jwk),
            Algorithm::Es256 => p256(jwk),
        }
    }
}

fn key_id(jwk: &Map<String, Value>) -> Option<&str> {
    jwk.get("kid").and_then(Value::as_str).filter(|text| is_key_id(text))
}

/// What a `kid` may be: 1 to 128 visible ASCII characters, otherwise opaque.
pub(super) fn is_key_id(text: &str) -> bool {
    (1..=KEY_ID_LENGTH_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn algorithm_of(jwk: &Map<String, Value>) -> Result<Algorithm, &'static str> {
    let member = |name: &str| jwk.get(name).and_then(Value::as_str);
    Algorithm::ALL
        .into_iter()
        .find(|algorithm| member("kty") == Some(algorithm.key_type()) && member("crv") == Some(algorithm.curve()))
        .ok_or("unsupported type: use `kty` OKP with `crv` Ed25519, or `kty` EC with `crv` P-256")
}

fn only_verifies(operations: &Value) -> bool {
    operations.as_array().is_some_and(|list| matches!(list.as_slice(), [only] if only.as_str() == Some("verify")))
}

fn coordinate(jwk: &Map<String, Value>, member: &str) -> Option<[u8; COORDINATE_BYTES]> {
    let text = jwk.get(member)?.as_str()?;
    bytes::decode(text).ok()?.try_into().ok()
}

fn ed25519(jwk: &Map<String, Value>) -> Result<PublicKey, &'static str> {
    let x = coordinate(jwk, "x").ok_or("`x` is not 32 bytes of unpadded base64url")?;
    let mut unsigned = x;
    unsigned[COORDINATE_BYTES - 1] &= 0x7f;
    if SMALL_ORDER.contains(&hex::encode(unsigned).as_str()) {
        return Err("`x` is a point of small order, under which anybody can sign: generate a new key");
    }
    let parsed = ParsedPublicKey::new(&signature::ED25519, x).map_err(|_| "`x` is not an Ed25519 public key")?;
    Ok(PublicKey { algorithm: Algorithm::EdDsa, parsed })
}

fn p256(jwk: &Map<String, Value>) -> Result<PublicKey, &'static str> {
    let x = coordinate(jwk, "x").ok_or("`x` is not 32 bytes of unpadded base64url")?;
    let y = coordinate(jwk, "y").ok_or("`y` is not 32 bytes of unpadded base64url")?;
    let point = [&[0x04], x.as_slice(), y.as_slice()].concat();
    let parsed = ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
        .map_err(|_| "`x` and `y` are not a point of P-256")?;
    Ok(PublicKey { algorithm: Algorithm::Es256, parsed })
}

#[cfg(test)]
mod tests;
