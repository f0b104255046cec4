//! Tokens of identity providers (OpenID Connect Core, RFC 9068): never accepted as access tokens, only exchanged for them.
//!
//! The rules are kept apart from those of access tokens, so that neither kind passes for the other: another `typ`, other keys,
//! another audience, and an issuer is either one or the other.

use std::{collections::BTreeSet, fmt};

use airlock_model::Failure;
use serde_json::{Map, Value};

use crate::{
    keys::{Algorithm, KeySet, KeyTag, PublicKey, is_key_id},
    verify::{Compact, TokenRefusal, is_token_id, printable},
};

/// Tokens of identity providers carry groups, so they are longer than ours.
pub(crate) const IDENTITY_BYTES_MAX: usize = 32 * 1024;
const GROUPS_MAX: usize = 1_000;
const AUDIENCES_MAX: usize = 16;
/// What `typ` may say: an ID token's, or that of an access token (RFC 9068 section 2.1).
const TYPES: [&str; 4] = ["JWT", "jwt", "at+jwt", "application/at+jwt"];
/// Header members that let a token choose its own key, or change what is signed.
const HEADER_MEMBERS_REFUSED: [&str; 8] = ["crit", "jku", "jwk", "x5u", "x5c", "b64", "zip", "enc"];
/// Claims that make it something else: a logout token, a token bound to a key, one that stands for an encrypted one.
const CLAIMS_REFUSED: [&str; 3] = ["events", "cnf", "may_act"];

/// Somebody who says who people are.
#[derive(Debug, Clone)]
pub struct IdentityProvider {
    /// The exact `iss` of its tokens.
    pub iss: String,
    /// What its tokens have to name as `aud`: the client id that this installation has there.
    pub audience: String,
    /// The claim that names a person: `sub`, or one that is as stable there.
    pub subject_claim: String,
    /// The claim that lists groups: a member, or a path of members.
    pub groups_claim: Vec<String>,
    /// The oldest token that counts, in seconds since its `iat`.
    pub age_max_s: u64,
    /// Tolerance for clocks, in seconds.
    pub leeway_s: u64,
}

/// Who somebody is, by the word of an identity provider. Only [`IdentityProvider::verify`] makes one.
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct Identity {
    iss: String,
    subject: String,
    groups: BTreeSet<String>,
    token_id: String,
    signer: KeyTag,
    issued_at_unix_s: u64,
    expires_at_unix_s: u64,
}

/// Why a token of an identity provider does not count: for the log, never for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityRefusal {
    /// By a rule that access tokens have as well.
    #[error("the token of the identity provider: {0}")]
    Token(TokenRefusal),
    /// A token chooses neither its key nor what is signed.
    #[error("the header has `{0}`")]
    HeaderMember(&'static str),
    /// An access token of ours, a logout token, or anything else.
    #[error("the header's `typ` is none of an ID token or an access token")]
    Type,
    /// It is meant to be something else.
    #[error("claim `{0}` makes it a token of another kind")]
    OtherKind(&'static str),
    /// No text of one line, or not there.
    #[error("the claim that names the subject is missing or no short text")]
    Subject,
    /// An address that nobody has checked names nobody.
    #[error("the subject is an e-mail address, and `email_verified` is not true")]
    EmailUnverified,
    /// Not a list of texts, or too long.
    #[error("the claim that lists groups is no list of at most {GROUPS_MAX} short texts")]
    Groups,
    /// The provider left the groups out, because there are too many.
    #[error(
        "the provider leaves the groups out of large tokens (`_claim_names`): have it send those of this application only"
    )]
    GroupsElsewhere,
    /// Meant for another client.
    #[error("claim `aud` does not name this installation, or `azp` names another client")]
    Audience,
    /// Older than the configuration lets tokens be.
    #[error("the token is older than `max_age_s`")]
    Age,
}

impl IdentityRefusal {
    /// What the caller sees: the same for every reason.
    #[must_use]
    pub fn into_failure(self) -> Failure {
        TokenRefusal::Missing.into_failure().with_log(self)
    }
}

