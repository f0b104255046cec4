//! How far each export of the trail has come, kept over restarts.

use std::sync::Arc;

use airlock_model::Digest;
use rusqlite::{Connection, OptionalExtension as _};

use crate::{
    Checkpoint, Reader, Store, StoreError,
    chain::{Tx, stored_number},
    queue::Queue,
    revisions::execute,
    space::SpaceWatch,
};

/// One export, as the store remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportCursor {
    /// What the configuration calls it.
    pub name: String,
    /// The last record that its sink has taken; the beginning of the trail before the first.
    pub at: Checkpoint,
    /// When that was, in milliseconds since the Unix epoch; when it was first configured, before the first.
    pub moved_unix_ms: u64,
    /// Whether the server that ran last had it in its configuration.
    pub configured: bool,
    /// Why its sink takes nothing, and since when; `None` while it does.
    pub failure: Option<ExportFailure>,
}

/// Why a sink takes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportFailure {
    /// For operators.
    pub why: String,
    /// Since when, in milliseconds since the Unix epoch.
    pub since_unix_ms: u64,
}

/// How far an export is behind the trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportLag {
    /// Records that its sink has not taken, those that it will not be given included.
    pub records: u64,
    /// When the oldest of them was written, in milliseconds since the Unix epoch.
    pub oldest_unix_ms: Option<u64>,
}

/// Moves cursors of a store without keeping it open: once the store is dropped, it moves none.
#[derive(Clone)]
pub struct ExportCursors {
    queue: Arc<Queue>,
    space: Arc<SpaceWatch>,
}

impl Store {
    /// What moves the cursors of exports.
    #[must_use]
    pub fn export_cursors(&self) -> ExportCursors {
        ExportCursors { queue: Arc::clone(&self.queue), space: Arc::clone(&self.space) }
    }
}

impl ExportCursors {
    /// Says which exports there are. Those that are new begin before the first record; those that are gone keep their place.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Busy`].
    pub async fn configure(&self, names: Vec<String>, now_unix_ms: u64) -> Result<(), StoreError> {
        let work = move |tx: &mut Tx<'_>| {
            execute(tx.connection, "UPDATE exports SET configured = 0", [])?;
            let begin = Checkpoint::genesis().hash;
            let sql = "INSERT INTO exports (name, seq, hash, moved_unix_ms, configured) VALUES (?1, 0, ?2, ?3, 1) \
                       ON CONFLICT (name) DO UPDATE SET configured = 1";
            names.iter().try_for_each(|name| {
                let values = (name, begin.as_bytes().as_slice(), stored_number(now_unix_ms));
                execute(tx.connection, sql, values).map(drop)
            })
        };
        self.queue.write(work).await
    }

    /// Keeps that a sink has taken every record up to this one, and that it works.
    ///
    /// # Errors
    /// [`StoreError::DiskLow`]: the room that is left is for the records of open calls; the records are sent again after a
    /// restart. [`StoreError::Unavailable`], [`StoreError::Busy`].
    pub async fn moved(&self, name: &str, at: Checkpoint, now_unix_ms: u64) -> Result<(), StoreError> {
        self.space.check()?;
        let name = name.to_owned();
        let work = move |tx: &mut Tx<'_>| {
            let sql = "UPDATE exports SET seq = ?2, hash = ?3, moved_unix_ms = ?4, error = NULL, error_unix_ms = NULL WHERE name = ?1";
            let hash = at.hash.as_bytes().as_slice();
            execute(tx.connection, sql, (&name, stored_number(at.seq), hash, stored_number(now_unix_ms))).map(drop)
        };
        self.queue.write(work).await
    }

    /// Keeps why a sink takes nothing.
    ///
    /// # Errors
    /// As [`ExportCursors::moved`].
    pub async fn failed(&self, name: &str, failure: ExportFailure) -> Result<(), StoreError> {
        self.space.check()?;
        let name = name.to_owned();
        let work = move |tx: &mut Tx<'_>| {
            let sql = "UPDATE exports SET error = ?2, error_unix_ms = ?3 WHERE name = ?1";
            execute(tx.connection, sql, (&name, &failure.why, stored_number(failure.since_unix_ms))).map(drop)
        };
        self.queue.write(work).await
    }
}

