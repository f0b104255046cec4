//! Tokens as tests want them.

use std::{
    num::NonZeroU32,
    time::{SystemTime, UNIX_EPOCH},
};

use airlock_access::{Claims, Confirmation, SigningKey, Validity, mint};
use airlock_model::{LimitCaps, Principal};

use crate::ISSUER;

/// A token to be minted.
#[derive(Clone)]
pub struct TokenSpec {
    issuer: String,
    environment: String,
    asked: Option<String>,
    tenant: String,
    app: String,
    subject: String,
    functions: Option<Vec<String>>,
    scopes: Vec<String>,
    /// Below 0 for a clock that is ahead of ours.
    age_s: i64,
    lifetime_s: u64,
    instance: String,
    limits: LimitCaps,
    holder: Option<Confirmation>,
    calls: Option<NonZeroU32>,
}

impl TokenSpec {
    fn new(functions: Option<Vec<String>>, scopes: &[&str]) -> Self {
        Self {
            issuer: ISSUER.to_owned(),
            environment: "dev".to_owned(),
            asked: None,
            tenant: "acme".to_owned(),
            app: "tests".to_owned(),
            subject: "ada@example.com".to_owned(),
            functions,
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            age_s: 0,
            lifetime_s: 60,
            instance: "airlock".to_owned(),
            limits: LimitCaps::default(),
            holder: None,
            calls: None,
        }
    }

    /// Every function and everything the sample resources can do.
    pub fn everything() -> Self {
        Self::new(
            None,
            &[
                "orders-db:read",
                "orders-db:write",
                "cache:read",
                "cache:write",
                "files:read",
                "files:write",
                "orders-db:ddl",
                "crm:GET",
                "crm:POST",
                "shop:query",
                "shop:mutation",
                "model:complete",
            ],
        )
    }

    /// The control plane.
    pub fn control() -> Self {
        Self::new(None, &["function:deploy", "resource:edit", "function:read", "audit:read"])
    }

    /// The control plane with these scopes.
    pub fn control_with(scopes: &[&str]) -> Self {
        Self::new(None, scopes)
    }

    /// The operator.
    pub fn operator() -> Self {
        Self::new(Some(Vec::new()), &["operator:read", "operator:write"])
    }

    /// One function with these scopes.
    pub fn only(function: &str, scopes: &[&str]) -> Self {
        Self::new(Some(vec![function.to_owned()]), scopes)
    }

    /// Of another issuer than the harness.
    #[must_use]
    pub fn issuer(mut self, issuer: &str) -> Self {
        issuer.clone_into(&mut self.issuer);
        self
    }

    #[must_use]
    pub fn environment(mut self, environment: &str) -> Self {
        environment.clone_into(&mut self.environment);
        self
    }

    #[must_use]
    pub fn tenant(mut self, tenant: &str) -> Self {
        tenant.clone_into(&mut self.tenant);
        self
    }

    #[must_use]
    pub fn app(mut self, app: &str) -> Self {
        app.clone_into(&mut self.app);
        self
    }

    #[must_use]
    pub fn subject(mut self, subject: &str) -> Self {
        subject.clone_into(&mut self.subject);
        self
    }

    /// Issued this long ago.
    #[must_use]
    pub fn age_s(mut self, age_s: u64) -> Self {
        self.age_s = age_s.cast_signed();
        self
    }

    /// Issued now, by a clock that is so far ahead of ours.
    #[must_use]
    pub fn by_clock(mut self, ahead_s: i64) -> Self {
        self.age_s = -ahead_s;
        self
    }

    /// For another installation.
    #[must_use]
    pub fn instance(mut self, instance: &str) -> Self {
        instance.clone_into(&mut self.instance);
        self
    }

    /// TOML such as `fuel = 5`.
    #[must_use]
    pub fn limits(mut self, caps: &str) -> Self {
        self.limits = toml::from_str(caps).expect("limits");
        self
    }

    /// Bound to whoever holds this.
    #[must_use]
    pub fn bound_to(mut self, holder: Option<Confirmation>) -> Self {
        self.holder = holder;
        self
    }

    /// Good for so many calls.
    #[must_use]
    pub fn calls(mut self, calls: u32) -> Self {
        self.calls = NonZeroU32::new(calls);
        self
    }

    /// Covers these functions and no others.
    #[must_use]
    pub fn for_functions(mut self, names: &[&str]) -> Self {
        self.functions = Some(names.iter().map(|name| (*name).to_owned()).collect());
        self
    }

    /// Requests name another environment than the token is for.
    #[must_use]
    pub fn asking_for(mut self, environment: &str) -> Self {
        self.asked = Some(environment.to_owned());
        self
    }

    /// The environment that requests name.
    pub fn environment_name(&self) -> &str {
        self.asked.as_deref().unwrap_or(&self.environment)
    }

    /// The token's text, signed with `key`.
    pub fn mint(&self, key: &SigningKey) -> String {
        let principal = Principal {
            tenant: self.tenant.parse().expect("tenant"),
            app: self.app.parse().expect("app"),
            subject: self.subject.clone(),
            actor: None,
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
        let validity =
            Validity { issued_at_unix_s: now.saturating_add_signed(-self.age_s), lifetime_s: self.lifetime_s };
        let environment = self.environment.parse().expect("environment");
        let scopes: Vec<_> = self.scopes.iter().map(|scope| scope.parse().expect("scope")).collect();
        let claims = Claims::new(&self.issuer, principal, &self.instance, environment, validity)
            .scope(scopes)
            .limits(self.limits.clone())
            .calls_max(self.calls)
            .bound_to(self.holder);
        let claims = match &self.functions {
            None => claims.every_function(),
            Some(names) => claims.functions(names.iter().map(|name| name.parse().expect("function"))),
        };
        mint(key, &claims).expect("a token")
    }
}
