//! The outside of a token: compact JWS serialization, header, signature (RFC 7515).

use serde_json::{Map, Value};

use super::{Segment, TokenRefusal};
use crate::{
    bytes,
    keys::{Algorithm, Algorithms, PublicKey},
    strict_json,
};

/// The `typ` of every Airlock token (RFC 8725 section 3.11).
pub(crate) const TOKEN_TYPE: &str = "airlock+jwt";

pub(crate) const TOKEN_BYTES_MAX: usize = 8 * 1024;
const JSON_DEPTH_MAX: u8 = 8;
const HEADER_MEMBERS: [&str; 3] = ["alg", "typ", "kid"];

/// A token cut into its parts; nothing is decoded or believed yet.
#[derive(Clone, Copy)]
pub(crate) struct Compact<'t> {
    signed: &'t str,
    header: &'t str,
    payload: &'t str,
    signature: &'t str,
}

/// What the header claims: only enough to find the key.
struct Header {
    algorithm: Algorithm,
    key_id: String,
}

impl<'t> Compact<'t> {
    pub(crate) fn split(token: &'t str) -> Result<Self, TokenRefusal> {
        Self::split_within(token, TOKEN_BYTES_MAX)
    }

    /// The same for tokens of another size.
    pub(crate) fn split_within(token: &'t str, bytes_max: usize) -> Result<Self, TokenRefusal> {
        if token.is_empty() {
            return Err(TokenRefusal::Missing);
        }
        if token.len() > bytes_max {
            return Err(TokenRefusal::Oversize);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenRefusal::Segments)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenRefusal::Segments)?;
        if payload.contains('.') {
            return Err(TokenRefusal::Segments);
        }
        Ok(Self { signed, header, payload, signature })
    }

    /// The header's members, without judging them.
    pub(crate) fn header_json(&self) -> Result<Map<String, Value>, TokenRefusal> {
        object(self.header, Segment::Header)
    }

    /// The claims' members, without judging them.
    pub(crate) fn claims_json(&self) -> Result<Map<String, Value>, TokenRefusal> {
        object(self.payload, Segment::Payload)
    }

    /// The `kid` that the header names, if the header is one of ours.
    pub(crate) fn key_id(&self) -> Result<String, TokenRefusal> {
        self.header(Algorithm::ALL.into_iter().collect()).map(|header| header.key_id)
    }

    /// The `iss` that the claims name. Nobody has vouched for it yet.
    pub(crate) fn claimed_issuer(&self) -> Result<Option<String>, TokenRefusal> {
        Ok(self.claims_json()?.get("iss").and_then(Value::as_str).map(str::to_owned))
    }

    fn header(&self, algorithms: Algorithms) -> Result<Header, TokenRefusal> {
        let members = self.header_json()?;
        if members.keys().any(|name| !HEADER_MEMBERS.contains(&name.as_str())) {
            return Err(TokenRefusal::HeaderMember);
        }
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        if text("typ") != Some(TOKEN_TYPE) {
            return Err(TokenRefusal::TokenType);
        }
        let named = text("alg").and_then(|name| name.parse().ok());
        let algorithm = named.filter(|one| algorithms.contains(*one)).ok_or(TokenRefusal::Algorithm)?;
        let key_id = text("kid").ok_or(TokenRefusal::KeyIdMissing)?.to_owned();
        Ok(Header { algorithm, key_id })
    }

    /// Checks the signature alone, with a key of which the caller knows that it is the right one.
    pub(crate) fn signed_by(&self, key: &PublicKey) -> Result<(), TokenRefusal> {
        let signature = self.signature()?;
        if key.signed(self.signed.as_bytes(), &signature) { Ok(()) } else { Err(TokenRefusal::Signature) }
    }

    fn signature(&self) -> Result<Vec<u8>, TokenRefusal> {
        bytes::decode(self.signature).map_err(|_| TokenRefusal::Encoding(Segment::Signature))
    }
}

/// Checks header and signature with the key that `find` has for the `kid`, and returns what was found.
///
/// The key decides the algorithm and the length of the signature; the header may only agree, and names one of `algorithms`,
/// which are those that any key could have. ECDSA signatures are accepted with either of the two
/// possible S values (RFC 7518 asks for none, and common signers emit both), so the text of a token does not identify
/// it: its `jti` does.
pub(crate) fn signature_under<F>(
    token: &Compact<'_>,
    algorithms: Algorithms,
    find: impl FnOnce(&str) -> Result<F, TokenRefusal>,
    key_of: impl FnOnce(&F) -> &PublicKey,
) -> Result<F, TokenRefusal> {
    let header = token.header(algorithms)?;
    let found = find(&header.key_id)?;
    let key = key_of(&found);
    if key.algorithm() != header.algorithm {
        return Err(TokenRefusal::AlgorithmMismatch);
    }
    token.signed_by(key)?;
    Ok(found)
}

fn object(text: &str, segment: Segment) -> Result<Map<String, Value>, TokenRefusal> {
    let decoded = bytes::decode(text).map_err(|_| TokenRefusal::Encoding(segment))?;
    strict_json::object(&decoded, JSON_DEPTH_MAX).map_err(|fault| TokenRefusal::Json(segment, fault))
}
