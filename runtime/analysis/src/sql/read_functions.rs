//! Functions that an operator says only read.

use std::collections::BTreeSet;

use super::{Dialect, functions};

/// Longest part of a name, in bytes: PostgreSQL cuts longer ones.
const PART_BYTES_MAX: usize = 63;

/// Functions beyond the built-in ones that count as reads, for one database.
///
/// A name counts exactly as it is listed: `app.total` only for calls that name the schema, `total` only for those that do
/// not. The operator answers for what the function does, and for what an unqualified name finds on the search path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadFunctions(BTreeSet<Called>);

/// Why a name cannot be listed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadFunctionError {
    /// Not a function's name.
    #[error("`{name}` is not a function's name: write `name` or `schema.name`, without quotes and parentheses")]
    Name {
        /// As it was listed.
        name: String,
    },
    /// A built-in function that has an effect.
    #[error("`{name}` is a built-in function with an effect: it cannot be listed as a read")]
    Acts {
        /// As it was listed.
        name: String,
    },
}

impl ReadFunctions {
    /// No function beyond the built-in ones.
    pub const NONE: Self = Self(BTreeSet::new());

    /// Reads a list of names, each `name` or `schema.name` as the database stores it.
    ///
    /// # Errors
    /// When a name is none, or is that of a built-in function with an effect.
    pub fn new<'a>(dialect: Dialect, names: impl IntoIterator<Item = &'a str>) -> Result<Self, ReadFunctionError> {
        names.into_iter().map(|name| listed(dialect, name)).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn contains(&self, called: &Called) -> bool {
        !self.0.is_empty() && self.0.contains(called)
    }
}

fn listed(dialect: Dialect, name: &str) -> Result<Called, ReadFunctionError> {
    let refused = || ReadFunctionError::Name { name: name.chars().take(2 * PART_BYTES_MAX).collect() };
    let legal = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
    let part = |text: &str| {
        let fits = (1..=PART_BYTES_MAX).contains(&text.len()) && text.chars().all(legal);
        let folded = || if dialect == Dialect::Postgres { text.to_owned() } else { text.to_ascii_lowercase() };
        fits.then(folded).ok_or_else(refused)
    };
    let called = match name.split_once('.') {
        None => Called::new(None, part(name)?),
        Some((schema, name)) => Called::new(Some(part(schema)?), part(name)?),
    };
    if functions::is_never_a_read(dialect, &called) {
        return Err(ReadFunctionError::Acts { name: name.to_owned() });
    }
    Ok(called)
}

/// A function's name as a call writes it, folded as the dialect does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Called {
    schema: Option<String>,
    name: String,
}

impl Called {
    pub(super) fn new(schema: Option<String>, name: String) -> Self {
        Self { schema, name }
    }

    /// The name, where it can be that of a built-in function.
    pub(super) fn builtin(&self, dialect: Dialect) -> Option<&str> {
        match self.schema.as_deref() {
            None => Some(&self.name),
            Some("pg_catalog") if dialect == Dialect::Postgres => Some(&self.name),
            Some(_) => None,
        }
    }
}
