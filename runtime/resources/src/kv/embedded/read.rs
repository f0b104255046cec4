//! Looking entries up.

use airlock_model::{Cursor, KeyPage, KeyPrefix, StoreKey};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::connection::{Fault, NOW_MS};
use crate::kv::PAGE_KEYS;

/// The value of one entry that has not expired.
pub(super) fn get(connection: &Connection, owner: &str, key: &StoreKey) -> Result<Option<String>, Fault> {
    Ok(entry(connection, owner, key)?.map(|(value, _)| value))
}

/// An entry that has not expired, with the time it does.
pub(super) fn entry(
    connection: &Connection,
    owner: &str,
    key: &StoreKey,
) -> Result<Option<(String, Option<i64>)>, Fault> {
    let text = format!(
        "SELECT CAST(value AS TEXT), expires_ms FROM entry
         WHERE owner = ?1 AND key = ?2 AND (expires_ms IS NULL OR expires_ms > {NOW_MS})"
    );
    let mut statement = connection.prepare_cached(&text)?;
    let row = statement.query_row(params![owner, key.as_str()], |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(row.optional()?)
}

/// Keys from a place on, in the order of their bytes. A range and no pattern: no character of a prefix is special.
pub(super) fn list(
    connection: &Connection,
    owner: &str,
    prefix: &KeyPrefix,
    cursor: Option<&Cursor>,
) -> Result<KeyPage, Fault> {
    let text = format!(
        "SELECT key FROM entry WHERE owner = ?1 AND key >= ?2 AND key > ?3
         AND (expires_ms IS NULL OR expires_ms > {NOW_MS}) ORDER BY key"
    );
    let mut statement = connection.prepare_cached(&text)?;
    let after = cursor.map_or("", Cursor::as_str);
    let mut rows = statement.query(params![owner, prefix.as_str(), after])?;
    let mut page = KeyPage::default();
    while let Some(row) = rows.next()? {
        let key: String = row.get(0)?;
        if !key.starts_with(prefix.as_str()) {
            break;
        }
        if page.keys.len() == PAGE_KEYS {
            page.cursor = page.keys.last().cloned();
            break;
        }
        page.keys.push(key);
    }
    Ok(page)
}
