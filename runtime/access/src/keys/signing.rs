//! Private keys, for minting.

use std::fmt;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{Algorithm, KeyError, jwk::is_key_id};
use crate::bytes;

/// A private key with its `kid`, for Ed25519 or P-256: what signs with RSA are identity providers. Neither `Clone` nor
/// printable.
pub struct SigningKey {
    key_id: Box<str>,
    pair: Pair,
}

/// A private key as PKCS#8 bytes (RFC 5958): zeroed on drop, `Debug` shows nothing.
pub struct Pkcs8(Zeroizing<Vec<u8>>);

enum Pair {
    EdDsa(Ed25519KeyPair),
    Es256(EcdsaKeyPair),
}

impl SigningKey {
    /// Generates a key. `key_id` becomes the `kid`, 1 to 128 visible ASCII characters.
    ///
    /// # Errors
    /// When `key_id` is not usable, no randomness is available, or the algorithm is only verified.
    pub fn generate(algorithm: Algorithm, key_id: &str) -> Result<Self, KeyError> {
        let failed = |_| KeyError::Library("generate a key");
        let pair = match algorithm {
            Algorithm::EdDsa => Pair::EdDsa(Ed25519KeyPair::generate().map_err(failed)?),
            Algorithm::Es256 => Pair::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?),
            Algorithm::Rs256 => return Err(KeyError::VerifyOnly),
        };
        Self::new(key_id, pair)
    }

    /// Reads a key that [`Self::to_pkcs8`] wrote.
    ///
    /// # Errors
    /// When `key_id` is not usable, or the bytes are not PKCS#8 of this algorithm.
    pub fn from_pkcs8(algorithm: Algorithm, key_id: &str, bytes: &[u8]) -> Result<Self, KeyError> {
        let rejected = |_| KeyError::Private;
        let pair = match algorithm {
            Algorithm::EdDsa => Pair::EdDsa(Ed25519KeyPair::from_pkcs8(bytes).map_err(rejected)?),
            Algorithm::Es256 => {
                Pair::Es256(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes).map_err(rejected)?)
            }
            Algorithm::Rs256 => return Err(KeyError::VerifyOnly),
        };
        Self::new(key_id, pair)
    }

    fn new(key_id: &str, pair: Pair) -> Result<Self, KeyError> {
        if !is_key_id(key_id) {
            return Err(KeyError::KeyIdShape);
        }
        Ok(Self { key_id: key_id.into(), pair })
    }

    /// The private key, for storage in a file that only its owner can read.
    ///
    /// # Errors
    /// When the library cannot encode it.
    pub fn to_pkcs8(&self) -> Result<Pkcs8, KeyError> {
        let failed = |_| KeyError::Library("encode the private key");
        let document = match &self.pair {
            Pair::EdDsa(pair) => pair.to_pkcs8().map_err(failed)?,
            Pair::Es256(pair) => pair.to_pkcs8v1().map_err(failed)?,
        };
        Ok(Pkcs8(Zeroizing::new(document.as_ref().to_vec())))
    }

    /// The `kid`.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The only algorithm the key signs with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::EdDsa(_) => Algorithm::EdDsa,
            Pair::Es256(_) => Algorithm::Es256,
        }
    }

    /// The public half as a JWK with `kid`, `alg` and `use`.
    #[must_use]
    pub fn public_jwk(&self) -> Value {
        let (algorithm, key_id) = (self.algorithm(), &self.key_id);
        let (kty, crv, alg) = (algorithm.key_type(), algorithm.curve(), algorithm.as_str());
        match &self.pair {
            Pair::EdDsa(pair) => {
                let x = bytes::encode(pair.public_key());
                json!({"kty": kty, "crv": crv, "kid": key_id, "alg": alg, "use": "sig", "x": x})
            }
            Pair::Es256(pair) => {
                // An uncompressed point (SEC 1 section 2.3.3): 0x04, then both coordinates of equal length.
                let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
                let (x, y) = point.split_at(point.len() / 2);
                let (x, y) = (bytes::encode(x), bytes::encode(y));
                json!({"kty": kty, "crv": crv, "kid": key_id, "alg": alg, "use": "sig", "x": x, "y": y})
            }
        }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signature = match &self.pair {
            Pair::EdDsa(pair) => pair.try_sign(message),
            Pair::Es256(pair) => pair.sign(&SystemRandom::new(), message),
        };
        signature.map(|signature| signature.as_ref().to_vec()).map_err(|_| KeyError::Library("sign"))
    }
}

impl Pkcs8 {
    /// The bytes. Write them nowhere that others can read.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Pkcs8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pkcs8(..)")
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, `{}`, ..)", self.algorithm(), self.key_id)
    }
}

/// The JWK set of the public halves, as text that [`super::KeySet::parse`] takes.
#[must_use]
pub fn public_jwks(keys: &[&SigningKey]) -> String {
    let keys: Vec<_> = keys.iter().map(|key| key.public_jwk()).collect();
    json!({ "keys": keys }).to_string()
}
