//! The rows of usage in the database, and the records that they are counted from.

use airlock_model::AuditEvent;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::{
    Measures, UsageKey,
    contribution::{Contribution, counted_kinds},
};
use crate::{
    StoreError,
    chain::stored_number,
    revisions::{execute, prepare},
};

/// First byte of stored measures: how the rest is written (postcard).
const FORMAT: u8 = 1;

/// The counter with the last record that the rows hold.
const THROUGH: &str = "usage_through";

/// The last record that the rows hold.
pub(crate) fn through(connection: &Connection) -> Result<u64, StoreError> {
    let sql = "SELECT value FROM counters WHERE name = ?1";
    let read = prepare(connection, sql)?.query_row([THROUGH], |row| row.get::<_, i64>(0)).optional();
    let read = read.map_err(StoreError::sqlite("read how far usage is counted"))?;
    Ok(read.and_then(|seq| u64::try_from(seq).ok()).unwrap_or_default())
}

pub(crate) fn set_through(connection: &Connection, seq: u64) -> Result<(), StoreError> {
    let sql = "INSERT INTO counters (name, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value";
    execute(connection, sql, (THROUGH, stored_number(seq))).map(drop)
}

/// Adds to a row, which is made when there is none.
pub(crate) fn add(
    connection: &Connection,
    hour: u64,
    key: &UsageKey,
    mut measures: Measures,
) -> Result<(), StoreError> {
    let id = id_of(connection, key)?;
    let place = (stored_number(hour), id);
    let sql = "SELECT measures FROM usage WHERE hour = ?1 AND key = ?2";
    let stored = prepare(connection, sql)?.query_row(place, |row| row.get::<_, Vec<u8>>(0)).optional();
    if let Some(stored) = stored.map_err(StoreError::sqlite("read a row of usage"))? {
        match decode(&stored) {
            Some(before) => measures.merge(&before),
            // Calls go on; a recount shows what is missing.
            None => tracing::error!(hour, "a row of usage cannot be read and begins anew: see `airlock usage verify`"),
        }
    }
    let sql = "INSERT INTO usage (hour, key, measures) VALUES (?1, ?2, ?3) \
               ON CONFLICT DO UPDATE SET measures = excluded.measures";
    execute(connection, sql, (place.0, place.1, encode(&measures)?)).map(drop)
}

fn id_of(connection: &Connection, key: &UsageKey) -> Result<i64, StoreError> {
    let UsageKey { tenant, environment, app, function, revision, resource, subject, actor } = key;
    let values = [tenant, environment, app, function, revision, resource, subject, actor];
    let find = "SELECT id FROM usage_keys WHERE tenant = ?1 AND environment = ?2 AND app = ?3 AND function = ?4 \
                AND revision = ?5 AND resource = ?6 AND subject = ?7 AND actor = ?8";
    let found = prepare(connection, find)?.query_row(values, |row| row.get(0)).optional();
    if let Some(id) = found.map_err(StoreError::sqlite("find a key of usage"))? {
        return Ok(id);
    }
    let insert = "INSERT INTO usage_keys (tenant, environment, app, function, revision, resource, subject, actor) \
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) RETURNING id";
    let made = prepare(connection, insert)?.query_row(values, |row| row.get(0));
    made.map_err(StoreError::sqlite("add a key of usage"))
}

fn encode(measures: &Measures) -> Result<Vec<u8>, StoreError> {
    postcard::to_extend(measures, vec![FORMAT]).map_err(|_| StoreError::corrupt("measures of usage"))
}

fn decode(stored: &[u8]) -> Option<Measures> {
    let (format, rest) = stored.split_first()?;
    if *format == FORMAT { postcard::from_bytes(rest).ok() } else { None }
}

/// Which rows to read. Without a tenant or an environment, those of all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    /// In hours since the Unix epoch.
    pub(crate) from_hour: u64,
    /// The first hour that is not read.
    pub(crate) to_hour: u64,
    pub(crate) tenant: Option<String>,
    pub(crate) environment: Option<String>,
}

/// A row as it is stored; `None` where its measures cannot be read.
pub(crate) type StoredRow = (u64, UsageKey, Option<Measures>);

/// Hands out rows by hour until `see` has enough. Says whether it had not.
pub(crate) fn each_row(
    connection: &Connection,
    which: &Rows,
    mut see: impl FnMut(StoredRow) -> bool,
) -> Result<bool, StoreError> {
    let failed = || StoreError::sqlite("read usage");
    let sql = "SELECT hour, tenant, environment, app, function, revision, resource, subject, actor, measures \
               FROM usage JOIN usage_keys ON id = key WHERE hour >= ?1 AND hour < ?2 \
               AND (?3 IS NULL OR tenant = ?3) AND (?4 IS NULL OR environment = ?4) ORDER BY hour";
    let mut statement = prepare(connection, sql)?;
    let hours = (stored_number(which.from_hour), stored_number(which.to_hour));
    let mut rows = statement.query((hours.0, hours.1, &which.tenant, &which.environment)).map_err(failed())?;
    while let Some(row) = rows.next().map_err(failed())? {
        if !see(read(row).map_err(failed())?) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn read(row: &Row<'_>) -> rusqlite::Result<StoredRow> {
    let hour = u64::try_from(row.get::<_, i64>(0)?).unwrap_or_default();
    let key = UsageKey {
        tenant: row.get(1)?,
        environment: row.get(2)?,
        app: row.get(3)?,
        function: row.get(4)?,
        revision: row.get(5)?,
        resource: row.get(6)?,
        subject: row.get(7)?,
        actor: row.get(8)?,
    };
    Ok((hour, key, decode(row.get_ref(9)?.as_blob().unwrap_or_default())))
}

/// Hands out what the records behind that one add, at most so many; `None` for a record that adds nothing or cannot be read,
/// which `airlock audit verify` names.
pub(crate) fn each_record(
    connection: &Connection,
    after: u64,
    limit: u32,
    mut see: impl FnMut(u64, Option<Contribution>),
) -> Result<(), StoreError> {
    let failed = || StoreError::sqlite("read the trail for usage");
    let sql = "SELECT seq, body FROM audit WHERE seq > ?1 AND kind IN (?2, ?3, ?4, ?5, ?6) ORDER BY seq LIMIT ?7";
    let [a, b, c, d, e] = counted_kinds();
    let mut statement = prepare(connection, sql)?;
    let mut rows = statement.query((stored_number(after), a, b, c, d, e, limit)).map_err(failed())?;
    while let Some(row) = rows.next().map_err(failed())? {
        let seq = u64::try_from(row.get::<_, i64>(0).map_err(failed())?).unwrap_or_default();
        let body = row.get_ref(1).map_err(failed())?.as_str().unwrap_or_default();
        let event: Option<AuditEvent> = serde_json::from_str(body).ok();
        see(seq, event.as_ref().and_then(Contribution::of));
    }
    Ok(())
}
