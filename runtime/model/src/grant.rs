//! Grants: what may be done to which resource, and the three layers that must all agree.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{PathPattern, RequestPath, ResourceKind, ResourceName, name::RESERVED_RESOURCE_WORDS};

/// An HTTP method that a grant can name (RFC 9110 section 9; CONNECT and TRACE are never available).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names are the methods")]
pub enum HttpMethod {
    Get,
    Head,
    Options,
    Post,
    Put,
    Patch,
    Delete,
}

impl HttpMethod {
    /// Every method.
    pub const ALL: [Self; 7] = [Self::Get, Self::Head, Self::Options, Self::Post, Self::Put, Self::Patch, Self::Delete];

    /// The method as it goes on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Whether the method only reads (RFC 9110 section 9.2.1, "safe").
    #[must_use]
    pub const fn is_safe(self) -> bool {
        match self {
            Self::Get | Self::Head | Self::Options => true,
            Self::Post | Self::Put | Self::Patch | Self::Delete => false,
        }
    }
}

impl FromStr for HttpMethod {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|method| method.as_str() == text).ok_or(())
    }
}

/// What a grant allows to be done. Written `read`, `write`, `ddl`, `query`, `mutation`, `complete`, `GET` or `GET:/customers/*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Operation {
    /// SQL statements and calls to stores that only read.
    Read,
    /// SQL statements that change rows, and calls that change what a store holds.
    Write,
    /// SQL statements that change the schema.
    Ddl,
    /// GraphQL queries.
    Query,
    /// GraphQL mutations.
    Mutation,
    /// Completions of language models.
    Complete,
    /// HTTP requests with this method to the paths of the pattern.
    Http(HttpMethod, PathPattern),
    /// Deploying functions that name the resource: for builders' tokens, never for functions or bindings.
    Edit,
}

/// Why a text is not an operation, grant or scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid {what}: {rule}")]
pub struct GrantError {
    what: &'static str,
    text: String,
    rule: String,
}

fn grant_error(what: &'static str, text: &str, rule: impl Into<String>) -> GrantError {
    GrantError { what, text: text.chars().take(120).collect(), rule: rule.into() }
}

const OPERATION_RULE: &str = "use `read`, `write` or `ddl` for sql, `read` or `write` for kv and blob, `query` or \
                              `mutation` for graphql, `complete` for llm, `GET` or `GET:/path/*` for http";

impl FromStr for Operation {
    type Err = GrantError;
    fn from_str(text: &str) -> Result<Self, GrantError> {
        let (verb, pattern) = text.split_once(':').map_or((text, None), |(verb, rest)| (verb, Some(rest)));
        match (verb, pattern) {
            ("read", None) => return Ok(Self::Read),
            ("write", None) => return Ok(Self::Write),
            ("ddl", None) => return Ok(Self::Ddl),
            ("query", None) => return Ok(Self::Query),
            ("mutation", None) => return Ok(Self::Mutation),
            ("complete", None) => return Ok(Self::Complete),
            ("edit", None) => return Ok(Self::Edit),
            _ => {}
        }
        let method = verb.parse().map_err(|()| grant_error("operation", text, OPERATION_RULE))?;
        let pattern = pattern
            .map_or(Ok(PathPattern::any()), str::parse)
            .map_err(|why| grant_error("operation", text, why.to_string()))?;
        Ok(Self::Http(method, pattern))
    }
}

impl Operation {
    /// What both allow, when there is anything: of two path patterns the narrower, or the first when neither is.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Http(method, pattern), Self::Http(other_method, _)) if method == other_method => {
                Some(if *pattern == PathPattern::any() { other.clone() } else { self.clone() })
            }
            _ => (self == other).then(|| self.clone()),
        }
    }

    /// Whether whoever may do this may also do the other.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Http(method, pattern), Self::Http(other_method, other_pattern)) => {
                method == other_method && pattern.covers(other_pattern)
            }
            _ => self == other,
        }
    }

    /// Whether it can change anything in a backend.
    #[must_use]
    pub const fn writes(&self) -> bool {
        match self {
            Self::Write | Self::Ddl | Self::Mutation => true,
            Self::Http(method, _) => !method.is_safe(),
            Self::Read | Self::Query | Self::Complete | Self::Edit => false,
        }
    }

    /// Whether resources of that kind have this operation.
    #[must_use]
    pub const fn is_known_to(&self, kind: ResourceKind) -> bool {
        match kind {
            ResourceKind::Sql => matches!(self, Self::Read | Self::Write | Self::Ddl),
            ResourceKind::Kv | ResourceKind::Blob => matches!(self, Self::Read | Self::Write),
            ResourceKind::Http => matches!(self, Self::Http(..)),
            ResourceKind::Graphql => matches!(self, Self::Query | Self::Mutation),
            ResourceKind::Llm => matches!(self, Self::Complete),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read => f.write_str("read"),
            Self::Write => f.write_str("write"),
            Self::Ddl => f.write_str("ddl"),
            Self::Query => f.write_str("query"),
            Self::Mutation => f.write_str("mutation"),
            Self::Complete => f.write_str("complete"),
            Self::Edit => f.write_str("edit"),
            Self::Http(method, pattern) if *pattern == PathPattern::any() => f.write_str(method.as_str()),
            Self::Http(method, pattern) => write!(f, "{}:{pattern}", method.as_str()),
        }
    }
}

