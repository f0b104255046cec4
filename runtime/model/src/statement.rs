//! What analysis says about one SQL statement.

use serde::{Deserialize, Serialize};

use crate::{Digest, ResourceName};

/// The class of a statement, by its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatementClass {
    /// Only reads.
    Read,
    /// Changes rows.
    Write,
    /// Changes the schema.
    Ddl,
    /// Changes the session (SET, BEGIN, PRAGMA, LISTEN): never accepted from a guest.
    Session,
    /// Administers the server (VACUUM, ATTACH, COPY, GRANT): never accepted from a guest.
    Admin,
    /// Destroys whole objects (DROP TABLE, TRUNCATE): never accepted from a guest without an approval.
    Forbidden,
}

impl StatementClass {
    /// The class in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Ddl => "ddl",
            Self::Session => "session",
            Self::Admin => "admin",
            Self::Forbidden => "forbidden",
        }
    }
}

/// The verdict on one statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementReport {
    /// By effect.
    pub class: StatementClass,
    /// Tables named, sorted, without duplicates.
    pub tables: Vec<String>,
    /// Why the class is not `read`, one line each.
    pub because: Vec<String>,
}

/// What a statement is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatementLanguage {
    /// SQL, in the dialect of its database.
    Sql,
    /// A GraphQL document.
    Graphql,
    /// SOQL of a Salesforce-style API.
    Soql,
}

impl StatementLanguage {
    /// The language in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sql => "sql",
            Self::Graphql => "graphql",
            Self::Soql => "soql",
        }
    }
}

/// One text that a revision may send, to one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestStatement {
    /// Where it is sent.
    pub resource: ResourceName,
    /// What it is written in.
    pub language: StatementLanguage,
    /// Byte for byte.
    pub text: String,
    /// By effect; a mutation is a write.
    pub class: StatementClass,
    /// Tables or fields named.
    #[serde(default)]
    pub tables: Vec<String>,
    /// File, line and column, or `component` when the component's own section says it.
    pub place: String,
}

impl ManifestStatement {
    /// The same for the same text to the same resource, whatever revision it stands in.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        fingerprint(&self.resource, self.language, &self.text)
    }
}

/// What tells one text to one resource from every other.
#[must_use]
pub fn fingerprint(resource: &ResourceName, language: StatementLanguage, text: &str) -> Digest {
    Digest::of_parts(&[resource.as_str().as_bytes(), language.as_str().as_bytes(), text.as_bytes()])
}

/// The statement manifest: every text that a revision may send in an environment that is strict.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StatementManifest(pub Vec<ManifestStatement>);

impl StatementManifest {
    /// One for each statement.
    pub fn fingerprints(&self) -> impl Iterator<Item = Digest> {
        self.0.iter().map(ManifestStatement::fingerprint)
    }
}
