//! Approvals as rows.

use airlock_model::{Approval, ApprovalId, Asked, Digest};
use rusqlite::{Connection, Params};

use crate::{
    StoreError,
    chain::stored_number,
    revisions::{execute, json, prepare, text},
};

pub(super) fn insert(connection: &Connection, new: &Approval) -> Result<(), StoreError> {
    let sql = "INSERT INTO approvals (name, tenant, environment, function, resource, binding, state, body) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let (asked, binding) = (&new.asked, new.asked.binding());
    let values = (
        new.id.as_str(),
        asked.tenant.as_str(),
        asked.environment.as_str(),
        asked.function.as_str(),
        asked.resource.as_str(),
        binding.as_bytes(),
        new.progress.state.as_str(),
        text(new)?,
    );
    execute(connection, sql, values).map(drop)
}

/// Nothing but its state and its body ever changes.
pub(super) fn save(connection: &Connection, approval: &Approval) -> Result<(), StoreError> {
    let sql = "UPDATE approvals SET state = ?2, body = ?3 WHERE name = ?1";
    let values = (approval.id.as_str(), approval.progress.state.as_str(), text(approval)?);
    match execute(connection, sql, values)? {
        1 => Ok(()),
        _ => Err(StoreError::corrupt(format!("approval `{}`", approval.id))),
    }
}

pub(super) fn by_name(connection: &Connection, id: &ApprovalId) -> Result<Option<Approval>, StoreError> {
    let found = all(connection, "SELECT body FROM approvals WHERE name = ?1", [id.as_str()])?;
    Ok(found.into_iter().next())
}

/// The last that was asked for exactly this.
pub(super) fn latest(connection: &Connection, binding: &Digest) -> Result<Option<Approval>, StoreError> {
    let sql = "SELECT body FROM approvals WHERE binding = ?1 ORDER BY id DESC LIMIT 1";
    let found = all(connection, sql, [binding.as_bytes()])?.into_iter().next();
    // The copy that was searched for and what is approved must be the same thing.
    match found {
        Some(approval) if approval.asked.binding() != *binding => {
            Err(StoreError::corrupt(format!("approval `{}`", approval.id)))
        }
        found => Ok(found),
    }
}

pub(super) fn executing(connection: &Connection) -> Result<Vec<Approval>, StoreError> {
    all(connection, "SELECT body FROM approvals WHERE state = 'executing' ORDER BY id", ())
}

/// Requests of the same tenant for the same function that wait.
pub(super) fn open_count(connection: &Connection, asked: &Asked) -> Result<u64, StoreError> {
    let sql = "SELECT count(*) FROM approvals \
               WHERE tenant = ?1 AND environment = ?2 AND function = ?3 AND state = 'pending'";
    let count = prepare(connection, sql)?.query_row(place(asked), |row| row.get::<_, i64>(0));
    let count = count.map_err(StoreError::sqlite("count approvals"))?;
    u64::try_from(count).map_err(|_| StoreError::corrupt("a number of approvals"))
}

/// Requests that wait, and whose time has not passed.
pub(super) fn pending_count(connection: &Connection, now_unix_ms: u64) -> Result<u64, StoreError> {
    let sql = "SELECT count(*) FROM approvals \
               WHERE state = 'pending' AND json_extract(body, '$.progress.expires_unix_ms') > ?1";
    let count = prepare(connection, sql)?.query_row([stored_number(now_unix_ms)], |row| row.get::<_, i64>(0));
    let count = count.map_err(StoreError::sqlite("count approvals"))?;
    u64::try_from(count).map_err(|_| StoreError::corrupt("a number of approvals"))
}

/// The requests of the same tenant for the same function that are stored as waiting.
pub(super) fn all_open(connection: &Connection, asked: &Asked) -> Result<Vec<Approval>, StoreError> {
    let sql =
        "SELECT body FROM approvals WHERE tenant = ?1 AND environment = ?2 AND function = ?3 AND state = 'pending'";
    all(connection, sql, place(asked))
}

/// Those of them whose time has passed. Found without taking the others apart, because this is the store's only writer and a
/// queue stays full for long.
pub(super) fn over(connection: &Connection, asked: &Asked, now_unix_ms: u64) -> Result<Vec<Approval>, StoreError> {
    let sql = "SELECT body FROM approvals WHERE tenant = ?1 AND environment = ?2 AND function = ?3 AND state = 'pending' \
               AND json_extract(body, '$.progress.expires_unix_ms') <= ?4 ORDER BY id";
    let (tenant, environment, function) = place(asked);
    all(connection, sql, (tenant, environment, function, stored_number(now_unix_ms)))
}

fn place(asked: &Asked) -> (&str, &str, &str) {
    (asked.tenant.as_str(), asked.environment.as_str(), asked.function.as_str())
}

pub(super) fn all<P: Params>(connection: &Connection, sql: &str, values: P) -> Result<Vec<Approval>, StoreError> {
    let mut statement = prepare(connection, sql)?;
    let rows = statement.query_map(values, |row| row.get::<_, String>(0));
    let rows = rows.map_err(StoreError::sqlite("read approvals"))?;
    rows.map(|row| json(&row.map_err(StoreError::sqlite("read an approval"))?, "an approval")).collect()
}
