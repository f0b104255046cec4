//! Two issuers, three keys, one policy, one good token: what every test here starts from.

use serde_json::{Value, json};

use crate::{
    Algorithm, Algorithms, Authenticator, Issuer, KeySet, SenderPolicy, SigningKey, TokenPolicy, TokenRefusal,
    VerifiedToken, bytes, mint, public_jwks,
};

pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const PLATFORM: &str = "https://platform.example";
pub(crate) const OTHER: &str = "https://other.example";
pub(crate) const INSTANCE: &str = "airlock.example";

pub(crate) struct Fixture {
    /// `ed-1` of the platform.
    pub(crate) ed: SigningKey,
    /// `ec-1` of the platform.
    pub(crate) ec: SigningKey,
    /// `other-1` of the other issuer.
    pub(crate) other: SigningKey,
    pub(crate) authenticator: Authenticator,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let ed = SigningKey::generate(Algorithm::EdDsa, "ed-1").unwrap();
        let ec = SigningKey::generate(Algorithm::Es256, "ec-1").unwrap();
        let other = SigningKey::generate(Algorithm::EdDsa, "other-1").unwrap();
        let policy = policy(vec![issuer(PLATFORM, &[&ed, &ec]), issuer(OTHER, &[&other])]);
        let authenticator = Authenticator::new(policy).unwrap();
        Self { ed, ec, other, authenticator }
    }

    pub(crate) fn judge(&self, token: &str) -> Result<VerifiedToken, TokenRefusal> {
        self.authenticator.judge(token, NOW)
    }

    /// A token of `ed-1` with these claims.
    pub(crate) fn token(&self, claims: &Value) -> String {
        signed(&self.ed, &header(&self.ed), claims)
    }

    pub(crate) fn verified(&self, claims: &Value) -> VerifiedToken {
        self.judge(&self.token(claims)).unwrap()
    }
}

pub(crate) fn issuer(iss: &str, keys: &[&SigningKey]) -> Issuer {
    let keys = KeySet::parse(&public_jwks(keys)).unwrap();
    Issuer { iss: iss.to_owned(), algorithms: Algorithms::OWN, keys: Some(keys) }
}

pub(crate) fn policy(issuers: Vec<Issuer>) -> TokenPolicy {
    TokenPolicy {
        instance: INSTANCE.to_owned(),
        issuers,
        lifetime_max_s: 300,
        lifetime_write_max_s: 300,
        exchanged: Vec::new(),
        leeway_s: 5,
        sender_bound: SenderPolicy::Accept,
    }
}

pub(crate) fn header(key: &SigningKey) -> Value {
    json!({"alg": key.algorithm().as_str(), "typ": "airlock+jwt", "kid": key.key_id()})
}

pub(crate) fn claims() -> Value {
    json!({
        "iss": PLATFORM, "sub": "user-1", "aud": format!("{INSTANCE}/dev"),
        "exp": NOW + 120, "nbf": NOW - 60, "iat": NOW - 60, "jti": "token-1",
        "tenant": "acme", "app": "portal", "environment": "dev",
        "functions": ["order-summary"], "scope": "orders-db:read function:deploy",
    })
}

/// The good claims with `changes` laid over them; a `null` removes the member.
pub(crate) fn claims_but(changes: Value) -> Value {
    laid_over(claims(), changes)
}

pub(crate) fn laid_over(base: Value, changes: Value) -> Value {
    let (Value::Object(mut base), Value::Object(changes)) = (base, changes) else { panic!("objects") };
    for (name, value) in changes {
        if value.is_null() { drop(base.remove(&name)) } else { drop(base.insert(name, value)) }
    }
    Value::Object(base)
}

pub(crate) fn signed(key: &SigningKey, header: &Value, claims: &Value) -> String {
    signed_text(key, &header.to_string(), &claims.to_string())
}

pub(crate) fn signed_text(key: &SigningKey, header: &str, claims: &str) -> String {
    mint::compact(key, header.as_bytes(), claims.as_bytes()).unwrap()
}

/// Signs the parts as they stand, however they are spelled.
pub(crate) fn signed_parts(key: &SigningKey, header: &str, payload: &str) -> String {
    let text = format!("{header}.{payload}");
    let signature = bytes::encode(key.sign(text.as_bytes()).unwrap());
    format!("{text}.{signature}")
}
