//! One public key (RFC 7517 section 4, RFC 8037 section 2, RFC 7518 section 6).

use std::fmt;

use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{self, ParsedPublicKey, RsaPublicKeyComponents},
};
use serde_json::{Map, Value};

use super::{Algorithm, roca};
use crate::bytes;

const KEY_ID_LENGTH_MAX: usize = 128;
const COORDINATE_BYTES: usize = 32;
/// Ed25519 (RFC 8032 section 5.1.6) and ECDSA on P-256 (RFC 7518 section 3.4) sign with as many.
const SHORT_SIGNATURE_BYTES: usize = 64;
/// RFC 7518 section 3.3 asks for 2048 bits at least. Above 4096 a check costs more than it is worth to anybody.
const MODULUS_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;
/// 65537, the one exponent in use: small ones have a history, large ones make each check slow.
const EXPONENT: &str = "AQAB";
const EXPONENT_BYTES: &[u8] = &[1, 0, 1];

/// Private members of any key type (RFC 7518 section 6, RFC 8037): their presence means a leaked key.
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Encodings of Ed25519 points of small order, sign bit cleared: under such a key anybody can sign (RFC 8032 section
/// 5.1.7 leaves the check to us). The same list as in libsodium.
pub(super) const SMALL_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

/// One public key, parsed and checked once, with the one algorithm it may be used with.
pub(crate) struct PublicKey {
    algorithm: Algorithm,
    parsed: ParsedPublicKey,
    signature_bytes: usize,
    mark: KeyMark,
}

/// Tells a key, with its `kid`, from every other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyMark([u8; 32]);

/// Half of a [`KeyMark`]: how tokens name the keys of those that they were derived from. Only the server writes it, so that
/// nobody can look for another key with the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyTag([u8; 16]);

/// The rule that a key breaks, as an instruction.
#[derive(Debug)]
pub(crate) struct KeyFault(pub(crate) &'static str);

impl KeyMark {
    fn of(key_id: &str, algorithm: Algorithm, parsed: &ParsedPublicKey) -> Self {
        // Neither name has a NUL, so no two keys write the same text.
        let text = [key_id.as_bytes(), b"\0", algorithm.as_str().as_bytes(), b"\0", parsed.as_ref()].concat();
        let mut mark = [0; 32];
        // SHA-256 always has 32 bytes, so both slices have the same length.
        mark.copy_from_slice(digest(&SHA256, &text).as_ref());
        Self(mark)
    }
}

impl KeyTag {
    /// Reads what [`fmt::Display`] writes.
    pub(crate) fn read(text: &str) -> Option<Self> {
        bytes::decode(text).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for KeyTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bytes::encode(self.0))
    }
}

impl From<&KeyMark> for KeyTag {
    fn from(KeyMark(mark): &KeyMark) -> Self {
        let mut tag = [0; 16];
        tag.iter_mut().zip(mark).for_each(|(one, byte)| *one = *byte);
        Self(tag)
    }
}

impl PublicKey {
    pub(crate) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) const fn mark(&self) -> &KeyMark {
        &self.mark
    }

    /// Whether `signature` is this key's over `message`; a wrong length is no.
    pub(crate) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        signature.len() == self.signature_bytes && self.parsed.verify_sig(message, signature).is_ok()
    }

    pub(crate) fn from_jwk(jwk: &Map<String, Value>) -> Result<Self, KeyFault> {
        if let Some(leaked) = leaked(jwk) {
            return Err(leaked);
        }
        let algorithm = algorithm_of(jwk)?;
        if jwk.get("alg").is_some_and(|alg| alg.as_str() != Some(algorithm.as_str())) {
            return Err(KeyFault(
                "`alg` does not fit `kty`: use `EdDSA` with Ed25519, `ES256` with P-256, `RS256` with RSA",
            ));
        }
        if jwk.get("use").is_some_and(|usage| usage.as_str() != Some("sig")) {
            return Err(KeyFault("`use` is not `sig`: publish only signature keys"));
        }
        if jwk.get("key_ops").is_some_and(|operations| !only_verifies(operations)) {
            return Err(KeyFault("`key_ops` is not [\"verify\"]: publish only signature keys"));
        }
        let (parsed, signature_bytes) = match algorithm {
            Algorithm::EdDsa => (ed25519(jwk)?, SHORT_SIGNATURE_BYTES),
            Algorithm::Es256 => (p256(jwk)?, SHORT_SIGNATURE_BYTES),
            Algorithm::Rs256 => rsa(jwk)?,
        };
        let mark = KeyMark::of(key_id(jwk).unwrap_or_default(), algorithm, &parsed);
        Ok(Self { algorithm, parsed, signature_bytes, mark })
    }
}

