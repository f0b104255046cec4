//! Token text in, [`VerifiedToken`] out.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use airlock_model::{Failure, Principal, Reason};
use arc_swap::ArcSwap;

use super::{
    Compact, Demand, Link, TokenClaims, TokenRefusal, VerifiedToken,
    cache::{CacheKey, TokenCache},
    signature_under,
};
use crate::{
    dpop::{Moment, ProofRefusal, UsedProofs},
    keys::{Algorithms, KeySet, KeyTag, PublicKey, is_key_id},
    sender::{Confirmation, Presented, Sender, SenderPolicy},
};

/// The longest lifetime of a token unless the operator says otherwise, in seconds.
pub const LIFETIME_MAX_S: u64 = 300;
/// The longest lifetime of a token that lets anything be written unless the operator says otherwise, in seconds.
pub const LIFETIME_WRITE_MAX_S: u64 = 60;
/// The largest leeway for clocks that disagree, in seconds.
pub const LEEWAY_MAX_S: u64 = 5;

/// Somebody whose tokens are accepted.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// The exact `iss` claim of its tokens.
    pub iss: String,
    /// What its keys may be for. A key of any other algorithm has no place in `keys`.
    pub algorithms: Algorithms,
    /// Its public keys. Only they sign for this `iss`. `None` when they are published somewhere and not at hand: its tokens
    /// are then refused as `keys_unavailable`.
    pub keys: Option<KeySet>,
}

/// Which tokens are accepted.
#[derive(Debug, Clone)]
pub struct TokenPolicy {
    /// This installation's name: the first half of every `aud`. Visible ASCII.
    pub instance: String,
    /// Accepted issuers; no two share an `iss`. Where they share a `kid`, the token's `iss` tells their keys apart.
    pub issuers: Vec<Issuer>,
    /// Cap on `exp - iat`, in seconds, above zero.
    pub lifetime_max_s: u64,
    /// The same for tokens with a scope that allows writes: at most [`Self::lifetime_max_s`].
    pub lifetime_write_max_s: u64,
    /// Those whose tokens are exchanged, with the keys that these are verified with: what `origins` may name. None of them is
    /// an issuer.
    pub exchanged: Vec<Issuer>,
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
    /// A cap of zero refuses every token.
    #[error("the lifetime cap is zero: set `max_lifetime_s`, for instance to 300")]
    Lifetime,
    /// Writes are what the shorter lifetime is for.
    #[error("`max_lifetime_write_s` is more than `max_lifetime_s`: it can only be shorter")]
    LifetimeOfWrites,
    /// More leeway than clocks need.
    #[error("the leeway is `{0}` s; at most 5 are allowed: synchronise the clocks instead")]
    Leeway(u64),
    /// Keys for nobody.
    #[error("no issuer `{0}` is configured")]
    IssuerUnknown(String),
}

/// A key that a token names and that its issuer does not have, as far as is known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingKey {
    /// The configured issuer that the token says it is of. Nobody has vouched for that.
    pub iss: String,
    /// Which key.
    pub key: KeyName,
}

/// How a token names a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeyName {
    /// By the `kid` of its header: the key it is signed with.
    Id(String),
    /// By the key itself: one that a token was signed with that it was derived from.
    Tag(KeyTag),
}

impl KeyName {
    /// Whether the key is one of these.
    #[must_use]
    pub fn is_in(&self, keys: &KeySet) -> bool {
        match self {
            Self::Id(key_id) => keys.contains(key_id),
            Self::Tag(tag) => keys.has_tagged(*tag),
        }
    }
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
    /// Those of all issuers together.
    algorithms: Algorithms,
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
    /// [`Reason::TokenInvalid`] with one text for every cause; the cause, a
    /// [`TokenRefusal`], is in `log`.
    pub fn verify(&self, presented: Presented<'_>, now_unix_s: u64) -> Result<VerifiedToken, Failure> {
        self.judge_presented(presented, now_unix_s).map_err(TokenRefusal::into_failure)
    }

