//! Sets of public keys (RFC 7517 section 5): strict for our own files, lenient for what others publish.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde_json::{Map, Value};

use super::{
    Algorithms, KeyError, KeyMark, KeyTag, PublicKey,
    jwk::{self, KeyFault},
};
use crate::strict_json;

const TEXT_BYTES_MAX: usize = 64 * 1024;
const KEYS_MAX: usize = 64;
const DEPTH_MAX: u8 = 8;

/// The public keys of one issuer, by `kid`. Cheap to clone.
#[derive(Clone)]
pub struct KeySet(Arc<BTreeMap<Box<str>, PublicKey>>);

/// What could be used of a set that somebody else publishes.
#[derive(Debug, Clone)]
pub struct PublishedKeys {
    /// The usable keys.
    pub keys: KeySet,
    /// How many others there were.
    pub skipped: usize,
}

impl KeySet {
    /// Reads a JWK set of Airlock's own algorithms, as [`Self::parse_with`] does.
    ///
    /// # Errors
    /// The first rule that is broken, naming the key.
    pub fn parse(jwks_text: &str) -> Result<Self, KeyError> {
        Self::parse_with(jwks_text, Algorithms::OWN)
    }

    /// Reads a JWK set: at most 64 KiB and 64 keys, all of them public keys of these algorithms with their own `kid`.
    ///
    /// `alg` may be absent, since the type of the key leaves one choice; when present it must fit. `use` is absent or
    /// `sig`. Other members are ignored (RFC 7517 section 4), keys of other types are not. RSA keys have a modulus of 2048 to
    /// 4096 bits and the exponent 65537.
    ///
    /// # Errors
    /// The first rule that is broken, naming the key.
    pub fn parse_with(jwks_text: &str, algorithms: Algorithms) -> Result<Self, KeyError> {
        let mut keys = BTreeMap::new();
        for (index, jwk) in members(jwks_text)?.iter().enumerate() {
            let key_id = jwk::key_id(jwk).ok_or(KeyError::KeyId { position: index + 1 })?;
            let key =
                PublicKey::from_jwk(jwk).map_err(|KeyFault(rule)| KeyError::Key { key_id: key_id.to_owned(), rule })?;
            if !algorithms.contains(key.algorithm()) {
                return Err(KeyError::NotListed { key_id: key_id.to_owned(), algorithm: key.algorithm() });
            }
            add(&mut keys, key_id, key)?;
        }
        Ok(Self(Arc::new(keys)))
    }

    /// Reads a JWK set as identity providers publish it: keys without `kid`, of another type or use, of an algorithm that is
    /// not one of these, or that break a rule of their type are skipped and counted (RFC 7517 section 5).
    ///
    /// # Errors
    /// When it is no JWK set, over 64 KiB or 64 keys, has a private key anywhere, two usable keys with one `kid`, or no usable
    /// key at all.
    pub fn parse_published(jwks_text: &str, algorithms: Algorithms) -> Result<PublishedKeys, KeyError> {
        let listed = members(jwks_text)?;
        let mut keys = BTreeMap::new();
        for (index, jwk) in listed.iter().enumerate() {
            if let Some(KeyFault(rule)) = jwk::leaked(jwk) {
                let key_id = jwk::key_id(jwk).map_or_else(|| format!("number {}", index + 1), str::to_owned);
                return Err(KeyError::Key { key_id, rule });
            }
            let (Some(key_id), Ok(key)) = (jwk::key_id(jwk), PublicKey::from_jwk(jwk)) else { continue };
            if algorithms.contains(key.algorithm()) {
                add(&mut keys, key_id, key)?;
            }
        }
        let skipped = listed.len() - keys.len();
        if keys.is_empty() {
            return Err(KeyError::NoneUsable { skipped });
        }
        Ok(PublishedKeys { keys: Self(Arc::new(keys)), skipped })
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

    /// Whether there is a key with this `kid`.
    #[must_use]
    pub fn contains(&self, key_id: &str) -> bool {
        self.0.contains_key(key_id)
    }

    /// The algorithms of the keys.
    pub(crate) fn algorithms(&self) -> Algorithms {
        self.0.values().map(PublicKey::algorithm).collect()
    }

    pub(crate) fn get(&self, key_id: &str) -> Option<&PublicKey> {
        self.0.get(key_id)
    }

    /// Whether the very same key is here, under the same `kid`.
    pub(crate) fn has(&self, mark: &KeyMark) -> bool {
        self.0.values().any(|key| key.mark() == mark)
    }

    /// Whether the key that tokens name so is here.
    #[must_use]
    pub fn has_tagged(&self, tag: KeyTag) -> bool {
        self.0.values().any(|key| KeyTag::from(key.mark()) == tag)
    }
}

/// The very same keys under the same names.
impl PartialEq for KeySet {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self.0.values().zip(other.0.values()).all(|(one, two)| one.mark() == two.mark())
    }
}

impl Eq for KeySet {}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The objects in `keys`, 1 to 64 of them.
fn members(jwks_text: &str) -> Result<Vec<Map<String, Value>>, KeyError> {
    if jwks_text.len() > TEXT_BYTES_MAX {
        return Err(KeyError::Oversize { bytes: jwks_text.len() });
    }
    let mut set =
        strict_json::object(jwks_text.as_bytes(), DEPTH_MAX).map_err(|why| KeyError::Syntax(why.to_string()))?;
    let Some(Value::Array(listed)) = set.remove("keys") else {
        return Err(KeyError::Syntax("has no array `keys`".to_owned()));
    };
    if !(1..=KEYS_MAX).contains(&listed.len()) {
        return Err(KeyError::Count { keys: listed.len() });
    }
    let object = |jwk| match jwk {
        Value::Object(members) => Ok(members),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(KeyError::Syntax("has a key that is not an object".to_owned()))
        }
    };
    listed.into_iter().map(object).collect()
}

fn add(keys: &mut BTreeMap<Box<str>, PublicKey>, key_id: &str, key: PublicKey) -> Result<(), KeyError> {
    match keys.insert(key_id.into(), key) {
        None => Ok(()),
        Some(_) => Err(KeyError::Duplicate(key_id.to_owned())),
    }
}

#[cfg(test)]
mod tests;