impl TryFrom<String> for Operation {
    type Error = GrantError;
    fn try_from(text: String) -> Result<Self, GrantError> {
        text.parse()
    }
}

impl From<Operation> for String {
    fn from(operation: Operation) -> Self {
        operation.to_string()
    }
}

/// One operation on one resource, for instance `orders-db:read` or `crm:GET:/customers/*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Grant {
    /// The resource.
    pub resource: ResourceName,
    /// What may be done to it.
    pub operation: Operation,
}

impl FromStr for Grant {
    type Err = GrantError;
    fn from_str(text: &str) -> Result<Self, GrantError> {
        let Some((resource, operation)) = text.split_once(':') else {
            return Err(grant_error("grant", text, "write `<resource>:<operation>`"));
        };
        let resource = resource.parse().map_err(|why: crate::NameError| grant_error("grant", text, why.to_string()))?;
        Ok(Self { resource, operation: operation.parse()? })
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.resource, self.operation)
    }
}

/// One entry of a token's `scope`: a grant on a resource, or a right on the control plane such as `function:deploy`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Scope {
    /// A right to something guests do.
    Resource(Grant),
    /// A right to something people and pipelines do.
    Control(ControlScope),
}

/// A right on the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ControlScope {
    /// `function:deploy`: Check and Deploy.
    FunctionDeploy,
    /// `function:promote`: Promote, Rollback, SetAlias.
    FunctionPromote,
    /// `function:operate`: Disable, Enable, Delete.
    FunctionOperate,
    /// `function:read`: Get, List, ListRevisions.
    FunctionRead,
    /// `audit:read`: read the audit trail.
    AuditRead,
    /// `audit:values`: see the values that the trail keeps beside its records.
    AuditValues,
    /// `audit:erase`: erase such values.
    AuditErase,
    /// `operator:read`: look at the configuration and the limits in force.
    OperatorRead,
    /// `operator:write`: have the configuration read again.
    OperatorWrite,
    /// `resource:read`: look at the resources that the token's other scopes name.
    ResourceRead,
    /// `resource:edit`: deploy functions that name any resource of the environment; `NAME:edit` is the same for one.
    ResourceEdit,
    /// `approval:read`: look at what waits for an approval and at what was decided.
    ApprovalRead,
    /// `approval:decide`: preview, approve, reject, revoke.
    ApprovalDecide,
    /// `token:revoke`: end tokens, and what may run or be reached, of the token's own tenant; see them listed; lift them.
    TokenRevoke,
    /// `logs:read`: read what functions write.
    LogsRead,
}

impl ControlScope {
    /// Every control scope.
    pub const ALL: [Self; 15] = [
        Self::FunctionDeploy,
        Self::FunctionPromote,
        Self::FunctionOperate,
        Self::FunctionRead,
        Self::AuditRead,
        Self::AuditValues,
        Self::AuditErase,
        Self::OperatorRead,
        Self::OperatorWrite,
        Self::ResourceRead,
        Self::ResourceEdit,
        Self::ApprovalRead,
        Self::ApprovalDecide,
        Self::TokenRevoke,
        Self::LogsRead,
    ];

