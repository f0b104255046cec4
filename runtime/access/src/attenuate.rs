//! Attenuation: a token that allows less, for whoever is to do less.
//!
//! The server signs it, because a compact JWS cannot be extended by who holds it. It stands on its parent: it names it in
//! `chain`, keeps its `iat` (so that lifetime caps and revocations see the first token of the chain) and ends no later.

use std::num::NonZeroU32;

use airlock_model::{Failure, LimitCaps, Reason, Scope};

use crate::{
    Claims, Confirmation, Functions, Link, SigningKey, Validity, VerifiedToken, mint,
    mint::random_token_id,
    verify::{CHAIN_MAX, SCOPES_MAX, TOKEN_BYTES_MAX},
};

/// What this server signs tokens with.
#[derive(Debug)]
pub struct TokenIssuer {
    /// The `iss` of its tokens.
    pub iss: String,
    /// First half of their `aud`.
    pub instance: String,
    /// Its key, whose public half is among those that tokens are verified with.
    pub key: SigningKey,
}

/// What a child loses. `None` keeps what the parent has.
#[derive(Debug, Clone, Default)]
pub struct Narrowing {
    /// The functions that stay.
    pub functions: Option<Functions>,
    /// The scopes that stay; each at most one of the parent's.
    pub scopes: Option<Vec<Scope>>,
    /// How long it is good for, in seconds from now.
    pub lifetime_s: Option<u64>,
    /// Limits; they only tighten.
    pub limits: LimitCaps,
    /// How many calls it is good for. They count for its parent as well.
    pub calls_max: Option<NonZeroU32>,
}

/// A token that was just signed.
#[derive(Clone, PartialEq, Eq)]
pub struct Minted {
    /// The text. A secret.
    pub token: String,
    /// Its `jti`.
    pub token_id: String,
    /// Its `exp`, in seconds since the Unix epoch.
    pub expires_at_unix_s: u64,
    /// Its `functions`.
    pub functions: Functions,
    /// Its `scope`, word by word.
    pub scopes: Vec<Scope>,
    /// Its `cnf`.
    pub holder: Option<Confirmation>,
}

impl std::fmt::Debug for Minted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Minted({:?}, ..)", self.token_id)
    }
}

impl TokenIssuer {
    /// Signs a child of a token: one that can only allow less.
    ///
    /// # Errors
    /// [`Reason::NotGranted`] for anything the parent does not have, or when the chain is at its longest;
    /// [`Reason::RequestMalformed`] for a lifetime of zero.
    pub fn attenuate(&self, parent: &VerifiedToken, narrowing: Narrowing, now_unix_s: u64) -> Result<Minted, Failure> {
        let Narrowing { functions, scopes, lifetime_s, limits, calls_max } = narrowing;
        if parent.chain().len() >= CHAIN_MAX {
            let message = format!("the token was derived {CHAIN_MAX} times already, and that is the most");
            return Err(Failure::new(Reason::NotGranted, message, "derive from a token nearer to the first"));
        }
        if lifetime_s == Some(0) {
            let message = "a token that is good for 0 seconds is good for nothing";
            return Err(Failure::new(
                Reason::RequestMalformed,
                message,
                "ask for at least one second, or leave it out",
            ));
        }
        let functions = match functions {
            None => parent.functions().clone(),
            Some(asked) => covered_functions(parent, asked)?,
        };
        let scopes = match scopes {
            None => parent.scopes().collect(),
            Some(asked) => covered_scopes(parent, asked)?,
        };
        let (issued, ends) = (parent.issued_at_unix_s(), parent.expires_at_unix_s());
        let expires = lifetime_s.map_or(ends, |lifetime| now_unix_s.saturating_add(lifetime).min(ends));
        let validity = Validity { issued_at_unix_s: issued, lifetime_s: expires.saturating_sub(issued) };
        let chain = parent.chain().iter().cloned().chain([parent.link()]).collect::<Vec<Link>>();
        let environment = parent.environment().clone();
        let claims = Claims::new(&self.iss, (**parent.principal()).clone(), &self.instance, environment, validity)
            .not_before(now_unix_s.max(parent.not_before_unix_s()))
            .limits(parent.limit_caps().meet(&limits))
            .calls_max(least(parent.calls_max(), calls_max))
            .bound_to(parent.confirmation())
            .derived_from(chain, parent.origins().to_vec());
        self.mint(claims, functions, scopes)
    }

    /// Signs claims with these functions and scopes under a `jti` of their own.
    pub(crate) fn mint(&self, claims: Claims, functions: Functions, scopes: Vec<Scope>) -> Result<Minted, Failure> {
        let token_id = random_token_id().map_err(Failure::internal)?;
        let claims = match &functions {
            Functions::All => claims.every_function(),
            Functions::Named(names) => claims.functions(names.iter().cloned()),
        };
        let claims = claims.scope(scopes.iter().cloned()).token_id(&token_id);
        let (expires_at_unix_s, holder) = (claims.expires_at_unix_s(), claims.confirmation());
        let token = mint(&self.key, &claims).map_err(Failure::internal)?;
        // What nobody would accept is not handed out.
        if token.len() > TOKEN_BYTES_MAX || scopes.len() > SCOPES_MAX {
            let message =
                format!("these rights do not fit into a token of {TOKEN_BYTES_MAX} bytes and {SCOPES_MAX} scopes");
            return Err(Failure::new(
                Reason::NotGranted,
                message,
                "ask for the functions and scopes that you need only",
            ));
        }
        Ok(Minted { token, token_id, expires_at_unix_s, functions, scopes, holder })
    }
}

fn covered_functions(parent: &VerifiedToken, asked: Functions) -> Result<Functions, Failure> {
    let missing = match &asked {
        Functions::All if *parent.functions() == Functions::All => None,
        Functions::All => Some("*".to_owned()),
        Functions::Named(names) => names.iter().find(|name| !parent.covers(name)).map(ToString::to_string),
    };
    match missing {
        None => Ok(asked),
        Some(name) => Err(not_had(&format!("function `{name}`"))),
    }
}

fn covered_scopes(parent: &VerifiedToken, asked: Vec<Scope>) -> Result<Vec<Scope>, Failure> {
    let has: Vec<_> = parent.scopes().collect();
    match asked.iter().find(|scope| !has.iter().any(|one| one.covers(scope))) {
        None => Ok(asked),
        Some(scope) => Err(not_had(&format!("scope `{scope}`"))),
    }
}

fn not_had(what: &str) -> Failure {
    let message = format!("the token does not cover {what}, so none that is derived from it can");
    Failure::new(Reason::NotGranted, message, "ask for what the token has, or less; `airlock token inspect` shows it")
}

fn least(one: Option<NonZeroU32>, other: Option<NonZeroU32>) -> Option<NonZeroU32> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests;