/// What is wrong with a key that shows its private half.
pub(super) fn leaked(jwk: &Map<String, Value>) -> Option<KeyFault> {
    PRIVATE_MEMBERS.iter().any(|member| jwk.contains_key(*member)).then_some(KeyFault(
        "it contains a private key: publish only public keys, and replace this one, it is no longer secret",
    ))
}

pub(super) fn key_id(jwk: &Map<String, Value>) -> Option<&str> {
    jwk.get("kid").and_then(Value::as_str).filter(|text| is_key_id(text))
}

/// What a `kid` may be: 1 to 128 visible ASCII characters, otherwise opaque.
pub(crate) fn is_key_id(text: &str) -> bool {
    (1..=KEY_ID_LENGTH_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn algorithm_of(jwk: &Map<String, Value>) -> Result<Algorithm, KeyFault> {
    let member = |name: &str| jwk.get(name).and_then(Value::as_str);
    let fits = |algorithm: &Algorithm| {
        member("kty") == Some(algorithm.key_type())
            && algorithm.curve().is_none_or(|curve| member("crv") == Some(curve))
    };
    Algorithm::ALL
        .into_iter()
        .find(fits)
        .ok_or(KeyFault("unsupported type: use `kty` OKP with `crv` Ed25519, `kty` EC with `crv` P-256, or `kty` RSA"))
}

fn only_verifies(operations: &Value) -> bool {
    operations.as_array().is_some_and(|list| matches!(list.as_slice(), [only] if only.as_str() == Some("verify")))
}

fn coordinate(jwk: &Map<String, Value>, member: &str) -> Option<[u8; COORDINATE_BYTES]> {
    let text = jwk.get(member)?.as_str()?;
    bytes::decode(text).ok()?.try_into().ok()
}

fn ed25519(jwk: &Map<String, Value>) -> Result<ParsedPublicKey, KeyFault> {
    let x = coordinate(jwk, "x").ok_or(KeyFault("`x` is not 32 bytes of unpadded base64url"))?;
    let mut unsigned = x;
    unsigned[COORDINATE_BYTES - 1] &= 0x7f;
    if SMALL_ORDER.contains(&hex::encode(unsigned).as_str()) {
        return Err(KeyFault("`x` is a point of small order, under which anybody can sign: generate a new key"));
    }
    ParsedPublicKey::new(&signature::ED25519, x).map_err(|_| KeyFault("`x` is not an Ed25519 public key"))
}

fn p256(jwk: &Map<String, Value>) -> Result<ParsedPublicKey, KeyFault> {
    let x = coordinate(jwk, "x").ok_or(KeyFault("`x` is not 32 bytes of unpadded base64url"))?;
    let y = coordinate(jwk, "y").ok_or(KeyFault("`y` is not 32 bytes of unpadded base64url"))?;
    let point = [&[0x04], x.as_slice(), y.as_slice()].concat();
    ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
        .map_err(|_| KeyFault("`x` and `y` are not a point of P-256"))
}

/// The key, and how long its signatures are: as long as the modulus (RFC 8017 section 8.2.2).
fn rsa(jwk: &Map<String, Value>) -> Result<(ParsedPublicKey, usize), KeyFault> {
    let member = |name: &str| jwk.get(name).and_then(Value::as_str);
    if member("e") != Some(EXPONENT) {
        return Err(KeyFault("`e` is not `AQAB`: only RSA keys with the exponent 65537 are accepted"));
    }
    let modulus =
        member("n").and_then(|text| bytes::decode(text).ok()).ok_or(KeyFault("`n` is not unpadded base64url"))?;
    // RFC 7518 section 6.3.1.1: as few bytes as hold the number.
    let first = modulus.first().filter(|first| **first != 0).ok_or(KeyFault("`n` is empty or begins with a zero"))?;
    let bits = modulus.len() * 8 - first.leading_zeros() as usize;
    if !MODULUS_BITS.contains(&bits) {
        return Err(KeyFault("`n` is not of 2048 to 4096 bits: use an RSA key of that size"));
    }
    if modulus.last().is_none_or(|last| last % 2 == 0) {
        return Err(KeyFault("`n` is even, and so no product of two large primes"));
    }
    if roca::is_weak(&modulus) {
        return Err(KeyFault(
            "`n` is of a generator whose keys can be factored (ROCA, CVE-2017-15361): generate a new key",
        ));
    }
    let components = RsaPublicKeyComponents { n: modulus.as_slice(), e: EXPONENT_BYTES };
    let parsed = components
        .to_parsed_public_key(&signature::RSA_PKCS1_2048_8192_SHA256)
        .map_err(|_| KeyFault("`n` is not an RSA modulus"))?;
    Ok((parsed, modulus.len()))
}