    /// The scope as written in a token.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FunctionDeploy => "function:deploy",
            Self::FunctionPromote => "function:promote",
            Self::FunctionOperate => "function:operate",
            Self::FunctionRead => "function:read",
            Self::AuditRead => "audit:read",
            Self::AuditValues => "audit:values",
            Self::AuditErase => "audit:erase",
            Self::OperatorRead => "operator:read",
            Self::OperatorWrite => "operator:write",
            Self::ResourceRead => "resource:read",
            Self::ResourceEdit => "resource:edit",
            Self::ApprovalRead => "approval:read",
            Self::ApprovalDecide => "approval:decide",
            Self::TokenRevoke => "token:revoke",
            Self::LogsRead => "logs:read",
        }
    }
}

impl Scope {
    /// Whether whoever has this has also the other.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Resource(one), Self::Resource(other)) => {
                one.resource == other.resource && one.operation.covers(&other.operation)
            }
            (Self::Control(ControlScope::ResourceEdit), Self::Resource(Grant { operation: Operation::Edit, .. })) => {
                true
            }
            (Self::Control(one), Self::Control(other)) => one == other,
            (Self::Control(_), Self::Resource(_)) | (Self::Resource(_), Self::Control(_)) => false,
        }
    }
}

impl FromStr for Scope {
    type Err = GrantError;
    fn from_str(text: &str) -> Result<Self, GrantError> {
        if let Some(control) = ControlScope::ALL.into_iter().find(|control| control.as_str() == text) {
            return Ok(Self::Control(control));
        }
        let word = text.split(':').next().unwrap_or_default();
        if RESERVED_RESOURCE_WORDS.contains(&word) {
            let known: Vec<_> = ControlScope::ALL.iter().map(|control| control.as_str()).collect();
            return Err(grant_error("scope", text, format!("the control scopes are {}", known.join(", "))));
        }
        text.parse().map(Self::Resource)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resource(grant) => grant.fmt(f),
            Self::Control(control) => f.write_str(control.as_str()),
        }
    }
}

impl TryFrom<String> for Scope {
    type Error = GrantError;
    fn try_from(text: String) -> Result<Self, GrantError> {
        text.parse()
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.to_string()
    }
}

/// What one host call wants to do, after analysis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// A SQL statement or a call to a store that only reads.
    Read,
    /// A SQL statement that changes rows, or a call that changes what a store holds.
    Write,
    /// A SQL statement that changes the schema.
    Ddl,
    /// A GraphQL query.
    Query,
    /// A GraphQL mutation.
    Mutation,
    /// A completion of a language model.
    Complete,
    /// An HTTP request.
    Http(HttpMethod, RequestPath),
}

impl Access {
    fn is_covered_by(&self, operation: &Operation) -> bool {
        match (self, operation) {
            (Self::Read, Operation::Read)
            | (Self::Write, Operation::Write)
            | (Self::Ddl, Operation::Ddl)
            | (Self::Query, Operation::Query)
            | (Self::Mutation, Operation::Mutation)
            | (Self::Complete, Operation::Complete) => true,
            (Self::Http(method, path), Operation::Http(allowed, pattern)) => method == allowed && pattern.matches(path),
            (
                Self::Read | Self::Write | Self::Ddl | Self::Query | Self::Mutation | Self::Complete | Self::Http(..),
                _,
            ) => false,
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read => f.write_str("read"),
            Self::Write => f.write_str("write"),
            Self::Ddl => f.write_str("ddl"),
            Self::Query => f.write_str("query"),
            Self::Mutation => f.write_str("mutation"),
            Self::Complete => f.write_str("complete"),
            Self::Http(method, path) => write!(f, "{}:{path}", method.as_str()),
        }
    }
}

/// One of the three authorities that must all allow an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// The caller's token.
    Token,
    /// The function's own manifest.
    Manifest,
    /// The environment's binding of the resource.
    Environment,
}

impl Layer {
    /// Where a person goes to change what this layer allows.
    #[must_use]
    pub const fn place(self) -> &'static str {
        match self {
            Self::Token => "the `scope` claim of the token",
            Self::Manifest => "[resources] in function.toml",
            Self::Environment => "[resources.<name>.<environment>] operations in airlock.toml",
        }
    }
}

/// What one call holds: an access needs a grant in all three layers.
///
/// The three sets are kept apart rather than intersected, so that a denial can say who said no.
#[derive(Debug, Clone)]
pub struct Grants {
    /// From the token.
    pub token: Arc<[Grant]>,
    /// From `function.toml`.
    pub manifest: Arc<[Grant]>,
    /// From the operator's configuration.
    pub environment: Arc<[Grant]>,
}

