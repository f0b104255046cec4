//! The first permit: a token that is genuine, current and meant for this instance.

use std::{fmt, num::NonZeroU32, sync::Arc};

use airlock_model::{ControlScope, EnvironmentName, FunctionName, Grant, LimitCaps, Principal, Scope};

use super::{
    Functions, Link, TokenRefusal,
    claims::{Period, TokenClaims},
};
use crate::{
    keys::{KeyMark, KeyTag},
    sender::Confirmation,
};

/// A token whose signature, shape, issuer, audience and times were checked. Only
/// [`Authenticator::verify`](super::Authenticator::verify) makes one. Cheap to clone.
#[derive(Clone)]
#[must_use]
pub struct VerifiedToken(Arc<Verified>);

struct Verified {
    signer: KeyMark,
    issuer: String,
    token_id: Arc<str>,
    principal: Arc<Principal>,
    environment: EnvironmentName,
    functions: Functions,
    grants: Arc<[Grant]>,
    control_scopes: Vec<ControlScope>,
    limits: LimitCaps,
    calls_max: Option<NonZeroU32>,
    chain: Vec<Link>,
    origins: Vec<Link>,
    confirmation: Option<Confirmation>,
    period: Period,
}

impl VerifiedToken {
    /// Private to `verify`: the caller has judged the claims.
    pub(super) fn new(claims: TokenClaims, signer: KeyMark) -> Self {
        Self(Arc::new(Verified {
            signer,
            issuer: claims.issuer,
            token_id: claims.token_id.into(),
            principal: claims.principal.into(),
            environment: claims.environment,
            functions: claims.functions,
            grants: claims.grants.into(),
            control_scopes: claims.control_scopes,
            limits: claims.limits,
            calls_max: claims.calls_max,
            chain: claims.chain,
            origins: claims.origins,
            confirmation: claims.confirmation,
            period: claims.period,
        }))
    }

    pub(super) fn check_time(&self, now_unix_s: u64, leeway_s: u64) -> Result<(), TokenRefusal> {
        self.0.period.check(now_unix_s, leeway_s)
    }

    /// The key that signed it.
    pub(super) fn signer(&self) -> &KeyMark {
        &self.0.signer
    }

    /// Who acts.
    #[must_use]
    pub fn principal(&self) -> &Arc<Principal> {
        &self.0.principal
    }

    /// The `jti`: what identifies the token in audit records. The token's text does not.
    #[must_use]
    pub fn token_id(&self) -> &Arc<str> {
        &self.0.token_id
    }

    /// The `iss`, one of the configured issuers.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// The only environment the token is for.
    #[must_use]
    pub fn environment(&self) -> &EnvironmentName {
        &self.0.environment
    }

    /// What the token allows functions to do to resources.
    #[must_use]
    pub fn grants(&self) -> Arc<[Grant]> {
        Arc::clone(&self.0.grants)
    }

    /// The limits the token sets; they only tighten.
    #[must_use]
    pub fn limit_caps(&self) -> &LimitCaps {
        &self.0.limits
    }

    /// The functions the bearer may invoke.
    #[must_use]
    pub fn functions(&self) -> &Functions {
        &self.0.functions
    }

    /// The rights on the control plane.
    #[must_use]
    pub fn control_scopes(&self) -> &[ControlScope] {
        &self.0.control_scopes
    }

    /// How many calls it is good for; `None` for any number while it is valid.
    #[must_use]
    pub fn calls_max(&self) -> Option<NonZeroU32> {
        self.0.calls_max
    }

    /// The tokens it was derived from, the first one first.
    #[must_use]
    pub fn chain(&self) -> &[Link] {
        &self.0.chain
    }

    /// The identity providers' tokens that the first of all was exchanged for: the subject's, and the actor's.
    #[must_use]
    pub fn origins(&self) -> &[Link] {
        &self.0.origins
    }

    /// Every token that it was derived from or exchanged for.
    pub(super) fn ancestors(&self) -> impl Iterator<Item = &Link> {
        self.0.chain.iter().chain(&self.0.origins)
    }

    /// The token as others that are derived from it name it.
    #[must_use]
    pub fn link(&self) -> Link {
        Link {
            issuer: self.0.issuer.clone(),
            token_id: self.0.token_id.to_string(),
            key: KeyTag::from(&self.0.signer),
            calls_max: self.0.calls_max,
        }
    }

    /// The first token of its chain: itself when it was derived from none. What may be used once is that one.
    #[must_use]
    pub fn root(&self) -> Link {
        self.0.chain.first().cloned().unwrap_or_else(|| self.link())
    }

    /// Its `jti` and those of all that it was derived from.
    pub fn token_ids(&self) -> impl Iterator<Item = &str> {
        let derived_from = self.ancestors().map(|link| link.token_id.as_str());
        std::iter::once(self.0.token_id.as_ref()).chain(derived_from.filter(|id| !id.is_empty()))
    }

    /// Everything it allows, as its `scope` says it.
    pub fn scopes(&self) -> impl Iterator<Item = Scope> {
        let grants = self.0.grants.iter().cloned().map(Scope::Resource);
        grants.chain(self.0.control_scopes.iter().copied().map(Scope::Control))
    }

    /// `iat`, in seconds since the Unix epoch. A token that was derived from another has that of the first.
    #[must_use]
    pub fn issued_at_unix_s(&self) -> u64 {
        self.0.period.issued
    }

    /// `nbf`, in seconds since the Unix epoch.
    #[must_use]
    pub fn not_before_unix_s(&self) -> u64 {
        self.0.period.not_before
    }

    /// Whom the token is bound to; `None` for a bearer token.
    #[must_use]
    pub fn confirmation(&self) -> Option<Confirmation> {
        self.0.confirmation
    }

    /// `exp`, in seconds since the Unix epoch.
    #[must_use]
    pub fn expires_at_unix_s(&self) -> u64 {
        self.0.period.expires
    }

    /// Whether the bearer may invoke a function of this name in [`Self::environment`].
    #[must_use]
    pub fn covers(&self, function: &FunctionName) -> bool {
        self.0.functions.cover(function)
    }
}

impl fmt::Debug for VerifiedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Claims are never logged; the identifier is what audit records carry.
        write!(f, "VerifiedToken({:?}, ..)", self.0.token_id)
    }
}
