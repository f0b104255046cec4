//! Searching the audit trail.

use airlock_model::{AuditEvent, AuditKind, Digest};
use rusqlite::{Connection, Row, ToSql};
use serde::Serialize;

use crate::{
    Checkpoint, Reader, StoreError,
    chain::{kind_name, stored_number},
};

const LIMIT_DEFAULT: u32 = 100;
const LIMIT_MAX: u32 = 1_000;

/// Which end of the trail comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AuditOrder {
    /// As it happened.
    #[default]
    OldestFirst,
    /// The latest on top.
    NewestFirst,
}

/// What to look for. Everything that is set must match; the default is the start of the trail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only this invocation. Fast: indexed.
    pub invocation: Option<String>,
    /// Only this kind.
    pub kind: Option<AuditKind>,
    /// Only this function.
    pub function: Option<String>,
    /// Only numbers above this one: the last seen, to go on.
    pub after_seq: Option<u64>,
    /// Only numbers below this one: the last seen, to go back.
    pub before_seq: Option<u64>,
    /// Which end first.
    pub order: AuditOrder,
    /// How many at most: 100 when not set, 1,000 the most.
    pub limit: Option<u32>,
}

/// One record of the trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditRecord {
    /// Its number.
    pub seq: u64,
    /// Its hash, which covers every record before it.
    pub hash: Digest,
    /// What it says.
    pub event: AuditEvent,
}

impl Reader {
    /// The records that match. Does not check the chain; [`Reader::verify`] does.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a record cannot be read, [`StoreError::Sqlite`], [`StoreError::Busy`].
    pub async fn query(&self, filter: AuditFilter) -> Result<Vec<AuditRecord>, StoreError> {
        self.run(move |connection| matching(connection, &filter)).await
    }

    /// The last record, for a checkpoint to keep somewhere else.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it cannot be read, [`StoreError::Sqlite`], [`StoreError::Busy`].
    pub async fn head(&self) -> Result<Checkpoint, StoreError> {
        self.run(Checkpoint::last).await
    }
}

/// A record as it is stored.
type Stored = (i64, Vec<u8>, String);

fn matching(connection: &Connection, filter: &AuditFilter) -> Result<Vec<AuditRecord>, StoreError> {
    let (sql, values) = statement(filter);
    let values: Vec<&dyn ToSql> = values.iter().map(AsRef::as_ref).collect();
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let rows = || -> rusqlite::Result<Vec<Stored>> {
        connection.prepare_cached(&sql)?.query_map(values.as_slice(), read)?.collect()
    };
    rows().map_err(StoreError::sqlite("search the audit trail"))?.into_iter().map(parse).collect()
}

/// Only the conditions that are set, so that SQLite can see which index serves. The texts are ours, the values bound.
fn statement(filter: &AuditFilter) -> (String, Vec<Box<dyn ToSql>>) {
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    let mut conditions = Vec::new();
    let mut require = |condition, value: Option<Box<dyn ToSql>>| {
        if let Some(value) = value {
            conditions.push(condition);
            values.push(value);
        }
    };
    let text = |text: &Option<String>| text.clone().map(|text| Box::new(text) as Box<dyn ToSql>);
    let number = |number: Option<u64>| number.map(|number| Box::new(stored_number(number)) as Box<dyn ToSql>);
    require("invocation = ?", text(&filter.invocation));
    require("kind = ?", filter.kind.map(|kind| Box::new(kind_name(kind)) as Box<dyn ToSql>));
    require("function = ?", text(&filter.function));
    require("seq > ?", number(filter.after_seq));
    require("seq < ?", number(filter.before_seq));
    values.push(Box::new(filter.limit.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX)));
    let conditions = if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") };
    let direction = match filter.order {
        AuditOrder::OldestFirst => "ASC",
        AuditOrder::NewestFirst => "DESC",
    };
    let sql = format!("SELECT seq, hash, body FROM audit WHERE {conditions} ORDER BY seq {direction} LIMIT ?");
    (sql, values)
}

fn parse((seq, hash, body): Stored) -> Result<AuditRecord, StoreError> {
    let corrupt = || StoreError::corrupt(format!("audit record `{seq}`"));
    let event = serde_json::from_str(&body).map_err(|_| corrupt())?;
    let hash = <[u8; 32]>::try_from(hash).map(Digest::from_bytes).map_err(|_| corrupt())?;
    Ok(AuditRecord { seq: u64::try_from(seq).map_err(|_| corrupt())?, hash, event })
}
