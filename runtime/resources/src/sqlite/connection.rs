//! Opening connections that can do little, and lending them to one statement at a time.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use airlock_model::{HostError, HostReply, ResourceName, StatementClass};
use rusqlite::{Connection, OpenFlags, config::DbConfig, limits::Limit};

use super::{
    authorizer::{Authorizer, Permission},
    explain, statement,
    watch::Watch,
};
use crate::SqlRequest;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Read,
    Write,
}

/// An open connection with its authorizer.
pub(super) struct Guarded {
    pub(super) connection: Connection,
    pub(super) authorizer: Arc<Authorizer>,
    pub(super) role: Role,
}

/// The connections of one role to one database file. The caller holds a permit for each use.
#[derive(Debug)]
pub(super) struct Connections {
    resource: ResourceName,
    path: Arc<Path>,
    role: Role,
    value_bytes_max: i32,
    idle: Mutex<Vec<Guarded>>,
}

/// Bytecode instructions between two looks at the clock: about a microsecond of work.
const PROGRESS_INSTRUCTIONS: i32 = 100;
/// Longest wait for another process's lock; shorter than most deadlines, so that the error can say why.
const BUSY_WAIT_MAX: Duration = Duration::from_secs(2);
/// How long rolling back may take before the connection is closed instead.
const UNDO_MAX: Duration = Duration::from_secs(10);
const CACHED_STATEMENTS: usize = 32;

/// Caps of GUARDS section 5. A worker thread or an attached file would escape the watch.
const LIMITS: [(Limit, i32); 11] = [
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
    (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, 100_000),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 500),
    (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 100),
    (Limit::SQLITE_LIMIT_VDBE_OP, 50_000),
    (Limit::SQLITE_LIMIT_COLUMN, 500),
    (Limit::SQLITE_LIMIT_FUNCTION_ARG, 100),
    (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 256),
    (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 1_000),
    (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 16),
];

