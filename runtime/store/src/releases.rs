//! What is live: every way in which a revision becomes what callers reach, each one transaction with its audit event.

use airlock_model::{AuditEvent, Digest, EnvironmentName, FunctionName};
use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::{
    NewRevision, Reader, Revision, Store, StoreError,
    aliases::{LIVE_ALIAS, Share, set_shares},
    chain::{Tx, stored_number},
    revisions::{Key, execute, find, insert, prepare},
};

/// How a revision went live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReleaseKind {
    /// Uploaded.
    Deploy,
    /// Taken over from another environment.
    Promote,
    /// Named by somebody.
    Select,
    /// The way back.
    Rollback,
}

impl ReleaseKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Promote => "promote",
            Self::Select => "select",
            Self::Rollback => "rollback",
        }
    }
}

/// How callers reach a revision that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Landing {
    /// All of them.
    Live,
    /// That many of a hundred, beside what is live.
    Share(u8),
}

/// Who makes a revision live, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Releaser {
    /// The `sub` of the token.
    pub author: String,
    /// Milliseconds since the Unix epoch.
    pub time_unix_ms: u64,
}

/// One release about to be stored.
struct NewRelease<'a> {
    key: Key<'a>,
    kind: ReleaseKind,
    by: &'a Releaser,
    /// Where a rollback leads from here.
    before: Option<i64>,
}

impl Store {
    /// Stores a revision and lets callers reach it, in one transaction with its audit event.
    ///
    /// The event's function, environment and revision are filled in here. The same component and manifest again is the
    /// revision that exists, with the compiled form given now.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it should get a share of a function that is not live, [`StoreError::Full`] when that share
    /// would be an alias too many, [`StoreError::Unavailable`] after any failed write, [`StoreError::Busy`].
    pub async fn deploy(
        &self,
        new: NewRevision,
        landing: Landing,
        by: Releaser,
        event: AuditEvent,
    ) -> Result<Revision, StoreError> {
        let store = move |tx: &mut Tx<'_>| {
            let digest = new.digest();
            insert(tx.connection, &new, &digest)?;
            let key = (&new.function, &new.environment, &digest);
            let kind = if new.promoted_from.is_some() { ReleaseKind::Promote } else { ReleaseKind::Deploy };
            match landing {
                Landing::Live => {
                    let before = current_if_any(tx, &new.function, &new.environment)?;
                    go_live(tx, &NewRelease { key, kind, by: &by, before }, event)
                }
                Landing::Share(percent) => go_beside(tx, key, percent, event),
            }
        };
        self.write(store).await
    }

    /// Makes a stored revision live, in one transaction with its audit event.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when this environment has no such revision, [`StoreError::Unavailable`],
    /// [`StoreError::Busy`].
    pub async fn select(
        &self,
        (function, environment): (FunctionName, EnvironmentName),
        digest: Digest,
        by: Releaser,
        event: AuditEvent,
    ) -> Result<Revision, StoreError> {
        self.write(move |tx| {
            let key = (&function, &environment, &digest);
            let before = Some(current(tx, &function, &environment)?);
            go_live(tx, &NewRelease { key, kind: ReleaseKind::Select, by: &by, before }, event)
        })
        .await
    }

    /// Makes the revision live that was live before the one that is now, in one transaction with its audit event. Twice leads
    /// two steps back. `judged` is the revision that was looked at for this, see [`Reader::rollback_target`].
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is nothing to go back to, [`StoreError::Superseded`] when that is not `judged`,
    /// [`StoreError::Unavailable`], [`StoreError::Busy`].
    pub async fn roll_back(
        &self,
        (function, environment): (FunctionName, EnvironmentName),
        judged: Digest,
        by: Releaser,
        event: AuditEvent,
    ) -> Result<Revision, StoreError> {
        self.write(move |tx| {
            let target = target_of_rollback(tx.connection, &function, &environment)?;
            let target = target.ok_or_else(|| nothing_before(&function, &environment))?;
            if target.digest != judged {
                let what = format!("what was live before of `{function}` in `{environment}`");
                return Err(StoreError::Superseded { what });
            }
            let key = (&function, &environment, &target.digest);
            go_live(tx, &NewRelease { key, kind: ReleaseKind::Rollback, by: &by, before: target.before }, event)
        })
        .await
    }

    /// Takes a function out of service, or back into it when `why` is `None`, in one transaction with its audit event.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is not live, [`StoreError::Unavailable`], [`StoreError::Busy`].
    pub async fn set_disabled(
        &self,
        function: FunctionName,
        environment: EnvironmentName,
        why: Option<String>,
        event: AuditEvent,
    ) -> Result<(), StoreError> {
        self.write(move |tx| {
            let sql = "UPDATE current SET disabled = ?3 WHERE environment = ?1 AND function = ?2";
            current(tx, &function, &environment)?;
            execute(tx.connection, sql, (environment.as_str(), function.as_str(), &why))?;
            record(tx, (&function, &environment), event)
        })
        .await
    }

    /// Ends a function in an environment with its aliases, in one transaction with its audit event. Revisions and releases stay
    /// on record.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is not live, [`StoreError::Unavailable`], [`StoreError::Busy`].
    pub async fn delete(
        &self,
        function: FunctionName,
        environment: EnvironmentName,
        event: AuditEvent,
    ) -> Result<(), StoreError> {
        self.write(move |tx| {
            let names = (environment.as_str(), function.as_str());
            current(tx, &function, &environment)?;
            execute(tx.connection, "DELETE FROM current WHERE environment = ?1 AND function = ?2", names)?;
            execute(tx.connection, "DELETE FROM aliases WHERE environment = ?1 AND function = ?2", names)?;
            execute(tx.connection, "DELETE FROM candidates WHERE environment = ?1 AND function = ?2", names)?;
            record(tx, (&function, &environment), event)
        })
        .await
    }
}

