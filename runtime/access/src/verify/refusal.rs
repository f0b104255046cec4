//! Why a token is refused: one public text, one precise reason for the log.

use std::fmt;

use airlock_model::{Failure, Reason};

use super::Claim;
use crate::{sender::SenderRefusal, strict_json::JsonFault};

/// One of the three parts of a compact JWS (RFC 7515 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the parts")]
pub enum Segment {
    Header,
    Payload,
    Signature,
}

/// What is wrong with a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimFault {
    /// Required, and not there.
    Missing,
    /// Another JSON type than the claim has; a number that is not a non-negative integer is one.
    Type,
    /// The right type, but no legal value.
    Value,
}

/// The precise reason for a refusal: for the log and `airlock token inspect`, never for the caller.
///
/// One variant for each rule, so that tests and operators can tell them apart; none carries text from the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    /// No token.
    #[error("no token was sent")]
    Missing,
    /// More than 8 KiB.
    #[error("the token is larger than 8192 bytes")]
    Oversize,
    /// Not exactly two dots.
    #[error("the token is not three parts joined by dots")]
    Segments,
    /// A part is not canonical base64url.
    #[error("the {0} is not canonical base64url: no padding, no whitespace, no stray trailing bits")]
    Encoding(Segment),
    /// Header or payload is not a strict JSON object.
    #[error("the {0} {1}")]
    Json(Segment, JsonFault),
    /// Anything beside `alg`, `typ` and `kid`: `crit`, `jku`, `jwk`, `x5u`, `x5c`, `b64`, `zip`, `cty` and the rest.
    #[error("the header has a member other than `alg`, `typ` and `kid`")]
    HeaderMember,
    /// `typ` is absent or something else (RFC 8725 section 3.11).
    #[error("the header's `typ` is not `airlock+jwt`")]
    TokenType,
    /// `alg` is absent or none that any issuer may use; also `none` and every HMAC.
    #[error("the header's `alg` is none that an issuer may use")]
    Algorithm,
    /// `kid` is absent or not a text.
    #[error("the header has no `kid`")]
    KeyIdMissing,
    /// No configured issuer has this key.
    #[error("no configured issuer has a key with this `kid`")]
    KeyUnknown,
    /// The issuer that `iss` names publishes its keys at a URL, and none of them are at hand.
    #[error("the keys of the issuer that claim `iss` names are not at hand")]
    KeysUnavailable,
    /// The key is for another algorithm than the header says (RFC 8725 section 3.1).
    #[error("the header's `alg` is not the algorithm of its key")]
    AlgorithmMismatch,
    /// The signature does not verify.
    #[error("the signature does not verify")]
    Signature,
    /// A claim is missing or malformed.
    #[error("claim `{0}` {fault}: {rule}", fault = .1.text(), rule = .0.rule())]
    Claim(Claim, ClaimFault),
    /// `cnf` binds the token to its holder (RFC 7800) in a way that is not understood; passing over it would widen the token.
    #[error(
        "claim `cnf` is not one of `x5t#S256` (RFC 8705) and `jkt` (RFC 9449) or both, each a SHA-256 as base64url"
    )]
    Confirmation,
    /// The token is good, and whoever sends it does not show to be its holder.
    #[error(transparent)]
    Sender(#[from] SenderRefusal),
    /// `iss` is not the issuer whose key signed the token.
    #[error("claim `iss` is not the issuer that the key belongs to")]
    Issuer,
    /// `aud` does not name this instance and the token's environment.
    #[error("claim `aud` does not contain `<instance>/<environment>` of this server and the token's environment")]
    Audience,
    /// `exp` is not after `iat`.
    #[error("claim `exp` is not after `iat`")]
    Inverted,
    /// `exp - iat` is over the operator's cap.
    #[error("the lifetime `exp - iat` is over the cap of `[tokens] max_lifetime_s`")]
    Lifetime,
    /// `exp - iat` is over the cap for tokens that let anything be written.
    #[error("the lifetime `exp - iat` is over the cap of `[tokens] max_lifetime_write_s`, and a scope allows writes")]
    LifetimeOfWrites,
    /// A token it was derived from is of somebody who is not configured, or no longer.
    #[error("claim `chain` or `origins` names an issuer that is not configured")]
    ChainIssuer,
    /// A token it was derived from was signed with a key that counts no more.
    #[error("a token that claim `chain` or `origins` names was signed with a key that its issuer no longer has")]
    ChainKey,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` has not come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `iat` lies in the future.
    #[error("the token was issued in the future: compare the clocks")]
    IssuedInFuture,
}

impl TokenRefusal {
    /// What the caller sees: the same for every reason, so that nothing can be probed. The log gets the reason. The
    /// exceptions are not about the token: whoever sent a good one has to know that it is not its fault.
    pub(crate) fn into_failure(self) -> Failure {
        if self == Self::KeysUnavailable {
            let hint = "try again shortly; operators see in the server's log why the issuer's keys cannot be had";
            let message = "the keys that this token would be verified with are not available";
            return Failure::new(Reason::KeysUnavailable, message, hint).with_log(self);
        }
        if let Self::Sender(SenderRefusal::Proof(why)) = self
            && let Some(failure) = why.as_failure()
        {
            return failure.with_log(self);
        }
        Failure::new(
            Reason::TokenInvalid,
            "the token is missing, malformed, not genuine, not valid now, or meant for somebody else",
            "send a fresh token for this instance and environment as `authorization: Bearer <token>`; \
             `airlock token inspect` shows what is wrong with one",
        )
        .with_log(self)
    }
}

impl ClaimFault {
    const fn text(self) -> &'static str {
        match self {
            Self::Missing => "is missing",
            Self::Type => "has the wrong JSON type",
            Self::Value => "has a value that is not allowed",
        }
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Payload => "payload",
            Self::Signature => "signature",
        })
    }
}
