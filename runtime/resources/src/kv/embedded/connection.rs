//! Opening the file, and keeping its connections.

use std::{
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt as _,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use airlock_model::HostError;
use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig};

/// Longest wait for another process's lock.
pub(super) const BUSY_WAIT_MAX: Duration = Duration::from_secs(2);
const PAGE_BYTES: u64 = 4_096;
const CACHED_STATEMENTS: usize = 16;
/// Pages that a connection keeps: all databases of the process share one bounded heap (`sqlite::heap`).
const CACHE_KIB: u32 = 512;

/// An entry costs 64 bytes besides its key and value.
const SCHEMA: &str = "
    BEGIN IMMEDIATE;
    CREATE TABLE IF NOT EXISTS entry (
        owner TEXT NOT NULL,
        key TEXT NOT NULL,
        value BLOB NOT NULL,
        expires_ms INTEGER,
        bytes INTEGER NOT NULL GENERATED ALWAYS AS (octet_length(key) + octet_length(value) + 64),
        UNIQUE (owner, key)
    ) STRICT;
    CREATE INDEX IF NOT EXISTS entry_expiry ON entry (expires_ms) WHERE expires_ms IS NOT NULL;
    CREATE TABLE IF NOT EXISTS usage (owner TEXT PRIMARY KEY, bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TRIGGER IF NOT EXISTS entry_added AFTER INSERT ON entry BEGIN
        INSERT INTO usage VALUES (new.owner, new.bytes) ON CONFLICT (owner) DO UPDATE SET bytes = bytes + excluded.bytes;
    END;
    CREATE TRIGGER IF NOT EXISTS entry_removed AFTER DELETE ON entry BEGIN
        UPDATE usage SET bytes = bytes - old.bytes WHERE owner = old.owner;
    END;
    COMMIT;
";

/// The present, in milliseconds since the Unix epoch. The database asks the clock, so that all of a statement has one.
pub(super) const NOW_MS: &str = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";

/// Why there is no reply.
#[derive(Debug)]
pub(super) enum Fault {
    /// Ours, in words for the guest.
    Host(HostError),
    /// Nobody waits any more, and nothing has changed.
    Over,
    /// The tenant's share is used up.
    TenantFull,
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// The connections to one file, opened on first use. The caller holds a place for each.
#[derive(Debug)]
pub(super) struct Connections {
    file: PathBuf,
    file_bytes_max: u64,
    reads: Mutex<Vec<Connection>>,
    writes: Mutex<Vec<Connection>>,
}

impl Connections {
    pub(super) fn new(file: PathBuf, file_bytes_max: u64) -> Self {
        Self { file, file_bytes_max, reads: Mutex::default(), writes: Mutex::default() }
    }

    pub(super) fn take(&self, changes: bool) -> Result<Connection, Fault> {
        match self.idle(changes).pop() {
            Some(connection) => Ok(connection),
            None => self.open(changes),
        }
    }

    pub(super) fn put_back(&self, changes: bool, connection: Connection) {
        self.idle(changes).push(connection);
    }

    fn idle(&self, changes: bool) -> MutexGuard<'_, Vec<Connection>> {
        let idle = if changes { &self.writes } else { &self.reads };
        idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, changes: bool) -> Result<Connection, Fault> {
        self.make_directory().map_err(|why| rusqlite::Error::ToSqlConversionFailure(Box::new(why)))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.file, flags)?;
        connection.busy_timeout(BUSY_WAIT_MAX)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        let pages = (self.file_bytes_max / PAGE_BYTES).max(1);
        connection.execute_batch(&format!(
            "PRAGMA page_size = {PAGE_BYTES}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0; PRAGMA cache_size = -{CACHE_KIB}; PRAGMA max_page_count = {pages};"
        ))?;
        connection.execute_batch(SCHEMA)?;
        if !changes {
            connection.execute_batch("PRAGMA query_only = ON")?;
        }
        connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
        Ok(connection)
    }

    /// Nobody else on the machine reads what functions keep.
    fn make_directory(&self) -> io::Result<()> {
        let Some(dir) = self.file.parent() else { return Ok(()) };
        DirBuilder::new().recursive(true).mode(0o700).create(dir)
    }
}

pub(super) fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}
