//! Signed checkpoints of the audit trail: a compact JWS (RFC 7515) that anybody with the public key can check.
//!
//! Its `typ` is its own, so that it never counts as a token, nor a token as a checkpoint (RFC 8725 section 3.11).

use airlock_model::Digest;
use serde_json::{Map, Value, json};

use crate::{
    keys::{Algorithm, KeyError, KeySet, SigningKey},
    mint,
    verify::Compact,
};

const CHECKPOINT_TYPE: &str = "airlock-checkpoint+jwt";
/// What says that records were removed is of a type of its own: no checkpoint that was kept can be taken for one.
const CUT_TYPE: &str = "airlock-trail-cut+jwt";
const HEADER_MEMBERS: [&str; 3] = ["alg", "typ", "kid"];

/// What a server says about its trail at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointClaims {
    /// Which installation: the `iss` claim.
    pub instance: String,
    /// Number of the last record, 0 before the first.
    pub seq: u64,
    /// Its hash, which covers every record before it.
    pub hash: Digest,
    /// When, in seconds since the Unix epoch: the `iat` claim.
    pub issued_at_unix_s: u64,
}

/// Why a text is not a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointRefusal {
    /// No compact JWS with strict JSON.
    #[error("it is no compact JWS")]
    Shape,
    /// Another kind of token, or a header that asks for more.
    #[error("its header is not exactly `typ`, `alg` and `kid`, or its `typ` is another one")]
    Header,
    /// Nobody's key.
    #[error(
        "its `kid` is none of the keys it is checked with: give every key that signed, also those before a rotation"
    )]
    Key,
    /// `alg` is not the key's.
    #[error("its `alg` is not that of the key")]
    Algorithm,
    /// The signature does not verify.
    #[error("its signature does not verify: it was changed, or somebody else made it")]
    Signature,
    /// A claim is missing or of the wrong type.
    #[error("it lacks one of `iss`, `seq`, `hash` and `iat`")]
    Claims,
}

/// Signs a checkpoint.
///
/// # Errors
/// When the cryptographic library fails.
pub fn sign_checkpoint(key: &SigningKey, claims: &CheckpointClaims) -> Result<String, KeyError> {
    sign(key, CHECKPOINT_TYPE, claims)
}

/// Signs that everything up to a record was removed because its time was over.
///
/// # Errors
/// When the cryptographic library fails.
pub fn sign_cut(key: &SigningKey, claims: &CheckpointClaims) -> Result<String, KeyError> {
    sign(key, CUT_TYPE, claims)
}

fn sign(key: &SigningKey, kind: &str, claims: &CheckpointClaims) -> Result<String, KeyError> {
    let CheckpointClaims { instance, seq, hash, issued_at_unix_s } = claims;
    let claims = json!({ "iss": instance, "seq": seq, "hash": hash, "iat": issued_at_unix_s });
    mint::mint_foreign(key, kind, &claims)
}

/// Checks a checkpoint and reads what it says.
///
/// # Errors
/// The first rule that is broken.
pub fn verify_checkpoint(text: &str, keys: &KeySet) -> Result<CheckpointClaims, CheckpointRefusal> {
    verify(text, CHECKPOINT_TYPE, keys)
}

/// Checks what [`sign_cut`] signed and reads what it says.
///
/// # Errors
/// The first rule that is broken.
pub fn verify_cut(text: &str, keys: &KeySet) -> Result<CheckpointClaims, CheckpointRefusal> {
    verify(text, CUT_TYPE, keys)
}

fn verify(text: &str, kind: &str, keys: &KeySet) -> Result<CheckpointClaims, CheckpointRefusal> {
    let parts = Compact::split(text).map_err(|_| CheckpointRefusal::Shape)?;
    let header = parts.header_json().map_err(|_| CheckpointRefusal::Shape)?;
    let member = |name: &str| header.get(name).and_then(Value::as_str).ok_or(CheckpointRefusal::Header);
    let only_known = header.keys().all(|name| HEADER_MEMBERS.contains(&name.as_str()));
    if !only_known || member("typ")? != kind {
        return Err(CheckpointRefusal::Header);
    }
    let key = keys.get(member("kid")?).ok_or(CheckpointRefusal::Key)?;
    if member("alg")?.parse::<Algorithm>() != Ok(key.algorithm()) {
        return Err(CheckpointRefusal::Algorithm);
    }
    parts.signed_by(key).map_err(|_| CheckpointRefusal::Signature)?;
    read(&parts.claims_json().map_err(|_| CheckpointRefusal::Shape)?)
}