impl From<TokenRefusal> for IdentityRefusal {
    fn from(why: TokenRefusal) -> Self {
        Self::Token(why)
    }
}

impl IdentityProvider {
    /// Reads the `iss` that a token claims, to find who could have signed it. Nothing is believed yet.
    #[must_use]
    pub fn claimed_issuer(token: &str) -> Option<String> {
        let compact = Compact::split_within(token, IDENTITY_BYTES_MAX).ok()?;
        let claims = compact.claims_json().ok()?;
        claims.get("iss").and_then(Value::as_str).map(str::to_owned)
    }

    /// The `kid` that a token names, for whoever looks for new keys. Nothing is believed yet.
    #[must_use]
    pub fn claimed_key(token: &str) -> Option<String> {
        let header = Compact::split_within(token, IDENTITY_BYTES_MAX).ok()?.header_json().ok()?;
        header.get("kid").and_then(Value::as_str).filter(|key_id| is_key_id(key_id)).map(str::to_owned)
    }

    /// Verifies an ID token or access token of this provider, signed by one of these keys, at this second.
    ///
    /// # Errors
    /// The first rule that is broken: header, signature, kind, issuer, audience, times, subject, groups.
    pub fn verify(&self, token: &str, keys: &KeySet, now_unix_s: u64) -> Result<Identity, IdentityRefusal> {
        let compact = Compact::split_within(token, IDENTITY_BYTES_MAX)?;
        let signer = KeyTag::from(check_signature(&compact, keys)?.mark());
        let claims = compact.claims_json()?;
        if let Some(kind) = CLAIMS_REFUSED.into_iter().find(|name| claims.contains_key(*name)) {
            return Err(IdentityRefusal::OtherKind(kind));
        }
        if claims.get("iss").and_then(Value::as_str) != Some(&self.iss) {
            return Err(TokenRefusal::Issuer.into());
        }
        self.check_audience(&claims)?;
        let (issued_at_unix_s, expires_at_unix_s) = self.check_times(&claims, now_unix_s)?;
        // One that our own tokens could not name cannot be revoked by name.
        let token_id = claims.get("jti").and_then(Value::as_str).filter(|id| is_token_id(id));
        Ok(Identity {
            iss: self.iss.clone(),
            subject: self.subject(&claims)?,
            groups: self.groups(&claims)?,
            token_id: token_id.unwrap_or_default().to_owned(),
            signer,
            issued_at_unix_s,
            expires_at_unix_s,
        })
    }

    /// OpenID Connect Core section 3.1.3.7, rules 3 to 5.
    fn check_audience(&self, claims: &Map<String, Value>) -> Result<(), IdentityRefusal> {
        let named: Vec<&str> = match claims.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) if many.len() <= AUDIENCES_MAX && many.iter().all(Value::is_string) => {
                many.iter().filter_map(Value::as_str).collect()
            }
            _ => return Err(IdentityRefusal::Audience),
        };
        let is_for_another = match claims.get("azp") {
            None => named.len() > 1,
            Some(party) => party.as_str() != Some(&self.audience),
        };
        if is_for_another || !named.contains(&self.audience.as_str()) {
            return Err(IdentityRefusal::Audience);
        }
        Ok(())
    }

    fn check_times(&self, claims: &Map<String, Value>, now_unix_s: u64) -> Result<(u64, u64), IdentityRefusal> {
        let seconds = |name: &str| claims.get(name).map(Value::as_u64);
        let (Some(Some(issued)), Some(Some(expires))) = (seconds("iat"), seconds("exp")) else {
            return Err(TokenRefusal::Expired.into());
        };
        let latest = now_unix_s.saturating_add(self.leeway_s);
        if now_unix_s >= expires.saturating_add(self.leeway_s) {
            return Err(TokenRefusal::Expired.into());
        }
        match seconds("nbf") {
            None => {}
            Some(Some(not_before)) if not_before <= latest => {}
            Some(_) => return Err(TokenRefusal::NotYetValid.into()),
        }
        if issued > latest {
            return Err(TokenRefusal::IssuedInFuture.into());
        }
        if now_unix_s.saturating_sub(issued) > self.age_max_s.saturating_add(self.leeway_s) {
            return Err(IdentityRefusal::Age);
        }
        Ok((issued, expires))
    }

    fn subject(&self, claims: &Map<String, Value>) -> Result<String, IdentityRefusal> {
        if self.subject_claim == "email" && claims.get("email_verified") != Some(&Value::Bool(true)) {
            return Err(IdentityRefusal::EmailUnverified);
        }
        let subject = claims.get(&self.subject_claim).and_then(Value::as_str);
        subject.and_then(printable).ok_or(IdentityRefusal::Subject)
    }

    /// Nobody is in a group that is not listed: a token without the claim has none.
    fn groups(&self, claims: &Map<String, Value>) -> Result<BTreeSet<String>, IdentityRefusal> {
        let (first, rest) = self.groups_claim.split_first().ok_or(IdentityRefusal::Groups)?;
        let Some(mut listed) = claims.get(first) else {
            let elsewhere = claims.get("_claim_names").is_some_and(|names| names.get(first).is_some());
            return if elsewhere { Err(IdentityRefusal::GroupsElsewhere) } else { Ok(BTreeSet::new()) };
        };
        for member in rest {
            match listed.get(member) {
                Some(inner) => listed = inner,
                None => return Ok(BTreeSet::new()),
            }
        }
        let listed = listed.as_array().filter(|listed| listed.len() <= GROUPS_MAX).ok_or(IdentityRefusal::Groups)?;
        let group = |value: &Value| value.as_str().and_then(printable).ok_or(IdentityRefusal::Groups);
        listed.iter().map(group).collect()
    }
}

