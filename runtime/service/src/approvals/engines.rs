//! Which tables of MySQL and MariaDB undo what is rolled back.

use airlock_model::{HostError, ResourceName, Rows, SqlVerb, StatementClass, TenantName};
use airlock_resources::{SqlRequest, StopNotice};
use serde_json::Value;
use tokio::time::Instant;

/// Tables that are looked at, and bytes of their names.
const TABLES_MAX: u64 = 1_000;
const NAMES_BYTES_MAX: u64 = 256 << 10;

/// The tables of the database that do not.
const QUESTION: &str = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() \
                                   AND table_type = 'BASE TABLE' AND engine <> 'InnoDB'";

/// Asks for them.
pub(super) fn question(resource: &ResourceName, tenant: &TenantName, deadline: Instant) -> SqlRequest {
    SqlRequest {
        resource: resource.clone(),
        tenant: tenant.clone(),
        verb: SqlVerb::Query,
        class: StatementClass::Read,
        statement: QUESTION.to_owned(),
        parameters: "[]".to_owned(),
        affected_max: None,
        connection_by: deadline,
        deadline,
        rows_max: TABLES_MAX,
        bytes_max: NAMES_BYTES_MAX,
        stop: StopNotice::default(),
    }
}

/// Whether everything that a statement names can be undone. Tables of other databases are not looked at, so none may be named.
///
/// # Errors
/// The first table that cannot, or where it is not known.
pub(super) fn check(rows: Option<&Rows>, tables: &[String]) -> Result<(), HostError> {
    let refuse = |why: String| Err(HostError::BadRequest(why));
    let found = rows.filter(|rows| !rows.truncated).map(|rows| serde_json::from_str::<Vec<[Value; 1]>>(&rows.rows));
    let Some(Ok(lasting)) = found else {
        return refuse("the database does not say which of its tables can be rolled back".to_owned());
    };
    let plain = |name: &str| name.trim_matches('`').to_lowercase();
    for table in tables {
        let is_lasting = lasting.iter().any(|[name]| name.as_str().is_some_and(|name| plain(name) == plain(table)));
        if is_lasting || table.contains('.') {
            return refuse(format!("what changes in `{table}` cannot be rolled back, or is not known to be"));
        }
    }
    Ok(())
}
