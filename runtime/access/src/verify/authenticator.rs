//! Token text in, [`VerifiedToken`] out.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use airlock_model::Failure;
use arc_swap::ArcSwap;

use super::{
    Compact, Demand, TokenClaims, TokenRefusal, VerifiedToken,
    cache::{CacheKey, TokenCache},
    signature_under,
};
use crate::{
    dpop::{Moment, UsedProofs},
    keys::KeySet,
    sender::{Presented, SenderPolicy},
};

/// The longest lifetime of a token unless the operator says otherwise, in seconds.
pub const LIFETIME_MAX_S: u64 = 300;
/// The largest leeway for clocks that disagree, in seconds.
pub const LEEWAY_MAX_S: u64 = 5;

/// Somebody whose tokens are accepted.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// The exact `iss` claim of its tokens.
    pub iss: String,
    /// Its public keys. Only they sign for this `iss`.
    pub keys: KeySet,
}

/// Which tokens are accepted.
#[derive(Debug, Clone)]
pub struct TokenPolicy {
    /// This installation's name: the first half of every `aud`. Visible ASCII.
    pub instance: String,
    /// Accepted issuers; no two share an `iss` or a `kid`.
    pub issuers: Vec<Issuer>,
    /// Cap on `exp - iat`, in seconds, above zero.
    pub lifetime_max_s: u64,
    /// Tolerance for clocks, in seconds, at most [`LEEWAY_MAX_S`].
    pub leeway_s: u64,
    /// Whether tokens have to be bound to their holder.
    pub sender_bound: SenderPolicy,
}

/// Why a policy is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// No name for this installation.
    #[error("the instance name is empty or not visible ASCII: name this installation")]
    Instance,
    /// Nobody could call.
    #[error("no token issuer is configured: add a [[tokens.issuer]]")]
    NoIssuer,
    /// An issuer without a name, or two with the same.
    #[error("issuer `{0}` is empty or stands twice: give every [[tokens.issuer]] its own `iss`")]
    IssuerName(String),
    /// The `kid` alone must decide who signed.
    #[error("`kid` `{key_id}` is in the keys of `{first}` and of `{second}`: rename one")]
    SharedKeyId {
        /// The `kid`.
        key_id: String,
        /// One issuer.
        first: String,
        /// The other.
        second: String,
    },
    /// A cap of zero refuses every token.
    #[error("the lifetime cap is zero: set `max_lifetime_s`, for instance to 300")]
    Lifetime,
    /// More leeway than clocks need.
    #[error("the leeway is `{0}` s; at most 5 are allowed: synchronise the clocks instead")]
    Leeway(u64),
    /// Keys for nobody.
    #[error("no issuer `{0}` is configured")]
    IssuerUnknown(String),
}

/// Verifies tokens and remembers those that passed. Share one in an `Arc`.
pub struct Authenticator {
    current: ArcSwap<State>,
    used_proofs: Arc<UsedProofs>,
    /// Held while the keys are replaced, so that two replacements do not undo each other.
    replacing: Mutex<()>,
}

/// A policy and what was verified under it. Swapped as one: a token verified under old keys can never be remembered
/// under new ones.
struct State {
    policy: TokenPolicy,
    cache: TokenCache,
}

impl Authenticator {
    /// Starts with a policy.
    ///
    /// # Errors
    /// The first rule of [`TokenPolicy`] that is broken.
    pub fn new(policy: TokenPolicy) -> Result<Self, PolicyError> {
        Self::remembering(policy, Arc::new(UsedProofs::since(0)))
    }

