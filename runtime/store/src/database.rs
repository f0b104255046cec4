//! The database file: connections, their settings, and migrations.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use crate::{StoreError, SyncMode, files, trail_index};

const FILE: &str = "airlock.db";

/// How long one attempt of the writer waits for a lock.
pub(crate) const WRITER_BUSY_MAX: Duration = Duration::from_secs(1);

/// "ARLK": says whose file this is.
const APPLICATION_ID: i32 = 0x4152_4c4b;

/// In order; the n-th brings a database to schema n. Never change one that was released.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_initial.sql"),
    include_str!("../migrations/0002_lifecycle.sql"),
    include_str!("../migrations/0003_approvals.sql"),
    include_str!("../migrations/0004_signatures.sql"),
    include_str!("../migrations/0005_recordings.sql"),
    include_str!("../migrations/0006_identity.sql"),
    include_str!("../migrations/0007_checkpoints.sql"),
    include_str!("../migrations/0008_trail_index.sql"),
    include_str!("../migrations/0009_usage.sql"),
    include_str!("../migrations/0010_exports.sql"),
    include_str!("../migrations/0011_values.sql"),
];

/// Where the database of a state directory is.
pub(crate) fn path(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

/// Opens the one connection that writes, creating and migrating the database.
pub(crate) fn open_writer(dir: &Path, sync: SyncMode) -> Result<Connection, StoreError> {
    let path = path(dir);
    // SQLite gives its write-ahead log the mode of the database file, so this one decides.
    drop(files::open_private(&path)?);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(&path, flags).map_err(StoreError::sqlite("open the file"))?;
    configure_writer(&connection, sync).map_err(StoreError::sqlite("apply the settings"))?;
    turn_on_log(&connection, &path)?;
    migrate(&mut connection, &path)?;
    trail_index::catch_up(&mut connection)?;
    files::sync_dir(dir)?;
    Ok(connection)
}

/// Opens a connection that cannot write, on a database of exactly this program's schema.
pub(crate) fn open_reader(dir: &Path) -> Result<Connection, StoreError> {
    let path = path(dir);
    // SQLite would only say that it is unable to open the file.
    path.metadata().map_err(StoreError::io("open", &path))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&path, flags).map_err(StoreError::sqlite("open the file"))?;
    configure(&connection).map_err(StoreError::sqlite("apply the settings"))?;
    let found = schema_of(&connection)?;
    if found < known() {
        let advice = "start the server of this version once, it brings the file up to date";
        return Err(StoreError::Schema { path, found, known: known(), advice });
    }
    refuse_newer(&path, found)?;
    Ok(connection)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // The writer copies its log by itself, where a failure is seen. SQLite's own checkpoint swallows a failed fsync, and
    // the one on close would touch a file that has already failed.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // Behind the second wall there is no directory for temporary files.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// SQLite answers with the mode, and only then commits it: the statement has to run to its end for a failure to show.
fn turn_on_log(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let turn_on = || -> rusqlite::Result<Vec<String>> {
        connection.prepare("PRAGMA journal_mode = WAL")?.query_map([], |row| row.get(0))?.collect()
    };
    let modes = turn_on().map_err(StoreError::sqlite("turn on the write-ahead log"))?;
    let stays = || io::Error::other(format!("it stays in mode {modes:?}: this file system has no shared memory"));
    if modes == ["wal"] { Ok(()) } else { Err(StoreError::io("turn on the write-ahead log of", path)(stays())) }
}

fn configure_writer(connection: &Connection, sync: SyncMode) -> rusqlite::Result<()> {
    configure(connection)?;
    // Callers wait for the writer, so it has to notice soon that somebody else holds the lock; it tries again.
    connection.busy_timeout(WRITER_BUSY_MAX)?;
    connection.pragma_update(None, "synchronous", sync.pragma())?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What is deleted is overwritten with zeros: values that were erased from the trail, parameters of approvals.
    connection.pragma_update_and_check(None, "secure_delete", "ON", |_| Ok(()))?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    Ok(())
}

/// The schema of this program.
pub(crate) fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

fn schema_of(connection: &Connection) -> Result<i64, StoreError> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(StoreError::sqlite("read the schema"))
}

fn refuse_newer(path: &Path, found: i64) -> Result<(), StoreError> {
    if found <= known() {
        return Ok(());
    }
    let advice = "run the newer airlock that wrote it, or restore a backup made before the upgrade";
    Err(StoreError::Schema { path: path.into(), found, known: known(), advice })
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let found = schema_of(connection)?;
    refuse_newer(path, found)?;
    let missing = MIGRATIONS.iter().zip(1_i64..).filter(|(_, number)| *number > found);
    for (sql, number) in missing {
        apply(connection, sql, number).map_err(StoreError::sqlite("migrate the schema"))?;
    }
    Ok(())
}

/// One migration is one transaction: a crash leaves the schema before it or after it.
fn apply(connection: &mut Connection, sql: &str, number: i64) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(sql)?;
    transaction.pragma_update(None, "user_version", number)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.commit()
}
