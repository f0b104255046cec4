//! What a host call went to, in the words of the semantic conventions for databases, HTTP clients and generative models.

use airlock_model::AuditEvent;
use airlock_resources::BindingConfig;
use opentelemetry_proto::tonic::common::v1::KeyValue;

use super::spans::{count, text};
use crate::config::Config;

/// Words that begin a statement. Anything else that a guest writes there is no name of an operation.
const VERBS: [&str; 24] = [
    "SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "VALUES", "MERGE", "REPLACE", "CREATE", "ALTER", "DROP",
    "TRUNCATE", "EXPLAIN", "PRAGMA", "SHOW", "TABLE", "ANALYZE", "CALL", "COPY", "GRANT", "REVOKE", "BEGIN", "COMMIT",
    "ROLLBACK",
];

/// The binding of one resource.
pub(super) enum Backend<'a> {
    Sql { system: &'static str, namespace: Option<&'a str>, address: Option<(&'a str, u16)> },
    Kv { system: &'static str, address: Option<(&'a str, u16)> },
    Http { base_url: &'a str },
    Graphql { base_url: &'a str },
    Model { provider: &'static str, base_url: &'a str },
    Blob { system: &'static str },
    Unbound,
}

/// What the configuration says of a resource in an environment.
pub(super) fn of<'a>(config: &'a Config, resource: &str, environment: &str) -> Backend<'a> {
    let named = config.resources.iter().find(|(name, _)| name.as_str() == resource);
    let bound = named.and_then(|(_, one)| one.bindings().find(|(name, _)| name.as_str() == environment));
    match bound.map(|(_, binding)| binding) {
        Some(BindingConfig::Sqlite(_)) => Backend::Sql { system: "sqlite", namespace: None, address: None },
        Some(BindingConfig::Postgres(one)) => Backend::Sql {
            system: "postgresql",
            namespace: Some(&one.database),
            address: Some((&one.host, one.port.get())),
        },
        Some(BindingConfig::Mysql(one)) => {
            Backend::Sql { system: "mysql", namespace: Some(&one.database), address: Some((&one.host, one.port.get())) }
        }
        Some(BindingConfig::Embedded(_)) => Backend::Kv { system: "sqlite", address: None },
        Some(BindingConfig::Redis(one)) => Backend::Kv { system: "redis", address: Some((&one.host, one.port.get())) },
        Some(BindingConfig::Http(one)) => Backend::Http { base_url: &one.base_url },
        Some(BindingConfig::Graphql(one)) => Backend::Graphql { base_url: &one.http.base_url },
        Some(BindingConfig::Openai(one)) => Backend::Model { provider: "openai", base_url: &one.http.base_url },
        Some(BindingConfig::Anthropic(one)) => Backend::Model { provider: "anthropic", base_url: &one.http.base_url },
        Some(BindingConfig::Directory(_)) => Backend::Blob { system: "directory" },
        Some(BindingConfig::S3(_)) => Backend::Blob { system: "s3" },
        None => Backend::Unbound,
    }
}

impl Backend<'_> {
    pub(super) fn is_database(&self) -> bool {
        matches!(self, Self::Sql { .. })
    }

    /// What was asked, of few different values.
    pub(super) fn operation(&self, event: &AuditEvent) -> Option<String> {
        match self {
            Self::Sql { .. } => verb(event.target.as_deref()?).map(str::to_owned),
            Self::Kv { .. } => event.operation.as_deref().map(str::to_uppercase),
            Self::Http { .. } => event.operation.clone(),
            Self::Graphql { .. } | Self::Model { .. } | Self::Blob { .. } | Self::Unbound => event.operation.clone(),
        }
    }

    /// Of few different values too: no path, no key and no value.
    pub(super) fn name(&self, event: &AuditEvent, operation: Option<&str>) -> String {
        let resource = event.resource.as_deref().unwrap_or("a resource");
        match (self, operation) {
            (Self::Sql { .. }, Some(operation)) => summary(event, operation),
            (Self::Http { .. }, Some(method)) => method.to_owned(),
            (Self::Model { .. }, _) => format!("chat {resource}"),
            (_, Some(operation)) => format!("{operation} {resource}"),
            (_, None) => format!("call {resource}"),
        }
    }

    pub(super) fn describe(&self, event: &AuditEvent, operation: Option<&str>, add: &mut Vec<KeyValue>) {
        add.extend(event.rows.map(|rows| count("db.response.returned_rows", rows)).filter(|_| self.is_database()));
        match self {
            Self::Sql { system, namespace, address } => {
                add.push(text("db.system.name", system));
                add.extend(namespace.map(|name| text("db.namespace", name)));
                describe_address(*address, add);
                if let Some(operation) = operation {
                    add.extend([
                        text("db.operation.name", operation),
                        text("db.query.summary", &summary(event, operation)),
                    ]);
                }
                if let [table] = event.tables.as_slice() {
                    add.push(text("db.collection.name", table));
                }
            }
            Self::Kv { system, address } => {
                add.push(text("db.system.name", system));
                describe_address(*address, add);
                add.extend(operation.map(|operation| text("db.operation.name", operation)));
            }
            Self::Http { base_url } => {
                add.extend(operation.map(|method| text("http.request.method", method)));
                describe_http(base_url, event, add);
                let path = event.target.as_deref().unwrap_or_default();
                add.push(text("url.full", &url(base_url, path)));
            }
            Self::Graphql { base_url } => {
                add.push(text("http.request.method", "POST"));
                describe_http(base_url, event, add);
                add.push(text("url.full", &url(base_url, "")));
            }
            Self::Model { provider, base_url } => {
                add.extend([text("gen_ai.operation.name", "chat"), text("gen_ai.provider.name", provider)]);
                describe_http(base_url, event, add);
            }
            Self::Blob { system } => {
                add.push(text("airlock.store", system));
                add.extend(operation.map(|operation| text("airlock.operation", operation)));
            }
            Self::Unbound => {}
        }
    }
}