impl Grants {
    /// Allows the access when every layer covers it.
    ///
    /// # Errors
    /// The first layer that does not, in the order manifest, token, environment.
    pub fn check(&self, resource: &ResourceName, access: &Access) -> Result<(), Layer> {
        // The manifest first: what a function does not declare, no token and no operator can give it.
        let layers =
            [(Layer::Manifest, &self.manifest), (Layer::Token, &self.token), (Layer::Environment, &self.environment)];
        for (layer, grants) in layers {
            let covers = |grant: &Grant| grant.resource == *resource && access.is_covered_by(&grant.operation);
            if !grants.iter().any(covers) {
                return Err(layer);
            }
        }
        Ok(())
    }

    /// Allows to ask about a resource when every layer covers any operation on it.
    ///
    /// # Errors
    /// The first layer that does not, in the order manifest, token, environment.
    pub fn check_any(&self, resource: &ResourceName) -> Result<(), Layer> {
        let layers =
            [(Layer::Manifest, &self.manifest), (Layer::Token, &self.token), (Layer::Environment, &self.environment)];
        let lacks = |grants: &[Grant]| !grants.iter().any(|grant| grant.resource == *resource);
        layers.into_iter().find(|(_, grants)| lacks(grants)).map_or(Ok(()), |(layer, _)| Err(layer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(token: &str, manifest: &str, environment: &str) -> Grants {
        let parse = |text: &str| text.split_whitespace().map(|g| g.parse().expect("grant")).collect();
        Grants { token: parse(token), manifest: parse(manifest), environment: parse(environment) }
    }

    #[test]
    fn operations_meet_in_the_narrower() {
        let meet = |one: &str, other: &str| {
            let parse = |text: &str| text.parse::<Operation>().expect("an operation");
            parse(one).meet(&parse(other)).map(|both| both.to_string())
        };
        assert_eq!(meet("read", "read").as_deref(), Some("read"));
        assert_eq!(meet("read", "write"), None);
        assert_eq!(meet("GET", "POST"), None);
        for (one, other) in [("GET", "GET:/a/*"), ("GET:/a/*", "GET"), ("GET:/a/*", "GET:/b/*")] {
            assert_eq!(meet(one, other).as_deref(), Some("GET:/a/*"), "{one} {other}");
        }
    }

    #[test]
    fn scopes_print_as_they_are_written() {
        for text in [
            "orders-db:read",
            "crm:GET:/customers/*",
            "crm:POST",
            "shop:query",
            "shop:mutation",
            "model:complete",
            "function:deploy",
            "audit:read",
        ] {
            assert_eq!(text.parse::<Scope>().map(|s| s.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn scopes_that_mean_nothing_are_refused() {
        for text in [
            "",
            "orders-db",
            "orders-db:",
            "orders-db:READ",
            "orders-db:*",
            "crm:get",
            "crm:CONNECT",
            "crm:GET:customers",
            "function:everything",
            ":read",
            "db:read:x",
            "shop:subscription",
            "shop:query:x",
        ] {
            assert!(text.parse::<Scope>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_access_needs_all_three_layers() {
        let db: ResourceName = "db".parse().expect("name");
        let all = "db:read";
        assert_eq!(grants(all, all, all).check(&db, &Access::Read), Ok(()));
        assert_eq!(grants("", all, all).check(&db, &Access::Read), Err(Layer::Token));
        assert_eq!(grants(all, "", all).check(&db, &Access::Read), Err(Layer::Manifest));
        assert_eq!(grants(all, all, "other:read").check(&db, &Access::Read), Err(Layer::Environment));
        assert_eq!(grants(all, all, all).check(&db, &Access::Write), Err(Layer::Manifest));
    }

    #[test]
    fn an_http_access_is_bounded_by_the_narrowest_pattern() {
        let crm: ResourceName = "crm".parse().expect("name");
        let held = grants("crm:GET", "crm:GET:/customers/*", "crm:GET crm:POST");
        let access = |method, path: &str| Access::Http(method, path.parse().expect("path"));
        assert_eq!(held.check(&crm, &access(HttpMethod::Get, "/customers/1")), Ok(()));
        assert_eq!(held.check(&crm, &access(HttpMethod::Get, "/admin")), Err(Layer::Manifest));
        assert_eq!(held.check(&crm, &access(HttpMethod::Post, "/customers/1")), Err(Layer::Manifest));
    }
}
