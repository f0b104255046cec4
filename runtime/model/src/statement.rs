//! What analysis says about one SQL statement.

use serde::{Deserialize, Serialize};

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
