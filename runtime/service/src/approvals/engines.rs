//! Which tables of MySQL and MariaDB undo what is rolled back.

use airlock_model::{HostError, ResourceName, Rows, SqlVerb, StatementClass, TenantName};
use airlock_resources::{SqlRequest, StopNotice};
use tokio::time::Instant;

/// Bytes of the names that are looked at.
const NAMES_BYTES_MAX: u64 = 256 << 10;

/// Asks which of these are tables of the database that undo what is rolled back: InnoDB's. Views are none, because what lies
/// behind them is not known.
pub(super) fn question(
    (resource, tenant): (&ResourceName, &TenantName),
    tables: &[String],
    deadline: Instant,
) -> SqlRequest {
    let places = vec!["?"; tables.len().max(1)].join(", ");
    let names = if tables.is_empty() { vec![String::new()] } else { tables.iter().map(|name| plain(name)).collect() };
    SqlRequest {
        resource: resource.clone(),
        tenant: tenant.clone(),
        verb: SqlVerb::Query,
        class: StatementClass::Read,
        statement: format!(
            "SELECT lower(table_name) FROM information_schema.tables WHERE table_schema = DATABASE() \
             AND table_type = 'BASE TABLE' AND engine = 'InnoDB' AND lower(table_name) IN ({places})"
        ),
        parameters: serde_json::Value::from(names).to_string(),
        affected_max: None,
        connection_by: deadline,
        deadline,
        rows_max: tables.len().max(1) as u64,
        bytes_max: NAMES_BYTES_MAX,
        stop: StopNotice::default(),
    }
}

/// Whether everything that a statement names can be undone. What is in another database, or is named by nothing, is not known to
/// be.
///
/// # Errors
/// The first table that cannot, or where it is not known.
pub(super) fn check(rows: Option<&Rows>, tables: &[String]) -> Result<(), HostError> {
    let refuse = |why: String| Err(HostError::BadRequest(why));
    let found = rows.filter(|rows| !rows.truncated).map(|rows| serde_json::from_str::<Vec<[String; 1]>>(&rows.rows));
    let Some(Ok(undone)) = found else {
        return refuse("the database does not say which of its tables can be rolled back".to_owned());
    };
    if tables.is_empty() {
        return refuse("the statement names no table, so what it changes is not known".to_owned());
    }
    let is_undone = |table: &String| undone.iter().any(|[name]| *name == plain(table));
    match tables.iter().find(|table| !is_undone(table)) {
        Some(table) => refuse(format!("what changes in `{table}` cannot be rolled back, or is not known to be")),
        None => Ok(()),
    }
}

fn plain(name: &str) -> String {
    name.trim_matches('`').to_lowercase()
}
