//! Tokens that only their holder may use: the claim `cnf` (RFC 7800), and what a caller shows of itself beside the token.
//!
//! A token can be bound to a client certificate (`x5t#S256`, RFC 8705 section 3.1), to a key whose use is shown with each
//! request (`jkt`, RFC 9449 section 6.1), or to both. What is remembered of verified tokens is the token alone: whether it
//! comes from its holder is asked on every call.

use std::{fmt, sync::Arc};

use airlock_model::Principal;
use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    bytes,
    dpop::{self, Moment, Proof, ProofRefusal},
    keys::KeyError,
    signature,
    verify::VerifiedToken,
};

/// The member of `cnf` that names a certificate (RFC 8705 section 3.1).
const CERTIFICATE: &str = "x5t#S256";
/// The member of `cnf` that names a key (RFC 9449 section 6.1).
const KEY: &str = "jkt";
const KEY_BYTES_MAX: usize = 16 << 10;

/// SHA-256 of a certificate in DER (RFC 8705 section 3.1), or of a public key as RFC 7638 spells it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Thumbprint([u8; 32]);

impl Thumbprint {
    /// Of these bytes: a whole certificate in DER.
    #[must_use]
    pub fn of_certificate(der: &[u8]) -> Self {
        let mut bytes = [0; 32];
        // SHA-256 always has 32 bytes, so both slices have the same length.
        bytes.copy_from_slice(digest(&SHA256, der).as_ref());
        Self(bytes)
    }

    /// Of a public key: a JWK, or a JWK set of one key, Ed25519 or P-256.
    ///
    /// # Errors
    /// When it is neither, a private key, or larger than 16 KiB.
    pub fn of_public_key(jwk_text: &str) -> Result<Self, KeyError> {
        if jwk_text.len() > KEY_BYTES_MAX {
            return Err(KeyError::Oversize { bytes: jwk_text.len() });
        }
        let jwk = signature::from_json(jwk_text)?;
        let (_, thumbprint) =
            dpop::public_key(&jwk).map_err(|rule| KeyError::Key { key_id: "holder".to_owned(), rule })?;
        Ok(thumbprint)
    }

    pub(crate) fn of(text: &str) -> Self {
        Self::of_certificate(text.as_bytes())
    }

    /// As base64url without padding, in its one spelling.
    pub(crate) fn read(value: &Value) -> Option<Self> {
        bytes::decode(value.as_str()?).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bytes::encode(self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbprint({self})")
    }
}

/// Whom a token is bound to; where it names both, both have to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confirmation {
    certificate: Option<Thumbprint>,
    key: Option<Thumbprint>,
}

impl Confirmation {
    /// Bound to a certificate, to a key or to both; `None` when to neither.
    #[must_use]
    pub fn new(certificate: Option<Thumbprint>, key: Option<Thumbprint>) -> Option<Self> {
        (certificate.is_some() || key.is_some()).then_some(Self { certificate, key })
    }

    /// Reads a `cnf`. A member that is not understood would narrow the token further, so it is not passed over.
    pub(crate) fn read(claim: &Value) -> Option<Self> {
        let members = claim.as_object()?;
        let known = |name: &str| members.get(name).map(|value| Thumbprint::read(value).ok_or(()));
        let (certificate, key) = (known(CERTIFICATE).transpose().ok()?, known(KEY).transpose().ok()?);
        let understood = usize::from(certificate.is_some()) + usize::from(key.is_some());
        if members.len() == understood { Self::new(certificate, key) } else { None }
    }

    /// Whether a key is named, so that the token is sent with the scheme `DPoP`.
    #[must_use]
    pub const fn names_key(&self) -> bool {
        self.key.is_some()
    }

    /// As the claim has it.
    pub(crate) fn to_json(self) -> Value {
        let mut members = Map::new();
        let named = [(CERTIFICATE, self.certificate), (KEY, self.key)];
        members.extend(named.into_iter().filter_map(|(name, of)| Some((name.to_owned(), json!(of?.to_string())))));
        Value::Object(members)
    }
}