    /// Whom a new token is to be bound to, by what the request for it shows of its sender; `None` when it shows nothing.
    ///
    /// # Errors
    /// [`Reason::TokenInvalid`] for a proof that is no good, with the cause; the proof of one
    /// that is may still be refused for want of room. [`Reason::RequestMalformed`] when it
    /// shows nothing and tokens have to be bound.
    pub fn bind(
        &self,
        sender: &Sender,
        principal: &Principal,
        now_unix_s: u64,
    ) -> Result<Option<Confirmation>, Failure> {
        let state = self.current.load();
        let moment = Moment { now_unix_s, leeway_s: state.policy.leeway_s, used: &self.used_proofs };
        let bound = sender.confirmation(principal, &moment).map_err(ProofRefusal::at_exchange)?;
        if bound.is_none() && state.policy.sender_bound == SenderPolicy::Require {
            let message = "tokens have to be bound to whoever asks for them (`[tokens] sender_bound`), and this request shows \
                           neither a key nor a certificate";
            let hint = "send a proof in the header `DPoP` (RFC 9449 section 5; `airlock token exchange --dpop-key FILE`), or show \
                        a client certificate where both listeners ask for it";
            return Err(Failure::new(Reason::RequestMalformed, message, hint));
        }
        Ok(bound)
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
        let verified = state.policy.verify(&compact, state.algorithms, now_unix_s)?;
        state.cache.insert(key, verified.clone());
        Ok(verified)
    }

    /// The key that a token would need and its issuer does not have: for issuers whose keys can be looked for. Believes
    /// nothing that the token says, until its own key has signed it.
    #[must_use]
    pub fn missing_key(&self, token: &str) -> Option<MissingKey> {
        let state = self.current.load();
        let compact = Compact::split(token).ok()?;
        if state.cache.get(&CacheKey::of(token)).is_some() {
            return None;
        }
        let (key_id, iss) = (compact.key_id().ok()?, compact.claimed_issuer().ok()??);
        let issuer = state.policy.issuers.iter().find(|issuer| issuer.iss == iss)?;
        if issuer.key(&key_id).is_some() {
            return state.policy.missing_ancestor(&compact, state.algorithms);
        }
        // What can be no key's name is looked for nowhere.
        is_key_id(&key_id).then_some(MissingKey { iss, key: KeyName::Id(key_id) })
    }

    /// Replaces the keys of one issuer or of somebody whose tokens are exchanged, or takes them away. The remembered tokens are
    /// forgotten that were signed with a key that is gone, or derived from or exchanged for one that was.
    ///
    /// # Errors
    /// When nobody of that name is configured.
    pub fn replace_keys(&self, iss: &str, keys: Option<KeySet>) -> Result<(), PolicyError> {
        let _turn = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.current.load();
        let mut policy = before.policy.clone();
        let unknown = || PolicyError::IssuerUnknown(iss.to_owned());
        let mut named = policy.issuers.iter_mut().chain(&mut policy.exchanged);
        let issuer = named.find(|issuer| issuer.iss == iss).ok_or_else(unknown)?;
        issuer.keys = keys;
        let issuer = &*issuer;
        let stays = |one: &VerifiedToken| {
            let has_own = one.issuer() != iss || issuer.keys.as_ref().is_some_and(|keys| keys.has(one.signer()));
            has_own && one.ancestors().filter(|link| link.issuer == iss).all(|link| issuer.check_link(link).is_ok())
        };
        // What is verified under the old keys from now on is remembered in the old cache alone, which nobody asks any more.
        let cache = before.cache.kept(stays);
        self.current.store(Arc::new(State { algorithms: before.algorithms, policy, cache }));
        Ok(())
    }
}

impl State {
    fn new(policy: TokenPolicy) -> Result<Self, PolicyError> {
        policy.check()?;
        let algorithms = policy.issuers.iter().fold(Algorithms::NONE, |all, issuer| all.or(issuer.algorithms));
        Ok(Self { policy, algorithms, cache: TokenCache::new() })
    }
}

impl TokenPolicy {
    /// The whole of a first verification, in order: key, signature, claims, meaning.
    fn verify(
        &self,
        token: &Compact<'_>,
        algorithms: Algorithms,
        now_unix_s: u64,
    ) -> Result<VerifiedToken, TokenRefusal> {
        let holder = |key_id: &str| self.holder(token, key_id);
        let (issuer, key) = signature_under(token, algorithms, holder, |(_, key)| key)?;
        let claims = TokenClaims::read(&token.claims_json()?)?;
        let demand = Demand {
            issuer: Some(&issuer.iss),
            instance: Some(&self.instance),
            lifetime_max_s: self.lifetime_max_s,
            lifetime_write_max_s: self.lifetime_write_max_s,
            leeway_s: self.leeway_s,
        };
        claims.judge(&demand, now_unix_s)?;
        self.check_ancestors(&claims)?;
        Ok(VerifiedToken::new(claims, key.mark().clone()))
    }

