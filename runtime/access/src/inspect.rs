//! What is wrong with a token: the same judgement as verification, told apart and told in full.

use serde::Serialize;
use serde_json::Value;

use crate::{
    keys::{Algorithms, KeySet},
    verify::{
        Compact, Demand, LEEWAY_MAX_S, LIFETIME_MAX_S, LIFETIME_WRITE_MAX_S, TokenClaims, TokenRefusal, signature_under,
    },
};

/// What the token should say. What is `None` is only checked for presence and shape.
#[derive(Debug, Clone)]
pub struct Expectations {
    /// The first half of `aud`.
    pub instance: Option<String>,
    /// `iss`.
    pub issuer: Option<String>,
    /// Cap on `exp - iat`, in seconds.
    pub lifetime_max_s: u64,
    /// The same for tokens with a scope that allows writes, in seconds.
    pub lifetime_write_max_s: u64,
    /// Tolerance for clocks, in seconds.
    pub leeway_s: u64,
}

/// One half of an [`Inspection`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Whether verification would pass this half.
    pub valid: bool,
    /// The rule that is broken, when one is.
    pub reason: Option<String>,
}

/// Both halves of the judgement and what the token says. For its holder, not for a caller.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// Outside: shape, header, key, signature.
    pub signature: Verdict,
    /// Inside: claims and times, judged whether or not the signature is good.
    pub claims: Verdict,
    /// The header, when it can be read.
    pub header: Option<Value>,
    /// The claims, when they can be read.
    pub claims_json: Option<Value>,
}

impl Default for Expectations {
    fn default() -> Self {
        Self {
            instance: None,
            issuer: None,
            lifetime_max_s: LIFETIME_MAX_S,
            lifetime_write_max_s: LIFETIME_WRITE_MAX_S,
            leeway_s: LEEWAY_MAX_S,
        }
    }
}

impl From<Result<(), TokenRefusal>> for Verdict {
    fn from(judgement: Result<(), TokenRefusal>) -> Self {
        Self { valid: judgement.is_ok(), reason: judgement.err().map(|why| why.to_string()) }
    }
}

/// Judges any text against the keys at this second. Never fails and never panics: what cannot be read is the verdict.
#[must_use]
pub fn inspect(token: &str, keys: &KeySet, expectations: &Expectations, now_unix_s: u64) -> Inspection {
    let compact = match Compact::split(token) {
        Ok(compact) => compact,
        Err(why) => return unreadable(why),
    };
    let find = |key_id: &str| keys.get(key_id).ok_or(TokenRefusal::KeyUnknown);
    let algorithms = Algorithms::OWN.or(keys.algorithms());
    let signature = signature_under(&compact, algorithms, find, |key| key).map(|_| ());
    inspection(&compact, signature.into(), expectations, now_unix_s)
}

/// The same without keys: what the token says, and whether its claims would do. Its signature is not valid, because nobody has
/// verified it. Reads tokens of identity providers as well, which are longer.
#[must_use]
pub fn inspect_unverified(token: &str, expectations: &Expectations, now_unix_s: u64) -> Inspection {
    let compact = match Compact::split_within(token, crate::identity::IDENTITY_BYTES_MAX) {
        Ok(compact) => compact,
        Err(why) => return unreadable(why),
    };
    let signature = Verdict { valid: false, reason: Some("not verified: no keys were given".to_owned()) };
    inspection(&compact, signature, expectations, now_unix_s)
}

fn unreadable(why: TokenRefusal) -> Inspection {
    let verdict = Verdict::from(Err(why));
    Inspection { signature: verdict.clone(), claims: verdict, header: None, claims_json: None }
}

fn inspection(token: &Compact<'_>, signature: Verdict, expectations: &Expectations, now_unix_s: u64) -> Inspection {
    Inspection {
        signature,
        claims: claims_of(token, expectations, now_unix_s).into(),
        header: token.header_json().map(Value::Object).ok(),
        claims_json: token.claims_json().map(Value::Object).ok(),
    }
}

/// The claims of any token, believed by nobody: to name one that was found.
#[must_use]
pub fn claims_unverified(token: &str) -> Option<serde_json::Map<String, Value>> {
    Compact::split_within(token, crate::identity::IDENTITY_BYTES_MAX).ok()?.claims_json().ok()
}

fn claims_of(token: &Compact<'_>, expectations: &Expectations, now_unix_s: u64) -> Result<(), TokenRefusal> {
    let demand = Demand {
        issuer: expectations.issuer.as_deref(),
        instance: expectations.instance.as_deref(),
        lifetime_max_s: expectations.lifetime_max_s,
        lifetime_write_max_s: expectations.lifetime_write_max_s,
        leeway_s: expectations.leeway_s,
    };
    TokenClaims::read(&token.claims_json()?)?.judge(&demand, now_unix_s)
}

#[cfg(test)]
mod tests;