fn check_signature<'k>(token: &Compact<'_>, keys: &'k KeySet) -> Result<&'k PublicKey, IdentityRefusal> {
    let header = token.header_json()?;
    if let Some(name) = HEADER_MEMBERS_REFUSED.into_iter().find(|name| header.contains_key(*name)) {
        return Err(IdentityRefusal::HeaderMember(name));
    }
    match header.get("typ") {
        None => {}
        Some(Value::String(kind)) if TYPES.contains(&kind.as_str()) => {}
        Some(_) => return Err(IdentityRefusal::Type),
    }
    let text = |name: &str| header.get(name).and_then(Value::as_str);
    let algorithm: Algorithm = text("alg").and_then(|name| name.parse().ok()).ok_or(TokenRefusal::Algorithm)?;
    let key = keys.get(text("kid").ok_or(TokenRefusal::KeyIdMissing)?).ok_or(TokenRefusal::KeyUnknown)?;
    if key.algorithm() != algorithm {
        return Err(TokenRefusal::AlgorithmMismatch.into());
    }
    token.signed_by(key)?;
    Ok(key)
}

impl Identity {
    /// The `iss` of who says so.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.iss
    }

    /// Who it is.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The groups it is in.
    #[must_use]
    pub fn groups(&self) -> &BTreeSet<String> {
        &self.groups
    }

    /// The `jti`; empty when there is none.
    #[must_use]
    pub fn token_id(&self) -> &str {
        &self.token_id
    }

    /// The key that it was verified with.
    #[must_use]
    pub fn signer(&self) -> KeyTag {
        self.signer
    }

    /// `iat`, in seconds since the Unix epoch.
    #[must_use]
    pub fn issued_at_unix_s(&self) -> u64 {
        self.issued_at_unix_s
    }

    /// `exp`, in seconds since the Unix epoch.
    #[must_use]
    pub fn expires_at_unix_s(&self) -> u64 {
        self.expires_at_unix_s
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({:?} at {:?}, ..)", self.subject, self.iss)
    }
}

#[cfg(test)]
pub(crate) fn identity_for_tests(iss: &str, subject: &str, groups: &[&str]) -> Identity {
    Identity {
        iss: iss.to_owned(),
        subject: subject.to_owned(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        token_id: String::new(),
        signer: KeyTag::read("AAAAAAAAAAAAAAAAAAAAAA").unwrap(),
        issued_at_unix_s: 0,
        expires_at_unix_s: u64::MAX,
    }
}

#[cfg(test)]
mod tests;
