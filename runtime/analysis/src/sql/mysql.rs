//! What MySQL and MariaDB tell about themselves: accounts with the hashes of their passwords, hosts, paths, settings.
//!
//! None of it changes anything, and none of it is a guest's business, so it is no read.

use airlock_model::StatementClass::Admin;
use sqlparser::ast::{Ident, ObjectName, ObjectNamePart, Statement};

use super::verdict::{Verdict, shown};

/// SHOW GRANTS has the hash of a password in MariaDB, SHOW CREATE VIEW an account, SHOW TABLES the database's name.
pub(super) fn judge_statement(statement: &Statement, verdict: &mut Verdict) {
    let shows = matches!(
        statement,
        Statement::ShowVariable { .. } | Statement::ShowTables { .. } | Statement::ShowCreate { .. }
    );
    if shows {
        let reason =
            "SHOW tells about accounts and the server: read information_schema.tables or information_schema.columns";
        verdict.raise(Admin, reason);
    }
}

/// Settings, and functions that are called without parentheses.
pub(super) fn judge_ident(ident: &Ident, verdict: &mut Verdict) {
    let is_plain = ident.quote_style.is_none();
    if is_plain && ident.value.starts_with("@@") {
        verdict.raise(Admin, format!("`{}` is a setting of the server", shown(&ident.value)));
    }
    if is_plain && ["current_user", "current_role"].iter().any(|name| ident.value.eq_ignore_ascii_case(name)) {
        verdict.raise(Admin, format!("`{}` names the account", shown(&ident.value)));
    }
}

/// Databases of the server's own, but for those tables that describe tables.
pub(super) fn judge_relation(relation: &ObjectName, verdict: &mut Verdict) {
    let parts: Option<Vec<String>> = relation.0.iter().map(name).collect();
    let is_own = match parts.as_deref() {
        Some([_]) => false,
        Some([database, table]) => is_own(database, table),
        _ => true,
    };
    if is_own {
        verdict.raise(Admin, format!("`{}` tells about accounts and the server", shown(&relation.to_string())));
    }
}

fn is_own(database: &str, table: &str) -> bool {
    OWN.contains(&database) || (database == "information_schema" && !DESCRIBES_TABLES.contains(&table))
}

/// As [`judge_relation`], for `TABLE database.name`.
pub(super) fn judge_table_command(database: &str, table: &str, verdict: &mut Verdict) {
    if is_own(&database.to_lowercase(), &table.to_lowercase()) {
        verdict.raise(Admin, "the table tells about accounts and the server");
    }
}

fn name(part: &ObjectNamePart) -> Option<String> {
    match part {
        ObjectNamePart::Identifier(ident) => Some(ident.value.to_lowercase()),
        ObjectNamePart::Function(_) => None,
    }
}

const OWN: [&str; 5] = ["mysql", "performance_schema", "sys", "sys_schema", "ndbinfo"];

/// The tables of `information_schema` that are about tables, and show those alone that the account may use.
const DESCRIBES_TABLES: [&str; 12] = [
    "character_sets",
    "check_constraints",
    "collation_character_set_applicability",
    "collations",
    "columns",
    "key_column_usage",
    "keywords",
    "partitions",
    "referential_constraints",
    "statistics",
    "table_constraints",
    "tables",
];
