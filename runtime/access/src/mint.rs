//! Tokens out: for `airlock token mint`, the demo and tests.
//!
//! Minting refuses nothing that verification judges: one place decides, and a minted token may be meant to be refused.

use std::num::NonZeroU32;

use airlock_model::{EnvironmentName, FunctionName, LimitCaps, Principal, Scope};
use serde_json::{Map, Value, json};

use crate::{
    bytes,
    keys::{KeyError, SigningKey},
    sender::Confirmation,
    verify::{Link, TOKEN_TYPE},
};

/// When a token is good: from `issued_at_unix_s` on, for `lifetime_s`.
#[derive(Debug, Clone, Copy)]
pub struct Validity {
    /// `iat`, and `nbf` unless set, in seconds since the Unix epoch.
    pub issued_at_unix_s: u64,
    /// `exp - iat`, in seconds. The operator's cap is judged by whoever verifies.
    pub lifetime_s: u64,
}

/// The claims of a token to be.
#[derive(Debug, Clone)]
pub struct Claims {
    issuer: String,
    audience: Vec<String>,
    principal: Principal,
    environment: EnvironmentName,
    validity: Validity,
    not_before: u64,
    token_id: Option<String>,
    functions: Vec<String>,
    scope: String,
    limits: LimitCaps,
    calls_max: Option<NonZeroU32>,
    chain: Vec<Link>,
    origins: Vec<Link>,
    confirmation: Option<Confirmation>,
}

impl Claims {
    /// Claims that allow nothing yet, for `<instance>/<environment>`.
    #[must_use]
    pub fn new(
        issuer: &str,
        principal: Principal,
        instance: &str,
        environment: EnvironmentName,
        validity: Validity,
    ) -> Self {
        Self {
            issuer: issuer.to_owned(),
            audience: vec![format!("{instance}/{environment}")],
            principal,
            environment,
            validity,
            not_before: validity.issued_at_unix_s,
            token_id: None,
            functions: Vec::new(),
            scope: String::new(),
            limits: LimitCaps::default(),
            calls_max: None,
            chain: Vec::new(),
            origins: Vec::new(),
            confirmation: None,
        }
    }

    /// Lets the bearer invoke these functions.
    #[must_use]
    pub fn functions(mut self, names: impl IntoIterator<Item = FunctionName>) -> Self {
        self.functions = names.into_iter().map(String::from).collect();
        self
    }

    /// Lets the bearer invoke every function of the environment.
    #[must_use]
    pub fn every_function(mut self) -> Self {
        self.functions = vec!["*".to_owned()];
        self
    }

    /// Sets what functions may do to resources, and the rights on the control plane.
    #[must_use]
    pub fn scope(mut self, scopes: impl IntoIterator<Item = Scope>) -> Self {
        self.scope = scopes.into_iter().map(String::from).collect::<Vec<_>>().join(" ");
        self
    }

    /// Sets limits that tighten those of the operator.
    #[must_use]
    pub fn limits(mut self, caps: LimitCaps) -> Self {
        self.limits = caps;
        self
    }

    /// Sets how many calls the token is good for.
    #[must_use]
    pub fn calls_max(mut self, calls_max: Option<NonZeroU32>) -> Self {
        self.calls_max = calls_max;
        self
    }

    /// Says which tokens it is derived from, the first one first, and which of identity providers the first of all.
    #[must_use]
    pub fn derived_from(mut self, chain: Vec<Link>, origins: Vec<Link>) -> Self {
        (self.chain, self.origins) = (chain, origins);
        self
    }

    /// Sets the `jti`; without one, minting draws 128 random bits.
    #[must_use]
    pub fn token_id(mut self, token_id: impl Into<String>) -> Self {
        self.token_id = Some(token_id.into());
        self
    }

    /// Binds the token to its holder: nobody else can use it.
    #[must_use]
    pub fn bound_to(mut self, holder: Option<Confirmation>) -> Self {
        self.confirmation = holder;
        self
    }

