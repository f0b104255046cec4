//! From token text to [`VerifiedToken`]: compact JWS (RFC 7515), then claims (RFC 7519), then the clock.

mod authenticator;
mod cache;
mod claims;
mod compact;
mod refusal;
mod token;

pub use self::{
    authenticator::{
        Authenticator, Issuer, KeyName, LEEWAY_MAX_S, LIFETIME_MAX_S, LIFETIME_WRITE_MAX_S, MissingKey, PolicyError,
        TokenPolicy, bearer_token,
    },
    claims::{Claim, Functions, Link},
    refusal::{ClaimFault, Segment, TokenRefusal},
    token::VerifiedToken,
};
pub(crate) use self::{
    claims::{CHAIN_MAX, Demand, SCOPES_MAX, TokenClaims, is_token_id, printable},
    compact::{Compact, TOKEN_BYTES_MAX, TOKEN_TYPE, signature_under},
};
pub use crate::strict_json::JsonFault;

#[cfg(test)]
mod tests;
