//! What one SQL statement does, by its text alone.
//!
//! Fails closed: a text that does not parse is refused, a construct that is not listed is the worst it could be, and a
//! function that is not known to be read-only writes. A class is never the only wall: roles, read-only transactions and
//! authorizers stand behind it, because parsing cannot see into user-defined functions, operators, casts and triggers.

mod depth;
mod effect;
mod expression;
mod fingerprint;
mod functions;
mod lexer;
mod lexical;
mod mysql;
mod parse;
mod postgres;
mod read_functions;
mod rows_before;
mod scope;
mod statement;
mod verdict;
mod walk;

use std::{fmt, str::FromStr};

use airlock_model::StatementReport;
use serde::{Deserialize, Serialize};

pub use effect::effect;
pub use fingerprint::fingerprint;
pub use read_functions::{ReadFunctionError, ReadFunctions};
pub use rows_before::rows_before;

use functions::Rules;

/// Longest statement text, in bytes. Values are bound as parameters, so a text has no reason to be longer.
pub const TEXT_BYTES_MAX: usize = 256 * 1024;

/// The SQL that a database speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// SQLite 3.
    Sqlite,
    /// PostgreSQL with `standard_conforming_strings` on.
    Postgres,
    /// MySQL 8 with neither `ANSI_QUOTES` nor `NO_BACKSLASH_ESCAPES` in `sql_mode`.
    Mysql,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 3] = [Self::Sqlite, Self::Postgres, Self::Mysql];

    /// The name as in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Dialect {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|dialect| dialect.as_str() == text).ok_or(())
    }
}

/// Why a text gets no class. It must not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SqlRefusal {
    /// Nothing but blanks, comments and semicolons.
    #[error("the statement is empty")]
    Empty,
    /// Databases stop reading at a NUL, so what stands behind it would be judged but not run, or the other way round.
    #[error("the statement contains a NUL character: bind the value as a parameter")]
    NulByte,
    /// Longer than [`TEXT_BYTES_MAX`].
    #[error("the statement has {found} bytes, the limit is {configured}: bind values as parameters")]
    TooLong {
        /// The limit in bytes.
        configured: usize,
        /// Bytes of the text.
        found: usize,
    },
    /// Parentheses, subqueries or operator chains nest too deeply.
    #[error("the statement nests deeper than {configured} levels: split it, or replace OR chains with IN")]
    TooDeep {
        /// The limit that was hit.
        configured: usize,
    },
    /// More than one statement.
    #[error("the text has {count} statements: send one per call")]
    NotOneStatement {
        /// How many.
        count: usize,
    },
    /// Not understood, and therefore refused.
    #[error("the statement is not understood at line {line}, column {column}: {message}")]
    Unparsed {
        /// From 1; 0 when unknown.
        line: u64,
        /// From 1, in characters; 0 when unknown.
        column: u64,
        /// What was expected, at most 300 characters.
        message: String,
    },
}

/// Reports the class of one statement, the tables it names and why it is not a plain read.
///
/// Tables are as written, schema and quotes included; names that a `WITH` of the same statement defines are left out.
///
/// # Errors
/// When the text is empty, too long, too deep, more than one statement, or not understood.
pub fn classify(dialect: Dialect, text: &str) -> Result<StatementReport, SqlRefusal> {
    classify_with(dialect, text, &ReadFunctions::NONE)
}

/// As [`classify`], where the functions of `listed` count as reads too.
///
/// # Errors
/// As [`classify`].
pub fn classify_with(dialect: Dialect, text: &str, listed: &ReadFunctions) -> Result<StatementReport, SqlRefusal> {
    let parsed = parse::one_statement(dialect, text)?;
    Ok(walk::report(Rules { dialect, listed }, &parsed))
}