fn describe_address(address: Option<(&str, u16)>, add: &mut Vec<KeyValue>) {
    if let Some((host, port)) = address {
        add.extend([text("server.address", host), count("server.port", port.into())]);
    }
}

fn describe_http(base_url: &str, event: &AuditEvent, add: &mut Vec<KeyValue>) {
    if let Some((host, port)) = host_and_port(base_url) {
        describe_address(Some((&host, port)), add);
    }
    add.extend(event.status.map(|status| count("http.response.status_code", status.into())));
    let again = event.attempts.and_then(|attempts| attempts.checked_sub(1)).filter(|again| *again > 0);
    add.extend(again.map(|again| count("http.request.resend_count", again.into())));
}

/// The keyword that a statement begins with.
fn verb(statement: &str) -> Option<&'static str> {
    let end = statement.trim_start().find(|c: char| !c.is_ascii_alphabetic());
    let word = statement.trim_start().get(..end.unwrap_or(statement.trim_start().len()))?;
    VERBS.into_iter().find(|verb| word.eq_ignore_ascii_case(verb))
}

/// `SELECT orders customers`: the operation and its tables, and none of its values.
fn summary(event: &AuditEvent, operation: &str) -> String {
    let tables = event.tables.iter().map(String::as_str);
    [operation].into_iter().chain(tables).collect::<Vec<_>>().join(" ")
}

/// The base URL with the path as the trail has it; queries are no part of either. A whole URL stays as it is, without its query.
fn url(base_url: &str, path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let base = base_url.split(['?', '#']).next().unwrap_or_default();
    if path.contains("://") { path.to_owned() } else { format!("{}{path}", base.trim_end_matches('/')) }
}

fn host_and_port(base_url: &str) -> Option<(String, u16)> {
    let (scheme, rest) = base_url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let usual = if scheme.eq_ignore_ascii_case("https") { 443 } else { 80 };
    // An IPv6 address has colons of its own.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (authority, usual),
    };
    Some((host.trim_matches(['[', ']']).to_owned(), port))
}

#[cfg(test)]
mod tests {
    use airlock_model::AuditKind;

    use super::*;

    #[test]
    fn an_operation_is_a_keyword_and_nothing_that_a_guest_makes_up() {
        for (statement, known) in [
            ("select * from orders", Some("SELECT")),
            ("\n  WITH a AS (SELECT 1) SELECT 1", Some("WITH")),
            ("canary-secret", None),
            ("/* canary */ select 1", None),
            ("", None),
            ("commit", Some("COMMIT")),
        ] {
            assert_eq!(verb(statement), known, "{statement}");
        }
    }

    #[test]
    fn a_url_has_no_query() {
        assert_eq!(url("https://a.example/v1/", "/x?token=canary"), "https://a.example/v1/x");
        assert_eq!(url("https://a.example", "https://b.example/y?q=canary#z"), "https://b.example/y");
        let told = |base| host_and_port(base).expect("an address");
        assert_eq!(told("https://a.example/v1"), ("a.example".to_owned(), 443));
        assert_eq!(told("http://127.0.0.1:8080"), ("127.0.0.1".to_owned(), 8080));
        assert_eq!(told("http://[::1]/x"), ("::1".to_owned(), 80));
        assert_eq!(told("http://[::1]:81/x"), ("::1".to_owned(), 81));
    }

    #[test]
    fn a_summary_names_tables_and_no_values() {
        let mut event = AuditEvent::new(AuditKind::HostCallOutcome, 0);
        event.tables = vec!["orders".to_owned(), "customers".to_owned()];
        event.target = Some("SELECT * FROM orders, customers WHERE name = 'canary'".to_owned());
        let backend = Backend::Sql { system: "sqlite", namespace: None, address: None };
        let operation = backend.operation(&event);
        assert_eq!(backend.name(&event, operation.as_deref()), "SELECT orders customers");
        let mut told = Vec::new();
        backend.describe(&event, operation.as_deref(), &mut told);
        assert!(!format!("{told:?}").contains("canary"), "{told:?}");
    }
}
