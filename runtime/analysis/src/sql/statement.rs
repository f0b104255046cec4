//! Statements by effect. What is not listed is `Admin`: a statement that a new parser learns stays refused here.

use airlock_model::StatementClass::{self, Admin, Ddl, Forbidden, Read, Session, Write};
use sqlparser::ast::{ObjectType, Statement};

use super::verdict::Verdict;

/// Raises the verdict for one statement; statements inside it are visited on their own.
pub(super) fn judge(statement: &Statement, verdict: &mut Verdict) {
    if let Statement::Drop { object_type, names, cascade, .. } = statement {
        for name in names {
            verdict.table(name.to_string());
        }
        return drop(*object_type, *cascade, verdict);
    }
    let (class, reason) = reads(statement)
        .or_else(|| writes(statement))
        .or_else(|| changes_session(statement))
        .or_else(|| changes_schema(statement))
        .or_else(|| destroys(statement))
        .unwrap_or((Admin, "the statement administers the server or is not known"));
    verdict.raise(class, reason);
}

type Judged = Option<(StatementClass, &'static str)>;

fn reads(statement: &Statement) -> Judged {
    matches!(
        statement,
        // The class of a query comes from its parts, that of EXPLAIN from the statement it explains.
        Statement::Query(_)
            | Statement::Explain { .. }
            | Statement::ExplainTable { .. }
            | Statement::ShowVariable { .. }
            | Statement::ShowTables { .. }
            | Statement::ShowColumns { .. }
            | Statement::ShowCreate { .. }
            | Statement::ShowCollation { .. }
            | Statement::ShowCharset(_)
    )
    .then_some((Read, ""))
}

fn writes(statement: &Statement) -> Judged {
    let reason = match statement {
        Statement::Insert(insert) if insert.replace_into => "REPLACE writes rows",
        Statement::Insert(_) => "INSERT writes rows",
        Statement::Update(_) => "UPDATE writes rows",
        Statement::Delete(_) => "DELETE removes rows",
        Statement::Merge(_) => "MERGE writes rows",
        _ => return None,
    };
    Some((Write, reason))
}

fn changes_session(statement: &Statement) -> Judged {
    let reason = match statement {
        Statement::Set(_) | Statement::Reset(_) | Statement::AlterSession { .. } => "SET and RESET change the session",
        Statement::Pragma { .. } => "PRAGMA changes the session",
        Statement::Use(_) => "USE changes the session",
        Statement::StartTransaction { .. }
        | Statement::Commit { .. }
        | Statement::Rollback { .. }
        | Statement::Savepoint { .. }
        | Statement::ReleaseSavepoint { .. } => "transactions belong to the host",
        Statement::Declare { .. } | Statement::Open(_) | Statement::Fetch { .. } | Statement::Close { .. } => {
            "cursors outlive the statement"
        }
        Statement::Prepare { .. } | Statement::Deallocate { .. } => "prepared statements outlive the statement",
        Statement::Discard { .. } => "DISCARD changes the session",
        Statement::LISTEN { .. } | Statement::UNLISTEN { .. } | Statement::NOTIFY { .. } => {
            "notifications reach other sessions"
        }
        Statement::Lock(_) | Statement::LockTables { .. } | Statement::UnlockTables => {
            "explicit locks outlive the statement"
        }
        _ => return None,
    };
    Some((Session, reason))
}

fn changes_schema(statement: &Statement) -> Judged {
    let reason = match statement {
        Statement::CreateTable(table) if !table.or_replace => "CREATE TABLE changes the schema",
        Statement::CreateView(_) | Statement::AlterView { .. } => "the statement changes a view",
        Statement::CreateIndex(_) | Statement::AlterIndex { .. } => "the statement changes an index",
        Statement::CreateSequence { .. } => "CREATE SEQUENCE changes the schema",
        Statement::CreateSchema { .. } | Statement::AlterSchema(_) => "the statement changes a schema",
        Statement::CreateType { .. } | Statement::AlterType(_) => "the statement changes a type",
        Statement::CreateDomain(_) | Statement::DropDomain(_) => "the statement changes a domain",
        Statement::CreateTrigger(_) | Statement::DropTrigger(_) => "the statement changes a trigger",
        Statement::AlterTable(_) | Statement::RenameTable(_) => "ALTER TABLE changes the schema",
        Statement::Comment { .. } => "COMMENT changes the schema",
        Statement::CreateVirtualTable { module_name, .. } if is_index_module(&module_name.value) => {
            "CREATE VIRTUAL TABLE changes the schema"
        }
        _ => return None,
    };
    Some((Ddl, reason))
}

/// The SQLite modules that only keep an index; others read files or pages.
fn is_index_module(module: &str) -> bool {
    ["fts3", "fts4", "fts5", "rtree", "rtree_i32", "geopoly"].iter().any(|known| module.eq_ignore_ascii_case(known))
}

fn destroys(statement: &Statement) -> Judged {
    if matches!(statement, Statement::CreateTable(table) if table.or_replace) {
        return Some((Forbidden, "CREATE OR REPLACE TABLE destroys the table that is there"));
    }
    matches!(statement, Statement::Truncate(_)).then_some((Forbidden, "TRUNCATE removes all rows at once"))
}

fn drop(object: ObjectType, cascade: bool, verdict: &mut Verdict) {
    let (class, reason) = match object {
        ObjectType::Table => (Forbidden, "DROP TABLE destroys data"),
        ObjectType::Schema => (Forbidden, "DROP SCHEMA destroys data"),
        ObjectType::Database => (Forbidden, "DROP DATABASE destroys data"),
        _ if cascade => (Forbidden, "DROP with CASCADE destroys whatever depends on the object"),
        // A view can be written again; it holds no rows of its own that are not elsewhere.
        ObjectType::View | ObjectType::MaterializedView => (Ddl, "DROP VIEW changes the schema"),
        ObjectType::Index => (Ddl, "DROP INDEX changes the schema"),
        ObjectType::Sequence => (Ddl, "DROP SEQUENCE changes the schema"),
        ObjectType::Type | ObjectType::Collation => (Ddl, "DROP TYPE changes the schema"),
        ObjectType::Role | ObjectType::User => (Admin, "DROP ROLE administers the server"),
        ObjectType::Stage | ObjectType::Stream | ObjectType::Warehouse => (Admin, "the object is of another database"),
    };
    verdict.raise(class, reason);
}
