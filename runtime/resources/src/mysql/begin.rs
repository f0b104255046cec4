//! What comes before a guest's statement: the settings of the session, and the transaction.

use std::time::Duration;

use airlock_model::StatementClass;
use tokio::time::Instant;

use super::greeting::Kind;
use crate::SqlRequest;

/// How much longer than the statement a transaction of ours may stay open when nobody ends it.
const IDLE_GRACE: Duration = Duration::from_secs(5);

/// Modes that the meaning of a text or of a value depends on. Analysis reads texts without ANSI_QUOTES and
/// NO_BACKSLASH_ESCAPES (and MariaDB's ORACLE); values that do not fit are errors and are not bent.
const SQL_MODE: &str = "STRICT_TRANS_TABLES,STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION";

/// Statements that are sent before the guest's, each for itself.
pub(super) fn statements(kind: Kind, request: &SqlRequest) -> Vec<String> {
    let settings = settings(kind, request.deadline.saturating_duration_since(Instant::now()));
    match request.class {
        // The session's default is behind the transaction's own mode, should something end that.
        StatementClass::Read => vec![
            settings,
            "SET SESSION TRANSACTION READ ONLY".to_owned(),
            "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY".to_owned(),
        ],
        // It commits by itself, before and after.
        StatementClass::Ddl => vec![settings],
        _ => vec![settings, "START TRANSACTION READ WRITE".to_owned()],
    }
}

fn settings(kind: Kind, left: Duration) -> String {
    let millis = left.as_millis().max(1);
    let seconds = left.as_secs() + 1;
    let longest = match kind {
        Kind::Mysql => format!("max_execution_time = {millis}"),
        Kind::MariaDb => format!("max_statement_time = {}.{:03}", millis / 1_000, millis % 1_000),
    };
    format!(
        "SET NAMES utf8mb4, sql_mode = '{SQL_MODE}', time_zone = '+00:00', autocommit = 1, {longest}, \
         lock_wait_timeout = {seconds}, innodb_lock_wait_timeout = {seconds}, wait_timeout = {}",
        seconds + IDLE_GRACE.as_secs()
    )
}
