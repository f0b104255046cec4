//! Revocations: what ends a token, or everything of somebody or something, before its time.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{EnvironmentName, FunctionName, Principal, ResourceName, TenantName};

/// What is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Revoked {
    /// The token with a `jti`, and every token that was derived from it.
    Token,
    /// The tokens of a `sub`, also where it acts for somebody else.
    Subject,
    /// The tokens of an app.
    App,
    /// The tokens of a tenant.
    Tenant,
    /// Calls of a function.
    Function,
    /// Calls to a resource.
    Resource,
}

impl Revoked {
    /// Every kind.
    pub const ALL: [Self; 6] = [Self::Token, Self::Subject, Self::App, Self::Tenant, Self::Function, Self::Resource];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Subject => "subject",
            Self::App => "app",
            Self::Tenant => "tenant",
            Self::Function => "function",
            Self::Resource => "resource",
        }
    }
}

impl fmt::Display for Revoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Revoked {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is none of {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}

/// Names a revocation: what lifts it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RevocationId(pub String);

impl fmt::Display for RevocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Something that was ended, by whom, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// What lifts it.
    pub id: RevocationId,
    /// Which kind of thing.
    pub what: Revoked,
    /// Which one: a `jti`, a `sub`, or a name.
    pub value: String,
    /// Whose tokens and calls it is about; everybody's when missing.
    pub tenant: Option<TenantName>,
    /// Where; everywhere when missing.
    pub environment: Option<EnvironmentName>,
    /// Ends the tokens issued until this second only; until it is lifted when missing.
    pub issued_until_unix_s: Option<u64>,
    /// When nothing is left that it could be about, in seconds since the Unix epoch; never when missing.
    pub expires_unix_s: Option<u64>,
    /// When it was said, in milliseconds since the Unix epoch.
    pub revoked_unix_ms: u64,
    /// The `sub` of who said so.
    pub by: String,
    /// Why, in the words of whoever did.
    pub reason: String,
}

/// A token as revocations see it.
#[derive(Debug, Clone, Copy)]
pub struct Bearer<'a> {
    /// Who.
    pub principal: &'a Principal,
    /// Where the token is for, or would be.
    pub environment: &'a EnvironmentName,
    /// Its `jti`, and those of the tokens it was derived from.
    pub token_ids: &'a [&'a str],
    /// When the first of them was issued, in seconds since the Unix epoch.
    pub issued_unix_s: u64,
}

impl Revocation {
    /// Whether it ends that token.
    #[must_use]
    pub fn ends_token(&self, bearer: &Bearer<'_>) -> bool {
        let principal = bearer.principal;
        let is_about = match self.what {
            Revoked::Token => bearer.token_ids.contains(&self.value.as_str()),
            Revoked::Subject => principal.subject == self.value || principal.actor.as_ref() == Some(&self.value),
            Revoked::App => principal.app.as_str() == self.value,
            Revoked::Tenant => principal.tenant.as_str() == self.value,
            Revoked::Function | Revoked::Resource => false,
        };
        is_about
            && self.is_in(bearer.environment)
            && self.is_of(&principal.tenant)
            && self.issued_until_unix_s.is_none_or(|until| bearer.issued_unix_s <= until)
    }

    /// Whether it ends calls of that function there.
    #[must_use]
    pub fn ends_function(&self, of: &TenantName, environment: &EnvironmentName, function: &FunctionName) -> bool {
        self.what == Revoked::Function && self.value == function.as_str() && self.is_of(of) && self.is_in(environment)
    }

    /// Whether it ends calls to that resource there.
    #[must_use]
    pub fn ends_resource(&self, of: &TenantName, environment: &EnvironmentName, resource: &ResourceName) -> bool {
        self.what == Revoked::Resource && self.value == resource.as_str() && self.is_of(of) && self.is_in(environment)
    }

    fn is_of(&self, tenant: &TenantName) -> bool {
        self.tenant.as_ref().is_none_or(|mine| mine == tenant)
    }

    fn is_in(&self, environment: &EnvironmentName) -> bool {
        self.environment.as_ref().is_none_or(|mine| mine == environment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revocation(what: Revoked, value: &str) -> Revocation {
        Revocation {
            id: RevocationId("r-1".to_owned()),
            what,
            value: value.to_owned(),
            tenant: Some("acme".parse().expect("a name")),
            environment: Some("prod".parse().expect("a name")),
            issued_until_unix_s: None,
            expires_unix_s: None,
            revoked_unix_ms: 0,
            by: "op".to_owned(),
            reason: "test".to_owned(),
        }
    }

    fn principal(tenant: &str) -> Principal {
        Principal {
            tenant: tenant.parse().expect("a name"),
            app: "portal".parse().expect("a name"),
            subject: "ada".to_owned(),
            actor: Some("agent-7".to_owned()),
        }
    }

    fn ends(revocation: &Revocation, tenant: &str, environment: &str, issued: u64) -> bool {
        let (principal, environment) = (principal(tenant), environment.parse().expect("a name"));
        let token_ids = ["child", "parent"];
        revocation.ends_token(&Bearer {
            principal: &principal,
            environment: &environment,
            token_ids: &token_ids,
            issued_unix_s: issued,
        })
    }

    #[test]
    fn a_revocation_ends_what_it_names_and_its_twin_goes_on() {
        for (what, named, other) in [
            (Revoked::Token, "child", "another"),
            (Revoked::Token, "parent", "par"),
            (Revoked::Subject, "ada", "Ada"),
            (Revoked::Subject, "agent-7", "agent"),
            (Revoked::App, "portal", "portal2"),
            (Revoked::Tenant, "acme", "acm"),
        ] {
            assert!(ends(&revocation(what, named), "acme", "prod", 1), "{what} {named}");
            assert!(!ends(&revocation(what, other), "acme", "prod", 1), "{what} {other}");
            assert!(!ends(&revocation(what, named), "acme", "dev", 1), "{what} elsewhere");
            assert!(!ends(&revocation(what, named), "other", "prod", 1), "{what} of another tenant");
            let everywhere = Revocation { environment: None, ..revocation(what, named) };
            assert!(ends(&everywhere, "acme", "dev", 1), "{what} everywhere");
        }
        assert!(!ends(&revocation(Revoked::Function, "child"), "acme", "prod", 1));
    }

    #[test]
    fn one_until_a_second_spares_what_is_issued_later() {
        let until = Revocation { issued_until_unix_s: Some(100), ..revocation(Revoked::Subject, "ada") };
        assert!(ends(&until, "acme", "prod", 100) && !ends(&until, "acme", "prod", 101));
    }

    #[test]
    fn functions_and_resources_end_in_their_place() {
        let function = revocation(Revoked::Function, "pay");
        let resource = revocation(Revoked::Resource, "pay");
        let (acme, prod, dev) = (&"acme".parse().expect("n"), &"prod".parse().expect("n"), &"dev".parse().expect("n"));
        assert!(function.ends_function(acme, prod, &"pay".parse().expect("n")));
        assert!(!function.ends_function(acme, dev, &"pay".parse().expect("n")));
        assert!(!function.ends_resource(acme, prod, &"pay".parse().expect("n")));
        assert!(resource.ends_resource(acme, prod, &"pay".parse().expect("n")));
        assert!(!resource.ends_function(acme, prod, &"pay".parse().expect("n")));
    }
}