const SWITCHES: [(DbConfig, bool); 8] = [
    (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
    (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
    (DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE, false),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE, false),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true),
    // A misspelt column must not turn into a string.
    (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
];

impl Connections {
    pub(super) fn new(resource: ResourceName, path: Arc<Path>, role: Role, value_bytes_max: i32) -> Self {
        Self { resource, path, role, value_bytes_max, idle: Mutex::new(Vec::new()) }
    }

    /// Runs one statement on a connection of its own. Blocks.
    ///
    /// A connection goes back to the others only after an ordinary end; one that was interrupted is closed.
    pub(super) fn run(&self, watch: &Arc<Watch>, request: &SqlRequest) -> Result<HostReply, HostError> {
        if watch.is_over() {
            return Err(explain::timeout());
        }
        let permission = match (self.role, request.class) {
            (Role::Read, StatementClass::Read) => Permission::Read,
            (Role::Write, StatementClass::Write) => Permission::Write,
            (Role::Write, StatementClass::Ddl) => Permission::Ddl,
            (Role::Read | Role::Write, _) => return Err(explain::refused(request.class.as_str())),
        };
        if request.affected_max.is_some() {
            return self.run_capped(watch, request);
        }
        let mut guarded = self.take()?;
        let ended = self.watched(&mut guarded, permission, watch, |guarded| statement::run(guarded, request));
        self.put_back(guarded, ended.as_ref().err());
        ended.map_err(|ended| *ended.error)
    }

    /// In a transaction of its own, which ends with a rollback when the statement changes too much.
    fn run_capped(&self, watch: &Arc<Watch>, request: &SqlRequest) -> Result<HostReply, HostError> {
        let guarded = self.begin(watch)?;
        let (guarded, reply) = self.run_within(guarded, watch, request)?;
        self.commit(guarded, watch).map(|()| reply)
    }

    /// Reads on a connection of its own for as long as `work` takes. Blocks.
    pub(super) fn reading<T>(
        &self,
        watch: &Arc<Watch>,
        work: impl FnOnce(&Guarded) -> Result<T, statement::Fault>,
    ) -> Result<T, HostError> {
        let mut guarded = self.take()?;
        let ended = self.watched(&mut guarded, Permission::Read, watch, work);
        self.put_back(guarded, ended.as_ref().err());
        ended.map_err(|ended| *ended.error)
    }

    /// Takes a connection and begins a transaction on it. Blocks.
    pub(super) fn begin(&self, watch: &Arc<Watch>) -> Result<Guarded, HostError> {
        let mut guarded = self.take()?;
        let begin = match self.role {
            Role::Read => "BEGIN",
            // At once, so that it cannot fail for a lock after its first read.
            Role::Write => "BEGIN IMMEDIATE",
        };
        let begun = self.control(&mut guarded, watch, begin);
        // SQLite takes a snapshot only with the first read.
        let begun = match self.role {
            Role::Read => begun.and_then(|()| {
                self.watched(&mut guarded, Permission::Read, watch, |guarded| Ok(statement::take_snapshot(guarded)?))
            }),
            Role::Write => begun,
        };
        match begun {
            Ok(()) => Ok(guarded),
            Err(ended) => {
                self.put_back(guarded, Some(&ended));
                Err(*ended.error)
            }
        }
    }

    /// Runs one statement of a transaction. Blocks. An error ends the transaction.
    pub(super) fn run_within(
        &self,
        mut guarded: Guarded,
        watch: &Arc<Watch>,
        request: &SqlRequest,
    ) -> Result<(Guarded, HostReply), HostError> {
        let permission = match (self.role, request.class) {
            (Role::Read | Role::Write, StatementClass::Read) => Permission::Read,
            (Role::Write, StatementClass::Write) => Permission::Write,
            (Role::Write, StatementClass::Ddl) => Permission::Ddl,
            (Role::Read | Role::Write, _) => return Err(explain::refused(request.class.as_str())),
        };
        match self.watched(&mut guarded, permission, watch, |guarded| statement::run(guarded, request)) {
            Ok(reply) => Ok((guarded, reply)),
            Err(ended) => {
                self.undo(guarded);
                Err(*ended.error)
            }
        }
    }

    /// Commits, or undoes what cannot be committed. Blocks.
    pub(super) fn commit(&self, mut guarded: Guarded, watch: &Arc<Watch>) -> Result<(), HostError> {
        let ended = self.control(&mut guarded, watch, "COMMIT");
        if ended.is_err() {
            self.undo(guarded);
        } else {
            self.put_back(guarded, None);
        }
        ended.map_err(|ended| *ended.error)
    }

    /// Rolls back. Blocks for as long as that takes, which no deadline shortens.
    pub(super) fn undo(&self, mut guarded: Guarded) {
        // Some errors have rolled it back already.
        let ended = if guarded.connection.is_autocommit() {
            Ok(())
        } else {
            let watch = Arc::new(Watch::new(Instant::now() + UNDO_MAX));
            self.control(&mut guarded, &watch, "ROLLBACK")
        };
        // Closing a connection rolls back as well.
        self.put_back(guarded, ended.as_ref().err());
    }

    /// Runs a word of our own that begins or ends a transaction.
    fn control(&self, guarded: &mut Guarded, watch: &Arc<Watch>, word: &str) -> Result<(), explain::Ended> {
        self.watched(guarded, Permission::Transaction, watch, |guarded| Ok(guarded.connection.execute_batch(word)?))
    }

    fn watched<T>(
        &self,
        guarded: &mut Guarded,
        permission: Permission,
        watch: &Arc<Watch>,
        work: impl FnOnce(&Guarded) -> Result<T, statement::Fault>,
    ) -> Result<T, explain::Ended> {
        guarded.authorizer.permit(permission);
        let seen = Arc::clone(watch);
        let attached = watch.attach(guarded.connection.get_interrupt_handle());
        let reply = guarded
            .connection
            .progress_handler(PROGRESS_INSTRUCTIONS, Some(move || seen.must_stop()))
            .and_then(|()| guarded.connection.busy_timeout(watch.remaining().min(BUSY_WAIT_MAX)))
            .map_err(statement::Fault::from)
            .and_then(|()| work(guarded));
        drop(attached);
        reply.map_err(|fault| {
            let denial = guarded.authorizer.take_denial();
            explain::fault(&self.resource, fault, denial, watch)
        })
    }

    fn take(&self) -> Result<Guarded, HostError> {
        if let Some(idle) = self.lock().pop() {
            return Ok(idle);
        }
        open(&self.path, self.role, self.value_bytes_max).map_err(|why| {
            let (resource, path) = (&self.resource, self.path.display());
            tracing::error!(%resource, %path, error = %why, "a database cannot be opened");
            explain::unavailable(resource)
        })
    }

    /// Keeps a connection for the next, unless something odd happened or a transaction is still open on it.
    fn put_back(&self, guarded: Guarded, ended: Option<&explain::Ended>) {
        if guarded.connection.is_autocommit() && ended.is_none_or(|ended| ended.is_ordinary) {
            self.lock().push(guarded);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Guarded>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open(path: &Path, role: Role, value_bytes_max: i32) -> rusqlite::Result<Guarded> {
    let access = match role {
        Role::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Role::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    // Never CREATE: a misspelt path must not become an empty database.
    let mut connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    for (switch, wanted) in SWITCHES {
        if connection.set_db_config(switch, wanted)? != wanted {
            return Err(rusqlite::Error::InvalidParameterName(format!("{switch:?}")));
        }
    }
    for (limit, value) in LIMITS {
        connection.set_limit(limit, value)?;
    }
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, value_bytes_max)?;
    connection.execute_batch("PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0; PRAGMA cell_size_check = ON;")?;
    if role == Role::Read {
        connection.execute_batch("PRAGMA query_only = ON")?;
    }
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    let authorizer = Arc::new(Authorizer::new());
    let asked = Arc::clone(&authorizer);
    connection.authorizer(Some(move |context: rusqlite::hooks::AuthContext<'_>| asked.decide(&context)))?;
    Ok(Guarded { connection, authorizer, role })
}

impl std::fmt::Debug for Guarded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guarded").field("role", &self.role).finish_non_exhaustive()
    }
}
