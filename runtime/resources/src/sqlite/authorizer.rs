//! What SQLite asks before it compiles a step of a statement. Everything that is not named here is denied.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU8, Ordering},
};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use super::functions;

/// What the statement at hand may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permission {
    /// Read tables, call harmless functions.
    Read,
    /// Also change rows.
    Write,
    /// Also change the schema, but no rows, and drop no table.
    Ddl,
    /// Begin and end transactions, and nothing else: for words of our own.
    Transaction,
}

/// The authorizer's state: shared by a connection and the hook that SQLite calls.
#[derive(Debug)]
pub(super) struct Authorizer {
    permission: AtomicU8,
    denied: Mutex<Option<String>>,
}

impl Authorizer {
    pub(super) fn new() -> Self {
        Self { permission: AtomicU8::new(Permission::Read as u8), denied: Mutex::new(None) }
    }

    /// Sets what the next statement may do and forgets the last denial.
    pub(super) fn permit(&self, permission: Permission) {
        self.permission.store(permission as u8, Ordering::Relaxed);
        self.take_denial();
    }

    /// What was denied first, in words.
    pub(super) fn take_denial(&self) -> Option<String> {
        self.denied.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The hook itself.
    pub(super) fn decide(&self, context: &AuthContext<'_>) -> Authorization {
        let Err(what) = allows(self.permission(), context) else { return Authorization::Allow };
        let mut denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner);
        denied.get_or_insert(what);
        Authorization::Deny
    }

    fn permission(&self) -> Permission {
        match self.permission.load(Ordering::Relaxed) {
            value if value == Permission::Write as u8 => Permission::Write,
            value if value == Permission::Ddl as u8 => Permission::Ddl,
            value if value == Permission::Transaction as u8 => Permission::Transaction,
            _ => Permission::Read,
        }
    }
}

fn allows(permission: Permission, context: &AuthContext<'_>) -> Result<(), String> {
    let allowed = match context.action {
        AuthAction::Transaction { .. } => permission == Permission::Transaction,
        _ if permission == Permission::Transaction => false,
        AuthAction::Select | AuthAction::Recursive => true,
        AuthAction::Read { table_name, .. } => is_readable(permission, table_name),
        AuthAction::Function { function_name } => {
            functions::is_allowed(function_name)
                || (permission == Permission::Ddl && functions::belongs_to_schema_changes(function_name))
        }
        AuthAction::Insert { table_name } => changes_rows(permission, table_name, &["sqlite_master"]),
        AuthAction::Update { table_name, .. } => {
            changes_rows(permission, table_name, &["sqlite_master", "sqlite_temp_master", "sqlite_sequence"])
        }
        AuthAction::Delete { table_name } => {
            changes_rows(permission, table_name, &["sqlite_master", "sqlite_stat1", "sqlite_stat4"])
        }
        // Not triggers: they would hide writes behind writes, where no analysis of a statement sees them.
        AuthAction::CreateTable { .. }
        | AuthAction::CreateIndex { .. }
        | AuthAction::CreateView { .. }
        | AuthAction::DropIndex { .. }
        | AuthAction::DropView { .. }
        | AuthAction::AlterTable { .. }
        | AuthAction::Reindex { .. } => permission == Permission::Ddl,
        // ALTER TABLE checks the rows it already has with this one pragma.
        AuthAction::Pragma { pragma_name, .. } => permission == Permission::Ddl && pragma_name == "quick_check",
        _ => false,
    };
    if allowed { Ok(()) } else { Err(describe(&context.action)) }
}

/// Tables that are views of the engine itself.
fn is_readable(permission: Permission, table: &str) -> bool {
    let is_pragma = table.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("pragma_"));
    let is_internal = ["dbstat", "sqlite_dbpage", "sqlite_stmt"].iter().any(|name| name.eq_ignore_ascii_case(table));
    !is_internal && (!is_pragma || (permission == Permission::Ddl && table == "pragma_quick_check"))
}

/// Rows of ordinary tables belong to writes. `own` is what SQLite itself changes in its tables for a schema change;
/// DEFENSIVE refuses statements that name `sqlite_master`.
fn changes_rows(permission: Permission, table: &str, own: &[&str]) -> bool {
    let is_system = table.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("sqlite_"));
    match permission {
        Permission::Read | Permission::Transaction => false,
        Permission::Write => !is_system,
        Permission::Ddl => own.contains(&table),
    }
}

fn describe(action: &AuthAction<'_>) -> String {
    let word = match action {
        AuthAction::Attach { .. } => "ATTACH",
        AuthAction::Detach { .. } => "DETACH",
        AuthAction::Pragma { pragma_name, .. } => return format!("PRAGMA `{pragma_name}`"),
        AuthAction::Function { function_name } => return format!("the function `{function_name}`"),
        AuthAction::Read { table_name, .. } => return format!("reading `{table_name}`"),
        AuthAction::Insert { table_name } => return format!("INSERT into `{table_name}`"),
        AuthAction::Update { table_name, .. } => return format!("UPDATE of `{table_name}`"),
        AuthAction::Delete { table_name } => return format!("DELETE from `{table_name}`"),
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => "transaction control",
        AuthAction::DropTable { .. } | AuthAction::DropTempTable { .. } => "DROP TABLE",
        AuthAction::CreateTempTable { .. } | AuthAction::CreateTempView { .. } => "a temporary table",
        AuthAction::CreateTrigger { .. } | AuthAction::CreateTempTrigger { .. } => "CREATE TRIGGER",
        AuthAction::CreateVtable { .. } | AuthAction::DropVtable { .. } => "a virtual table",
        AuthAction::CreateTable { .. }
        | AuthAction::CreateIndex { .. }
        | AuthAction::CreateView { .. }
        | AuthAction::DropIndex { .. }
        | AuthAction::DropView { .. }
        | AuthAction::AlterTable { .. }
        | AuthAction::Reindex { .. } => "a change of the schema",
        _ => "this action",
    };
    word.to_owned()
}
