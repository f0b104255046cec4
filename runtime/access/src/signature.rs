//! Signed components: Ed25519 (RFC 8032) over the digest of a component.
//!
//! What is signed is [`DOMAIN`] and the SHA-256 of the component's bytes in lower-case hexadecimal, so that a signature made
//! for anything else never counts here, nor this one elsewhere.

use airlock_model::Digest;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};

use crate::{
    bytes,
    keys::{Algorithm, KeyError, PublicKey, SigningKey},
    strict_json,
};

/// What stands before the digest.
const DOMAIN: &str = "airlock component signature 1\n";
/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;
const KEY_BYTES_MAX: usize = 16 * 1024;
const DEPTH_MAX: u8 = 8;
/// An Ed25519 public key as SubjectPublicKeyInfo (RFC 8410 section 4), but for the 32 bytes of the key itself.
const SPKI_ED25519: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const PEM_BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const PEM_END: &str = "-----END PUBLIC KEY-----";

/// The public key of somebody who signs components.
pub struct SignerKey(PublicKey);

impl SignerKey {
    /// Reads an Ed25519 public key: PEM (`PUBLIC KEY`, as `openssl pkey -pubout` writes it), a JWK, or a JWK set of one key.
    ///
    /// # Errors
    /// When it is none of these, another algorithm, a private key, or one under which anybody could sign.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if text.len() > KEY_BYTES_MAX {
            return Err(KeyError::Oversize { bytes: text.len() });
        }
        let jwk = if text.trim_start().starts_with("-----") { from_pem(text)? } else { from_json(text)? };
        let refuse = |rule| KeyError::Key { key_id: "signer".to_owned(), rule };
        let key = PublicKey::from_jwk(&jwk).map_err(|fault| refuse(fault.0))?;
        if key.algorithm() != Algorithm::EdDsa {
            return Err(refuse("components are signed with Ed25519: make a key with `airlock keys new-signer`"));
        }
        Ok(Self(key))
    }
}

fn from_pem(text: &str) -> Result<Map<String, Value>, KeyError> {
    let wrong = || KeyError::Syntax("is no PEM of one Ed25519 public key (`-----BEGIN PUBLIC KEY-----`)".to_owned());
    let inner = text.trim().strip_prefix(PEM_BEGIN).and_then(|rest| rest.strip_suffix(PEM_END)).ok_or_else(wrong)?;
    let base64: String = inner.split_ascii_whitespace().collect();
    let der = BASE64_STANDARD.decode(base64).map_err(|_| wrong())?;
    let key = der.strip_prefix(SPKI_ED25519.as_slice()).filter(|key| key.len() == 32).ok_or_else(wrong)?;
    let Value::Object(jwk) = json!({"kty": "OKP", "crv": "Ed25519", "x": bytes::encode(key)}) else {
        return Err(wrong());
    };
    Ok(jwk)
}

pub(crate) fn from_json(text: &str) -> Result<Map<String, Value>, KeyError> {
    let mut object =
        strict_json::object(text.as_bytes(), DEPTH_MAX).map_err(|why| KeyError::Syntax(why.to_string()))?;
    match object.remove("keys") {
        None => Ok(object),
        Some(Value::Array(mut keys)) if keys.len() == 1 => match keys.pop() {
            Some(Value::Object(key)) => Ok(key),
            _ => Err(KeyError::Syntax("has a key that is not an object".to_owned())),
        },
        Some(_) => Err(KeyError::Syntax("has not exactly one key".to_owned())),
    }
}

/// A component whose signature was checked. Only [`verify_component`] makes one.
#[must_use]
#[derive(Debug)]
pub struct SignedComponent {
    digest: Digest,
    signer: String,
}

impl SignedComponent {
    /// Of the bytes that are signed.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The name of the key in the configuration.
    #[must_use]
    pub fn signer(&self) -> &str {
        &self.signer
    }
}