impl fmt::Display for Confirmation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_json().fmt(f)
    }
}

/// What a request shows of its sender beside the token. Made once for each request.
#[derive(Debug, Clone, Default)]
pub struct Sender {
    /// Thumbprint of the certificate that the client of the connection has shown and that was verified.
    pub certificate: Option<Thumbprint>,
    /// Set when the token came with the authorization scheme `DPoP`, or when the request asks for a token with a proof.
    pub proof: Option<Arc<Proof>>,
}

/// A token as it was presented.
#[derive(Clone, Copy, Default)]
pub struct Presented<'a> {
    /// Its text, without the scheme; `None` when there was none.
    pub token: Option<&'a str>,
    /// Who presents it; `None` shows nothing.
    pub sender: Option<&'a Sender>,
}

impl<'a> Presented<'a> {
    /// By somebody who shows nothing else.
    #[must_use]
    pub const fn bearer(token: Option<&'a str>) -> Self {
        Self { token, sender: None }
    }
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Presented(..)")
    }
}

/// Whether tokens have to be bound to their holder: `[tokens] sender_bound`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SenderPolicy {
    /// Bound tokens are held to it, others are bearer tokens.
    #[default]
    Accept,
    /// A token that is not bound is refused.
    Require,
}

/// Why a good token is refused from this sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SenderRefusal {
    /// `[tokens] sender_bound = "require"`.
    #[error("the token has no `cnf`, and `[tokens] sender_bound` asks for one")]
    Unbound,
    /// `x5t#S256`, but the connection has none.
    #[error("the token is bound to a client certificate, and the connection shows none that was verified")]
    CertificateMissing,
    /// `x5t#S256` of another one.
    #[error("the token is bound to another client certificate than that of the connection")]
    CertificateOther,
    /// The scheme promises what the token does not ask for (RFC 9449 section 7.1).
    #[error("the token came with the scheme `DPoP` and is not bound to a key: `cnf` has no `jkt`")]
    NoKey,
    /// `jkt`, with the scheme `Bearer` (RFC 9449 section 7.1).
    #[error("the token is bound to a key: send it with the scheme `DPoP` and a proof")]
    ProofMissing,
    /// The proof is no good.
    #[error(transparent)]
    Proof(#[from] ProofRefusal),
}

impl Sender {
    /// Whom a token is to be bound to that this sender asks for: to all that it shows (RFC 8705 section 3, RFC 9449 section 5).
    /// Uses its proof up. `principal` is who the token will be of.
    pub(crate) fn confirmation(
        &self,
        principal: &Principal,
        moment: &Moment<'_>,
    ) -> Result<Option<Confirmation>, ProofRefusal> {
        let key = self.proof.as_deref().map(|proof| proof.holder(principal, moment)).transpose()?;
        Ok(Confirmation::new(self.certificate, key))
    }
}

impl Presented<'_> {
    /// Whether the holder of the token presents it. `token` is what `self.token` verified as.
    pub(crate) fn check(
        self,
        token: &VerifiedToken,
        policy: SenderPolicy,
        moment: &Moment<'_>,
    ) -> Result<(), SenderRefusal> {
        let shown = self.sender.and_then(|sender| sender.certificate);
        let proof = self.sender.and_then(|sender| sender.proof.as_deref());
        let (certificate, key) = token.confirmation().map_or((None, None), |bound| (bound.certificate, bound.key));
        if policy == SenderPolicy::Require && certificate.is_none() && key.is_none() {
            return Err(SenderRefusal::Unbound);
        }
        if let Some(bound) = certificate {
            let shown = shown.ok_or(SenderRefusal::CertificateMissing)?;
            if shown != bound {
                return Err(SenderRefusal::CertificateOther);
            }
        }
        match (key, proof) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err(SenderRefusal::NoKey),
            (Some(_), None) => Err(SenderRefusal::ProofMissing),
            (Some(key), Some(proof)) => {
                Ok(proof.check((key, Thumbprint::of(self.token.unwrap_or_default())), token.principal(), moment)?)
            }
        }
    }
}

#[cfg(test)]
mod tests;