impl Reader {
    /// The revision that a rollback would make live.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`], [`StoreError::Corrupt`], [`StoreError::Busy`].
    pub async fn rollback_target(
        &self,
        function: FunctionName,
        environment: EnvironmentName,
    ) -> Result<Option<Revision>, StoreError> {
        let read = move |connection: &Connection| {
            let target = target_of_rollback(connection, &function, &environment)?;
            target.map_or(Ok(None), |target| find(connection, (&function, &environment, &target.digest)))
        };
        self.run(read).await
    }
}

/// Where a rollback leads, and where the next one would.
struct Target {
    digest: Digest,
    before: Option<i64>,
}

/// The release that is live.
///
/// # Errors
/// [`StoreError::NotFound`] when there is none.
pub(crate) fn current(tx: &Tx<'_>, function: &FunctionName, environment: &EnvironmentName) -> Result<i64, StoreError> {
    let found = current_if_any(tx, function, environment)?;
    found.ok_or_else(|| not_live(function, environment))
}

fn current_if_any(
    tx: &Tx<'_>,
    function: &FunctionName,
    environment: &EnvironmentName,
) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT release FROM current WHERE environment = ?1 AND function = ?2";
    let names = (environment.as_str(), function.as_str());
    let read = prepare(tx.connection, sql)?.query_row(names, |row| row.get(0)).optional();
    read.map_err(StoreError::sqlite("read what is live"))
}

fn target_of_rollback(
    connection: &Connection,
    function: &FunctionName,
    environment: &EnvironmentName,
) -> Result<Option<Target>, StoreError> {
    let sql = "SELECT r.digest, b.before FROM current c JOIN releases l ON l.id = c.release \
               JOIN releases b ON b.id = l.before JOIN revisions r ON r.id = b.revision \
               WHERE c.environment = ?1 AND c.function = ?2";
    let target =
        |row: &Row<'_>| Ok(Target { digest: Digest::from_bytes(row.get::<_, [u8; 32]>(0)?), before: row.get(1)? });
    let read = prepare(connection, sql)?.query_row((environment.as_str(), function.as_str()), target).optional();
    read.map_err(StoreError::sqlite("read what was live before"))
}

fn go_live(tx: &mut Tx<'_>, new: &NewRelease<'_>, event: AuditEvent) -> Result<Revision, StoreError> {
    let (function, environment, digest) = new.key;
    let revision = stored(tx, new.key)?;
    let sql = "INSERT INTO releases (environment, function, revision, before, kind, author, time_unix_ms) \
               SELECT environment, function, id, ?4, ?5, ?6, ?7 FROM revisions \
               WHERE function = ?1 AND environment = ?2 AND digest = ?3";
    let values = (
        function.as_str(),
        environment.as_str(),
        digest.as_bytes(),
        new.before,
        new.kind.as_str(),
        &new.by.author,
        stored_number(new.by.time_unix_ms),
    );
    execute(tx.connection, sql, values)?;
    let sql = "INSERT INTO current (environment, function, release) VALUES (?1, ?2, ?3) \
               ON CONFLICT (environment, function) DO UPDATE SET release = excluded.release";
    execute(tx.connection, sql, (environment.as_str(), function.as_str(), tx.connection.last_insert_rowid()))?;
    // Shares were shares of what was live before.
    let sql = "DELETE FROM aliases WHERE environment = ?1 AND function = ?2 AND alias = ?3";
    execute(tx.connection, sql, (environment.as_str(), function.as_str(), LIVE_ALIAS))?;
    record(tx, (function, environment), AuditEvent { revision: Some(digest.to_string().into()), ..event })?;
    Ok(revision)
}

fn stored(tx: &Tx<'_>, key: Key<'_>) -> Result<Revision, StoreError> {
    let (function, environment, digest) = key;
    let missing = || StoreError::NotFound { what: format!("revision `{digest}` of `{function}` in `{environment}`") };
    find(tx.connection, key)?.ok_or_else(missing)
}

fn go_beside(tx: &mut Tx<'_>, key: Key<'_>, percent: u8, event: AuditEvent) -> Result<Revision, StoreError> {
    let (function, environment, digest) = key;
    let revision = stored(tx, key)?;
    set_shares(tx, (function, environment), LIVE_ALIAS, &[Share { revision: *digest, percent }])?;
    record(tx, (function, environment), AuditEvent { revision: Some(digest.to_string().into()), ..event })?;
    Ok(revision)
}

/// The event of a change to a function, in the transaction of the change.
pub(crate) fn record(
    tx: &mut Tx<'_>,
    (function, environment): (&FunctionName, &EnvironmentName),
    mut event: AuditEvent,
) -> Result<(), StoreError> {
    event.function = Some(function.into());
    event.environment = Some(environment.into());
    tx.record(&event).map(drop)
}

fn not_live(function: &FunctionName, environment: &EnvironmentName) -> StoreError {
    StoreError::NotFound { what: format!("a live revision of `{function}` in `{environment}`") }
}

fn nothing_before(function: &FunctionName, environment: &EnvironmentName) -> StoreError {
    StoreError::NotFound { what: format!("a revision of `{function}` that was live in `{environment}` before") }
}