    /// Whose key a `kid` is. Where several issuers know it, or one has no keys and so might, the `iss` that the token claims
    /// chooses among them. It is only a choice: whoever signed is judged by the issuer of the key.
    fn holder(&self, token: &Compact<'_>, key_id: &str) -> Result<(&Issuer, &PublicKey), TokenRefusal> {
        let mut holders = self.issuers.iter().filter_map(|issuer| Some((issuer, issuer.key(key_id)?)));
        let (first, second) = (holders.next(), holders.next());
        if second.is_none() && self.issuers.iter().all(|issuer| issuer.keys.is_some()) {
            return first.ok_or(TokenRefusal::KeyUnknown);
        }
        let claimed = token.claimed_issuer()?;
        let named = self.issuers.iter().find(|issuer| Some(&issuer.iss) == claimed.as_ref());
        match named.map(|issuer| (issuer, issuer.key(key_id))) {
            Some((issuer, _)) if issuer.keys.is_none() => Err(TokenRefusal::KeysUnavailable),
            Some((issuer, Some(key))) => Ok((issuer, key)),
            Some((_, None)) | None if second.is_some() => Err(TokenRefusal::Issuer),
            Some((_, None)) | None => first.ok_or(TokenRefusal::KeyUnknown),
        }
    }

    /// A token outlives neither the trust in its issuer nor that in the issuers and keys of those it was derived from.
    fn check_ancestors(&self, claims: &TokenClaims) -> Result<(), TokenRefusal> {
        self.ancestors(claims).try_for_each(|(link, issuer)| issuer.ok_or(TokenRefusal::ChainIssuer)?.check_link(link))
    }

    /// Every token that one was derived from or exchanged for, and whose it is.
    fn ancestors<'p>(&'p self, claims: &'p TokenClaims) -> impl Iterator<Item = (&'p Link, Option<&'p Issuer>)> {
        let among = |issuers: &'p [Issuer]| {
            move |link: &'p Link| (link, issuers.iter().find(|issuer| issuer.iss == link.issuer))
        };
        claims.chain.iter().map(among(&self.issuers)).chain(claims.origins.iter().map(among(&self.exchanged)))
    }

    /// The first key of those that tokens were signed with that this one was derived from, which is not known here: where
    /// another server with our key derived it, that one may have seen a key before we did.
    fn missing_ancestor(&self, token: &Compact<'_>, algorithms: Algorithms) -> Option<MissingKey> {
        let claims = TokenClaims::read(&token.claims_json().ok()?).ok()?;
        let is_missing =
            |(link, issuer): &(&Link, Option<&Issuer>)| issuer.is_some_and(|one| one.check_link(link).is_err());
        let (link, _) = self.ancestors(&claims).find(is_missing)?;
        let holder = |key_id: &str| self.holder(token, key_id);
        signature_under(token, algorithms, holder, |(_, key)| key).ok()?;
        Some(MissingKey { iss: link.issuer.clone(), key: KeyName::Tag(link.key) })
    }

    fn check(&self) -> Result<(), PolicyError> {
        if self.instance.is_empty() || !self.instance.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(PolicyError::Instance);
        }
        if self.lifetime_max_s == 0 || self.lifetime_write_max_s == 0 {
            return Err(PolicyError::Lifetime);
        }
        if self.lifetime_write_max_s > self.lifetime_max_s {
            return Err(PolicyError::LifetimeOfWrites);
        }
        if self.leeway_s > LEEWAY_MAX_S {
            return Err(PolicyError::Leeway(self.leeway_s));
        }
        if self.issuers.is_empty() {
            return Err(PolicyError::NoIssuer);
        }
        let mut names = BTreeSet::new();
        for issuer in self.issuers.iter().chain(&self.exchanged) {
            if issuer.iss.is_empty() || !names.insert(&issuer.iss) {
                return Err(PolicyError::IssuerName(issuer.iss.clone()));
            }
        }
        Ok(())
    }
}

impl Issuer {
    fn key(&self, key_id: &str) -> Option<&PublicKey> {
        self.keys.as_ref()?.get(key_id)
    }

    /// Whether one of its tokens, that others were derived from, would still be accepted as far as its key goes.
    fn check_link(&self, link: &Link) -> Result<(), TokenRefusal> {
        let keys = self.keys.as_ref().ok_or(TokenRefusal::KeysUnavailable)?;
        if keys.has_tagged(link.key) { Ok(()) } else { Err(TokenRefusal::ChainKey) }
    }
}

/// The token in an `authorization` header: `Bearer`, in any case, one space, the token (RFC 6750 section 2.1).
#[must_use]
pub fn bearer_token(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}
