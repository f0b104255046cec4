//! Which tables of MySQL and MariaDB undo what is rolled back.

use airlock_model::{HostError, ResourceName, Rows, SqlVerb, StatementClass, TenantName};
use airlock_resources::{SqlRequest, StopNotice};
use tokio::time::Instant;

/// Bytes of the names that are looked at.
const NAMES_BYTES_MAX: u64 = 256 << 10;
/// Names that are looked at; several can differ in case alone.
const NAMES_MAX: u64 = 1_000;
/// Says of a table that what changes in it can be rolled back.
const UNDONE: &str = "undone";

/// Asks of everything in the database that is called like these, whatever the case, whether it is a table that undoes what is
/// rolled back: InnoDB's. Views are none, because what lies behind them is not known.
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
            "SELECT lower(table_name), \
             CASE WHEN table_type = 'BASE TABLE' AND engine = 'InnoDB' THEN '{UNDONE}' ELSE 'kept' END \
             FROM information_schema.tables WHERE table_schema = DATABASE() AND lower(table_name) IN ({places})"
        ),
        parameters: serde_json::Value::from(names).to_string(),
        affected_max: None,
        connection_by: deadline,
        deadline,
        rows_max: NAMES_MAX,
        bytes_max: NAMES_BYTES_MAX,
        stop: StopNotice::default(),
    }
}

/// Whether everything that a statement names can be undone. What is in another database, or is named by nothing, is not known to
/// be; nor is a name while something with another case of it cannot be, because whether the server tells them apart depends on
/// how it was set up.
///
/// # Errors
/// The first table that cannot, or where it is not known.
pub(super) fn check(rows: Option<&Rows>, tables: &[String]) -> Result<(), HostError> {
    let refuse = |why: String| Err(HostError::BadRequest(why));
    let found = rows.filter(|rows| !rows.truncated).map(|rows| serde_json::from_str::<Vec<[String; 2]>>(&rows.rows));
    let Some(Ok(found)) = found else {
        return refuse("the database does not say which of its tables can be rolled back".to_owned());
    };
    if tables.is_empty() {
        return refuse("the statement names no table, so what it changes is not known".to_owned());
    }
    let is_undone = |table: &String| {
        let table = plain(table);
        let alike: Vec<_> = found.iter().filter(|[name, _]| *name == table).collect();
        !alike.is_empty() && alike.iter().all(|[_, what]| what == UNDONE)
    };
    match tables.iter().find(|table| !is_undone(table)) {
        Some(table) => refuse(format!("what changes in `{table}` cannot be rolled back, or is not known to be")),
        None => Ok(()),
    }
}

fn plain(name: &str) -> String {
    name.trim_matches('`').to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(found: &[[&str; 2]]) -> Rows {
        let rows = serde_json::to_string(found).expect("text");
        Rows { columns: Vec::new(), rows, row_count: found.len() as u64, truncated: false }
    }

    #[test]
    fn a_name_is_undone_when_everything_called_like_it_is() {
        let tables = ["`Orders`".to_owned(), "lines".to_owned()];
        let check = |found: &[[&str; 2]]| check(Some(&rows(found)), &tables);
        check(&[["orders", "undone"], ["lines", "undone"]]).expect("both are");
        check(&[["orders", "undone"], ["orders", "undone"], ["lines", "undone"]]).expect("in either case");
        for found in [
            &[["orders", "undone"], ["orders", "kept"], ["lines", "undone"]][..],
            &[["orders", "kept"], ["orders", "undone"], ["lines", "undone"]],
            &[["orders", "undone"], ["lines", "kept"]],
            &[["orders", "undone"]],
            &[],
        ] {
            assert!(check(found).is_err(), "{found:?}");
        }
        let cut = Rows { truncated: true, ..rows(&[["orders", "undone"], ["lines", "undone"]]) };
        assert!(super::check(Some(&cut), &tables).is_err(), "there may be more");
        assert!(super::check(Some(&rows(&[])), &[]).is_err() && super::check(None, &tables).is_err());
    }
}
