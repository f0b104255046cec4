//! The first permit: a token that is genuine, current and meant for this instance.

use std::{fmt, sync::Arc};

use airlock_model::{ControlScope, EnvironmentName, FunctionName, Grant, LimitCaps, Principal};

use super::{
    Functions, TokenRefusal,
    claims::{Period, TokenClaims},
};
use crate::sender::Confirmation;

/// A token whose signature, shape, issuer, audience and times were checked. Only
/// [`Authenticator::verify`](super::Authenticator::verify) makes one. Cheap to clone.
#[derive(Clone)]
#[must_use]
pub struct VerifiedToken(Arc<Verified>);

struct Verified {
    issuer: String,
    token_id: Arc<str>,
    principal: Arc<Principal>,
    environment: EnvironmentName,
    functions: Functions,
    grants: Arc<[Grant]>,
    control_scopes: Vec<ControlScope>,
    limits: LimitCaps,
    confirmation: Option<Confirmation>,
    period: Period,
}

impl VerifiedToken {
    /// Private to `verify`: the caller has judged the claims.
    pub(super) fn new(claims: TokenClaims) -> Self {
        Self(Arc::new(Verified {
            issuer: claims.issuer,
            token_id: claims.token_id.into(),
            principal: claims.principal.into(),
            environment: claims.environment,
            functions: claims.functions,
            grants: claims.grants.into(),
            control_scopes: claims.control_scopes,
            limits: claims.limits,
            confirmation: claims.confirmation,
            period: claims.period,
        }))
    }

    pub(super) fn check_time(&self, now_unix_s: u64, leeway_s: u64) -> Result<(), TokenRefusal> {
        self.0.period.check(now_unix_s, leeway_s)
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
        match &self.0.functions {
            Functions::All => true,
            Functions::Named(names) => names.contains(function),
        }
    }
}

impl fmt::Debug for VerifiedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Claims are never logged; the identifier is what audit records carry.
        write!(f, "VerifiedToken({:?}, ..)", self.0.token_id)
    }
}