    pub(crate) const fn confirmation(&self) -> Option<Confirmation> {
        self.confirmation
    }

    /// Sets an `nbf` other than `iat`, in seconds since the Unix epoch.
    #[must_use]
    pub fn not_before(mut self, unix_s: u64) -> Self {
        self.not_before = unix_s;
        self
    }

    /// Replaces the audiences.
    #[must_use]
    pub fn audience(mut self, audience: Vec<String>) -> Self {
        self.audience = audience;
        self
    }

    pub(crate) fn expires_at_unix_s(&self) -> u64 {
        self.validity.issued_at_unix_s.saturating_add(self.validity.lifetime_s)
    }

    fn to_json(&self) -> Result<Value, KeyError> {
        let token_id = self.token_id.clone().map_or_else(random_token_id, Ok)?;
        let issued = self.validity.issued_at_unix_s;
        let mut claims = Map::new();
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        set("iss", json!(self.issuer));
        set("sub", json!(self.principal.subject));
        set("aud", json!(self.audience));
        set("exp", json!(self.expires_at_unix_s()));
        set("nbf", json!(self.not_before));
        set("iat", json!(issued));
        set("jti", json!(token_id));
        set("tenant", json!(self.principal.tenant));
        set("app", json!(self.principal.app));
        if let Some(actor) = &self.principal.actor {
            set("act", json!({ "sub": actor }));
        }
        set("environment", json!(self.environment));
        set("functions", json!(self.functions));
        set("scope", json!(self.scope));
        if self.limits != LimitCaps::default() {
            set("limits", json!(self.limits));
        }
        if let Some(calls) = self.calls_max {
            set("calls", json!(calls));
        }
        if !self.chain.is_empty() {
            set("chain", self.chain.iter().map(link).collect());
        }
        if !self.origins.is_empty() {
            set("origins", self.origins.iter().map(link).collect());
        }
        if let Some(holder) = self.confirmation {
            set("cnf", holder.to_json());
        }
        Ok(Value::Object(claims))
    }
}

fn link(Link { issuer, token_id, key, calls_max }: &Link) -> Value {
    let mut link = json!({"iss": issuer, "jti": token_id, "key": key.to_string()});
    if let (Some(calls), Some(members)) = (calls_max, link.as_object_mut()) {
        members.insert("calls".to_owned(), json!(calls));
    }
    link
}

/// Signs the claims as a compact JWS with `typ` `airlock+jwt` and the key's `kid` and `alg`.
///
/// # Errors
/// When the cryptographic library fails, for instance for lack of randomness.
pub fn mint(key: &SigningKey, claims: &Claims) -> Result<String, KeyError> {
    mint_foreign(key, TOKEN_TYPE, &claims.to_json()?)
}

/// Signs claims of any shape with a `typ` of any kind: the tokens of others, for tests of what does not count here.
///
/// # Errors
/// When the cryptographic library fails.
pub fn mint_foreign(key: &SigningKey, token_type: &str, claims: &Value) -> Result<String, KeyError> {
    let header = json!({ "alg": key.algorithm().as_str(), "typ": token_type, "kid": key.key_id() });
    compact(key, header.to_string().as_bytes(), claims.to_string().as_bytes())
}

/// Signs any header and payload bytes; the attack corpus needs all of them.
pub(crate) fn compact(key: &SigningKey, header: &[u8], payload: &[u8]) -> Result<String, KeyError> {
    let signed = format!("{}.{}", bytes::encode(header), bytes::encode(payload));
    let signature = key.sign(signed.as_bytes())?;
    Ok(format!("{signed}.{}", bytes::encode(signature)))
}

pub(crate) fn random_token_id() -> Result<String, KeyError> {
    let mut random = [0; 16];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| KeyError::Library("draw random bits"))?;
    Ok(hex::encode(random))
}

#[cfg(test)]
mod tests;
