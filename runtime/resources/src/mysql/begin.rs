//! What comes before a guest's statement: the settings of the session, and the transaction.

use std::time::Duration;

use airlock_model::StatementClass;
use tokio::time::Instant;

use super::greeting::Kind;
use crate::{SqlRequest, TransactionMode};

/// How much longer than the statement a transaction of ours may stay open when nobody ends it.
const IDLE_GRACE: Duration = Duration::from_secs(5);

/// Modes that the meaning of a text or of a value depends on. Analysis reads texts without ANSI_QUOTES and
/// NO_BACKSLASH_ESCAPES (and MariaDB's ORACLE); values that do not fit are errors and are not bent.
const SQL_MODE: &str = "STRICT_TRANS_TABLES,STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION";

/// What makes a savepoint that everything since is undone to: a statement of class read changes nothing inside a transaction that
/// may write, whatever it calls.
pub(super) const SAVEPOINT: &str = "SAVEPOINT airlock";
pub(super) const UNDO: &str = "ROLLBACK TO SAVEPOINT airlock";

/// Statements that are sent before the guest's, each for itself.
pub(super) fn statement(kind: Kind, request: &SqlRequest) -> Vec<String> {
    match request.class {
        StatementClass::Read => transaction(kind, TransactionMode::Read, request.deadline),
        // It commits by itself, before and after.
        StatementClass::Ddl => vec![settings(kind, request.deadline)],
        _ => transaction(kind, TransactionMode::Write, request.deadline),
    }
}

/// Opens a transaction. One that reads sees a single state, as of now.
pub(super) fn transaction(kind: Kind, mode: TransactionMode, deadline: Instant) -> Vec<String> {
    let (mode, snapshot) = match mode {
        TransactionMode::Read => ("READ ONLY", "WITH CONSISTENT SNAPSHOT, "),
        TransactionMode::Write => ("READ WRITE", ""),
    };
    vec![
        settings(kind, deadline),
        // The session's default is behind the transaction's own mode, should something end that.
        format!("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, {mode}"),
        format!("START TRANSACTION {snapshot}{mode}"),
    ]
}

fn settings(kind: Kind, deadline: Instant) -> String {
    let left = deadline.saturating_duration_since(Instant::now());
    let millis = left.as_millis().max(1);
    let seconds = left.as_secs() + 1;
    let longest = match kind {
        Kind::Mysql => format!("max_execution_time = {millis}"),
        Kind::MariaDb => format!("max_statement_time = {}.{:03}", millis / 1_000, millis % 1_000),
    };
    format!(
        "SET NAMES utf8mb4, sql_mode = '{SQL_MODE}', time_zone = '+00:00', autocommit = 1, {longest}, \
         lock_wait_timeout = {seconds}, innodb_lock_wait_timeout = {seconds}, wait_timeout = {idle}, net_write_timeout = {idle}",
        idle = seconds + IDLE_GRACE.as_secs()
    )
}