fn read(claims: &Map<String, Value>) -> Result<CheckpointClaims, CheckpointRefusal> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).ok_or(CheckpointRefusal::Claims);
    let number = |name: &str| claims.get(name).and_then(Value::as_u64).ok_or(CheckpointRefusal::Claims);
    Ok(CheckpointClaims {
        instance: text("iss")?.to_owned(),
        seq: number("seq")?,
        hash: text("hash")?.parse().map_err(|_| CheckpointRefusal::Claims)?,
        issued_at_unix_s: number("iat")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bytes,
        fixture::{Fixture, NOW},
        mint_foreign, public_jwks,
    };

    fn claims() -> CheckpointClaims {
        CheckpointClaims {
            instance: "airlock.example".to_owned(),
            seq: 7,
            hash: Digest::of(b"a record"),
            issued_at_unix_s: NOW,
        }
    }

    fn keys_of(fixture: &Fixture) -> KeySet {
        KeySet::parse(&public_jwks(&[&fixture.ed, &fixture.ec])).expect("keys")
    }

    #[test]
    fn what_was_signed_is_read_back_under_either_algorithm() {
        let fixture = Fixture::new();
        for key in [&fixture.ed, &fixture.ec] {
            let text = sign_checkpoint(key, &claims()).expect("signed");
            assert_eq!(verify_checkpoint(&text, &keys_of(&fixture)), Ok(claims()));
        }
    }

    #[test]
    fn what_was_changed_or_made_by_others_does_not_count() {
        let fixture = Fixture::new();
        let keys = keys_of(&fixture);
        let good = sign_checkpoint(&fixture.ed, &claims()).expect("signed");
        let foreign = sign_checkpoint(&fixture.other, &claims()).expect("signed");
        assert_eq!(verify_checkpoint(&foreign, &keys), Err(CheckpointRefusal::Key));
        // Every character of the text counts.
        for at in 0..good.len() {
            let mut changed = good.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("text");
            assert!(verify_checkpoint(&changed, &keys).is_err(), "byte {at} of {good}");
        }
        let lower = serde_json::to_value(6).expect("a number");
        let forged = good.split('.').enumerate().map(|(part, text)| match part {
            1 => {
                let mut claims: Map<String, Value> =
                    serde_json::from_slice(&bytes::decode(text).expect("base64url")).expect("claims");
                claims.insert("seq".to_owned(), lower.clone());
                bytes::encode(Value::Object(claims).to_string())
            }
            _ => text.to_owned(),
        });
        let forged = forged.collect::<Vec<_>>().join(".");
        assert_eq!(verify_checkpoint(&forged, &keys), Err(CheckpointRefusal::Signature));
    }

    #[test]
    fn tokens_and_checkpoints_are_never_mistaken_for_each_other() {
        let fixture = Fixture::new();
        let said = json!({ "iss": "a", "seq": 1, "hash": Digest::of(b"x"), "iat": NOW });
        for kind in ["airlock+jwt", "JWT", "dpop+jwt"] {
            let text = mint_foreign(&fixture.ed, kind, &said).expect("signed");
            assert_eq!(verify_checkpoint(&text, &keys_of(&fixture)), Err(CheckpointRefusal::Header));
        }
        let checkpoint = sign_checkpoint(&fixture.ed, &claims()).expect("signed");
        assert!(fixture.judge(&checkpoint).is_err());
        let cut = sign_cut(&fixture.ed, &claims()).expect("signed");
        assert_eq!(verify_cut(&cut, &keys_of(&fixture)), Ok(claims()));
        assert_eq!(verify_cut(&checkpoint, &keys_of(&fixture)), Err(CheckpointRefusal::Header));
        assert_eq!(verify_checkpoint(&cut, &keys_of(&fixture)), Err(CheckpointRefusal::Header));
        for lacking in ["iss", "seq", "hash", "iat"] {
            let mut said = said.clone();
            said.as_object_mut().expect("claims").remove(lacking);
            let text = mint_foreign(&fixture.ed, CHECKPOINT_TYPE, &said).expect("signed");
            assert_eq!(verify_checkpoint(&text, &keys_of(&fixture)), Err(CheckpointRefusal::Claims), "{lacking}");
        }
    }
}
