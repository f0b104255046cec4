//! One statement on one connection: prepare, check, bind, run.

use airlock_model::{HostError, HostReply, SqlVerb, StatementClass};
use rusqlite::{CachedStatement, Statement};

use super::{
    connection::Guarded,
    parameters,
    rows::{self, Caps},
};
use crate::SqlRequest;

/// Why a statement did not end in a reply.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// SQLite's own word.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// Ours: said before the statement ran, or about the size of its result.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// Runs exactly one statement. The connection's authorizer and watch are set.
pub(super) fn run(guarded: &Guarded, request: &SqlRequest) -> Result<HostReply, Fault> {
    check_text(request)?;
    match request.verb {
        SqlVerb::Query => query(guarded, request),
        SqlVerb::Execute => execute(guarded, request),
    }
}

/// SQLite would read only up to a NUL.
pub(super) fn check_text(request: &SqlRequest) -> Result<(), Fault> {
    if request.statement.contains('\0') { Err(bad("the statement contains a NUL byte")) } else { Ok(()) }
}

/// Has a transaction that has just begun see the database as it is now.
pub(super) fn take_snapshot(guarded: &Guarded) -> rusqlite::Result<()> {
    guarded.connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))
}

fn query(guarded: &Guarded, request: &SqlRequest) -> Result<HostReply, Fault> {
    let mut statement = prepare_query(guarded, request)?;
    let columns = rows::columns(&statement);
    let caps = Caps {
        rows_max: request.rows_max,
        bytes_max: request.bytes_max,
        rows_enough: u64::MAX,
        bytes_enough: usize::MAX,
    };
    let (rows, _) = rows::read(&mut statement.raw_query(), columns, caps)?;
    Ok(HostReply::Rows(rows))
}

/// A query that is ready to be stepped through.
pub(super) fn prepare_query<'a>(guarded: &'a Guarded, request: &SqlRequest) -> Result<CachedStatement<'a>, Fault> {
    if request.class != StatementClass::Read {
        return Err(bad("`query` only reads: use `execute` for a statement that changes something"));
    }
    // Only reads are cached: a statement keeps the permission it was prepared under.
    let mut statement = guarded.connection.prepare_cached(&request.statement)?;
    if !statement.readonly() {
        return Err(bad("`query` only reads, and SQLite says that this statement writes"));
    }
    if statement.column_count() == 0 {
        return Err(bad("`query` needs a statement that returns columns: use a SELECT"));
    }
    bind(&mut statement, &request.parameters)?;
    Ok(statement)
}

fn execute(guarded: &Guarded, request: &SqlRequest) -> Result<HostReply, Fault> {
    if request.class == StatementClass::Read {
        return Err(bad("`execute` changes something: use `query` for a statement that reads"));
    }
    let mut statement = guarded.connection.prepare(&request.statement)?;
    if statement.column_count() != 0 {
        return Err(bad("`execute` returns a count, not rows: leave RETURNING out, or use `query` for a SELECT"));
    }
    bind(&mut statement, &request.parameters)?;
    let affected = statement.raw_execute()?;
    // A change of the schema leaves SQLite's counter as the statement before it set it.
    let affected = if request.class == StatementClass::Ddl { 0 } else { affected };
    Ok(HostReply::Affected(request.check_affected(affected as u64)?))
}

fn bind(statement: &mut Statement<'_>, text: &str) -> Result<(), Fault> {
    let values = parameters::parse(text)?;
    let wanted = statement.parameter_count();
    if values.len() != wanted {
        let given = values.len();
        return Err(bad(format!("the statement has {wanted} parameters and {given} values were given")));
    }
    for (index, value) in values.into_iter().enumerate() {
        statement.raw_bind_parameter(index + 1, value)?;
    }
    Ok(())
}

fn bad(text: impl Into<String>) -> Fault {
    Fault::Host(HostError::BadRequest(text.into()))
}