/// Why a signature does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureRefusal {
    /// Not [`SIGNATURE_BYTES`] long.
    #[error("the signature has {0} bytes, and an Ed25519 signature has {SIGNATURE_BYTES}")]
    Length(usize),
    /// No key made it over this component.
    #[error("the signature is by none of the signers that count here, or is that of another component")]
    Unknown,
}

/// Checks who of `signers` has signed a component.
///
/// # Errors
/// When nobody has.
pub fn verify_component<'a>(
    digest: Digest,
    signature: &[u8],
    signers: impl IntoIterator<Item = (&'a str, &'a SignerKey)>,
) -> Result<SignedComponent, SignatureRefusal> {
    if signature.len() != SIGNATURE_BYTES {
        return Err(SignatureRefusal::Length(signature.len()));
    }
    let message = message(&digest);
    let signer = signers.into_iter().find(|(_, key)| key.0.signed(&message, signature));
    let (signer, _) = signer.ok_or(SignatureRefusal::Unknown)?;
    Ok(SignedComponent { digest, signer: signer.to_owned() })
}

/// Signs a component.
///
/// # Errors
/// When the key is not Ed25519, or the library fails.
pub fn sign_component(key: &SigningKey, digest: &Digest) -> Result<Vec<u8>, KeyError> {
    match key.algorithm() {
        Algorithm::EdDsa => key.sign(&message(digest)),
        Algorithm::Es256 | Algorithm::Rs256 => Err(KeyError::Algorithm),
    }
}

fn message(digest: &Digest) -> Vec<u8> {
    format!("{DOMAIN}{digest}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::public_jwks;

    fn key(name: &str) -> (SigningKey, SignerKey) {
        let key = SigningKey::generate(Algorithm::EdDsa, name).expect("a key");
        let public = SignerKey::parse(&public_jwks(&[&key])).expect("a public key");
        (key, public)
    }

    #[test]
    fn a_signature_counts_for_its_component_and_key_alone() {
        let (key, public) = key("ci");
        let (_, other) = self::key("other");
        let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
        let signature = sign_component(&key, &one).expect("signed");
        let signed = verify_component(one, &signature, [("other", &other), ("ci", &public)]).expect("by ci");
        assert_eq!((signed.signer(), signed.digest()), ("ci", one));
        let refused =
            |digest, signature: &[u8], key| verify_component(digest, signature, [("x", key)]).expect_err("no");
        assert_eq!(refused(two, &signature, &public), SignatureRefusal::Unknown);
        assert_eq!(refused(one, &signature, &other), SignatureRefusal::Unknown);
        assert_eq!(refused(one, &[], &public), SignatureRefusal::Length(0));
        assert_eq!(refused(one, &[signature.as_slice(), &[0]].concat(), &public), SignatureRefusal::Length(65));
        for at in 0..SIGNATURE_BYTES * 8 {
            let mut flipped = signature.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert_eq!(refused(one, &flipped, &public), SignatureRefusal::Unknown, "bit {at}");
        }
        // Without the words before it, the digest alone is nothing that was signed.
        let bare = key.sign(one.to_string().as_bytes()).expect("signed");
        assert_eq!(refused(one, &bare, &public), SignatureRefusal::Unknown);
    }

    #[test]
    fn keys_are_read_as_pem_and_jwk_and_others_are_refused() {
        // RFC 8410 section 10.1.
        let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
        assert!(SignerKey::parse(pem).is_ok());
        let p256 = SigningKey::generate(Algorithm::Es256, "p").expect("a key");
        let (one, _) = key("a");
        let (two, _) = key("b");
        let small = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n-----END PUBLIC KEY-----";
        for text in [
            "",
            "{}",
            &pem.replace("MCow", "MCox"),
            &pem.replace("PUBLIC", "PRIVATE"),
            &format!("{pem}{pem}"),
            &public_jwks(&[&p256]),
            &public_jwks(&[&one, &two]),
            small,
            &" ".repeat(KEY_BYTES_MAX + 1),
        ] {
            assert!(SignerKey::parse(text).is_err(), "{text}");
        }
        assert!(sign_component(&p256, &Digest::of(b"x")).is_err());
    }
}