    /// Starts with a policy and what is remembered of proofs, so that none can be used under both of two policies.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn remembering(policy: TokenPolicy, used_proofs: Arc<UsedProofs>) -> Result<Self, PolicyError> {
        Ok(Self { current: ArcSwap::from_pointee(State::new(policy)?), used_proofs, replacing: Mutex::new(()) })
    }

    /// What is remembered of proofs, for the next authenticator.
    #[must_use]
    pub fn used_proofs(&self) -> Arc<UsedProofs> {
        Arc::clone(&self.used_proofs)
    }

    /// Verifies a token at this second, and that its holder presents it.
    ///
    /// # Errors
    /// [`Reason::TokenInvalid`](airlock_model::Reason::TokenInvalid) with one text for every cause; the cause, a
    /// [`TokenRefusal`], is in `log`.
    pub fn verify(&self, presented: Presented<'_>, now_unix_s: u64) -> Result<VerifiedToken, Failure> {
        self.judge_presented(presented, now_unix_s).map_err(TokenRefusal::into_failure)
    }

    /// The token may be remembered; who presents it is asked every time.
    pub(crate) fn judge_presented(
        &self,
        presented: Presented<'_>,
        now_unix_s: u64,
    ) -> Result<VerifiedToken, TokenRefusal> {
        let token = self.judge(presented.token.unwrap_or_default(), now_unix_s)?;
        let state = self.current.load();
        let moment = Moment { now_unix_s, leeway_s: state.policy.leeway_s, used: &self.used_proofs };
        presented.check(&token, state.policy.sender_bound, &moment)?;
        Ok(token)
    }

    /// The token alone.
    pub(crate) fn judge(&self, token: &str, now_unix_s: u64) -> Result<VerifiedToken, TokenRefusal> {
        let state = self.current.load();
        let compact = Compact::split(token)?;
        let key = CacheKey::of(token);
        if let Some(known) = state.cache.get(&key) {
            return match known.check_time(now_unix_s, state.policy.leeway_s) {
                Ok(()) => Ok(known),
                Err(why) => {
                    state.cache.remove(&key);
                    Err(why)
                }
            };
        }
        let verified = state.policy.verify(&compact, now_unix_s)?;
        state.cache.insert(key, verified.clone());
        Ok(verified)
    }

    /// Replaces the keys of one issuer and forgets every remembered token.
    ///
    /// # Errors
    /// When the issuer is not configured, or a `kid` belongs to another issuer; then the old keys stay.
    pub fn replace_keys(&self, iss: &str, keys: KeySet) -> Result<(), PolicyError> {
        let _turn = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut policy = self.current.load().policy.clone();
        let unknown = || PolicyError::IssuerUnknown(iss.to_owned());
        policy.issuers.iter_mut().find(|issuer| issuer.iss == iss).ok_or_else(unknown)?.keys = keys;
        self.current.store(Arc::new(State::new(policy)?));
        Ok(())
    }
}

impl State {
    fn new(policy: TokenPolicy) -> Result<Self, PolicyError> {
        policy.check()?;
        Ok(Self { policy, cache: TokenCache::new() })
    }
}

impl TokenPolicy {
    /// The whole of a first verification, in order: key, signature, claims, meaning.
    fn verify(&self, token: &Compact<'_>, now_unix_s: u64) -> Result<VerifiedToken, TokenRefusal> {
        let holder =
            |key_id: &str| self.issuers.iter().find_map(|issuer| issuer.keys.get(key_id).map(|key| (issuer, key)));
        let (issuer, _) = signature_under(token, holder, |(_, key)| key)?;
        let claims = TokenClaims::read(&token.claims_json()?)?;
        let demand = Demand {
            issuer: Some(&issuer.iss),
            instance: Some(&self.instance),
            lifetime_max_s: self.lifetime_max_s,
            leeway_s: self.leeway_s,
        };
        claims.judge(&demand, now_unix_s)?;
        Ok(VerifiedToken::new(claims))
    }

    fn check(&self) -> Result<(), PolicyError> {
        if self.instance.is_empty() || !self.instance.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(PolicyError::Instance);
        }
        if self.lifetime_max_s == 0 {
            return Err(PolicyError::Lifetime);
        }
        if self.leeway_s > LEEWAY_MAX_S {
            return Err(PolicyError::Leeway(self.leeway_s));
        }
        if self.issuers.is_empty() {
            return Err(PolicyError::NoIssuer);
        }
        let mut names = BTreeSet::new();
        for issuer in &self.issuers {
            if issuer.iss.is_empty() || !names.insert(&issuer.iss) {
                return Err(PolicyError::IssuerName(issuer.iss.clone()));
            }
        }
        self.check_key_ids()
    }

    fn check_key_ids(&self) -> Result<(), PolicyError> {
        for (index, second) in self.issuers.iter().enumerate() {
            for first in self.issuers.iter().take(index) {
                if let Some(shared) = second.keys.key_ids().find(|key_id| first.keys.get(key_id).is_some()) {
                    let (key_id, first, second) = (shared.to_owned(), first.iss.clone(), second.iss.clone());
                    return Err(PolicyError::SharedKeyId { key_id, first, second });
                }
            }
        }
        Ok(())
    }
}

/// The token in an `authorization` header: `Bearer`, in any case, one space, the token (RFC 6750 section 2.1).
#[must_use]
pub fn bearer_token(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}
