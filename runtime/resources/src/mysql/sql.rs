//! Names and texts as SQL.

/// A name in backticks.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A text in single quotes, for a session without NO_BACKSLASH_ESCAPES.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// A database's name as GRANT takes it: there `_` and `%` are patterns, and one database's grant would be another's.
pub(super) fn granted(database: &str) -> String {
    quoted(&database.replace('\\', "\\\\").replace('_', "\\_").replace('%', "\\%"))
}
