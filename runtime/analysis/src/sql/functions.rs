//! Functions by effect: committed lists of what is known to be read-only, everything else writes.
//!
//! The PostgreSQL lists are extracted from a running PostgreSQL 15.18 as their heads describe; the SQLite and MySQL lists
//! are written from the manuals.

use std::{collections::HashSet, sync::LazyLock};

use airlock_model::StatementClass;
use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

use super::{
    Dialect,
    verdict::{Verdict, shown},
};

type Names = LazyLock<HashSet<&'static str>>;

static SQLITE: Names = LazyLock::new(|| names(include_str!("data/sqlite_functions.txt")));
static SQLITE_TABLES: Names = LazyLock::new(|| names(include_str!("data/sqlite_table_functions.txt")));
static MYSQL: Names = LazyLock::new(|| names(include_str!("data/mysql_functions.txt")));
static POSTGRES: Names = LazyLock::new(|| {
    let mut all = names(include_str!("data/postgres_functions.txt"));
    all.extend(names(include_str!("data/postgres_functions_added.txt")));
    all
});
static POSTGRES_VOLATILE: Names = LazyLock::new(|| names(include_str!("data/postgres_volatile.txt")));
static POSTGRES_OPERATORS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    include_str!("data/postgres_operators.txt").lines().filter(|line| !line.starts_with("-- ")).collect()
});

/// One name per line; `#` starts a comment.
fn names(text: &'static str) -> HashSet<&'static str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

/// Where a function is called. SQLite keeps table-valued functions apart from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Expression,
    From,
}

/// Raises the verdict unless the function is known to be read-only.
pub(super) fn judge(dialect: Dialect, name: &ObjectName, place: Place, verdict: &mut Verdict) {
    let is_known = bare_name(dialect, name).is_some_and(|name| {
        let list = match (dialect, place) {
            (Dialect::Sqlite, Place::Expression) => &SQLITE,
            (Dialect::Sqlite, Place::From) => &SQLITE_TABLES,
            (Dialect::Postgres, _) => &POSTGRES,
            (Dialect::Mysql, _) => &MYSQL,
        };
        list.contains(name.as_str())
    });
    if !is_known {
        verdict.raise(
            StatementClass::Write,
            format!("function `{}` is not known to be read-only", shown(&name.to_string())),
        );
    }
}

/// Whether `(value).name` could call a function: PostgreSQL reads `('s'::regclass).nextval` as `nextval('s')`.
///
/// Only built-in volatile functions can be told from columns here; for others the role of the connection is the wall.
pub(super) fn is_volatile_attribute(dialect: Dialect, field: &Ident) -> bool {
    dialect == Dialect::Postgres && POSTGRES_VOLATILE.contains(folded(dialect, field).as_str())
}

/// Whether a PostgreSQL operator is built in; every built-in operator is free of effects.
pub(super) fn is_builtin_operator(operator: &str) -> bool {
    POSTGRES_OPERATORS.contains(operator)
}

/// The name without `pg_catalog`, folded as the dialect does; none when another schema qualifies it.
fn bare_name(dialect: Dialect, name: &ObjectName) -> Option<String> {
    let ident = |part: &ObjectNamePart| match part {
        ObjectNamePart::Identifier(ident) => Some(folded(dialect, ident)),
        ObjectNamePart::Function(_) => None,
    };
    match name.0.as_slice() {
        [only] => ident(only),
        [schema, last] if dialect == Dialect::Postgres && ident(schema)? == "pg_catalog" => ident(last),
        _ => None,
    }
}

/// PostgreSQL keeps the case of quoted names; SQLite and MySQL never tell functions apart by case.
fn folded(dialect: Dialect, ident: &Ident) -> String {
    if dialect == Dialect::Postgres && ident.quote_style.is_some() {
        return ident.value.clone();
    }
    ident.value.to_ascii_lowercase()
}