impl Reader {
    /// Every export that ever was configured, by name.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when one cannot be read, [`StoreError::Sqlite`], [`StoreError::Busy`].
    pub async fn exports(&self) -> Result<Vec<ExportCursor>, StoreError> {
        self.run(all).await
    }

    /// How much of the trail lies behind a record.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the last record cannot be read, [`StoreError::Sqlite`], [`StoreError::Busy`].
    pub async fn export_lag(&self, seq: u64) -> Result<ExportLag, StoreError> {
        self.run(move |connection| lag(connection, seq)).await
    }

    /// Whether the trail still passes through a point; true when the record has been removed by age.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the last record cannot be read, [`StoreError::Sqlite`], [`StoreError::Busy`].
    pub async fn passes_through(&self, at: Checkpoint) -> Result<bool, StoreError> {
        self.run(move |connection| passes(connection, at)).await
    }
}

type Row = (String, i64, Vec<u8>, i64, bool, Option<String>, Option<i64>);

fn all(connection: &Connection) -> Result<Vec<ExportCursor>, StoreError> {
    let sql = "SELECT name, seq, hash, moved_unix_ms, configured, error, error_unix_ms FROM exports ORDER BY name";
    let read = |row: &rusqlite::Row<'_>| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?))
    };
    let rows = || -> rusqlite::Result<Vec<Row>> { connection.prepare_cached(sql)?.query_map([], read)?.collect() };
    let rows = rows().map_err(StoreError::sqlite("read the exports"))?;
    rows.into_iter().map(|row| parse(&row).ok_or_else(|| StoreError::corrupt(format!("export `{}`", row.0)))).collect()
}

fn parse((name, seq, hash, moved, configured, why, since): &Row) -> Option<ExportCursor> {
    let number = |stored: i64| u64::try_from(stored).ok();
    let hash = Digest::from_bytes(hash.as_slice().try_into().ok()?);
    let failure = match (why, since) {
        (Some(why), Some(since)) => Some(ExportFailure { why: why.clone(), since_unix_ms: number(*since)? }),
        (None, _) | (_, None) => None,
    };
    let at = Checkpoint { seq: number(*seq)?, hash };
    Some(ExportCursor { name: name.clone(), at, moved_unix_ms: number(*moved)?, configured: *configured, failure })
}

fn lag(connection: &Connection, seq: u64) -> Result<ExportLag, StoreError> {
    let head = Checkpoint::last(connection)?.seq;
    let sql = "SELECT time_unix_ms FROM audit WHERE seq > ?1 ORDER BY seq LIMIT 1";
    let oldest = connection.query_row(sql, [stored_number(seq)], |row| row.get::<_, i64>(0)).optional();
    let oldest = oldest.map_err(StoreError::sqlite("read the oldest record that waits"))?;
    let oldest_unix_ms = oldest.map(|time| u64::try_from(time).unwrap_or(0));
    Ok(ExportLag { records: head.saturating_sub(seq), oldest_unix_ms })
}

fn passes(connection: &Connection, at: Checkpoint) -> Result<bool, StoreError> {
    if at == Checkpoint::genesis() {
        return Ok(true);
    }
    let sql = "SELECT hash FROM audit WHERE seq = ?1";
    let found = connection.query_row(sql, [stored_number(at.seq)], |row| row.get::<_, Vec<u8>>(0)).optional();
    match found.map_err(StoreError::sqlite("read the record of a cursor"))? {
        Some(hash) => Ok(hash == at.hash.as_bytes()),
        None => Ok(at.seq < Checkpoint::last(connection)?.seq),
    }
}
