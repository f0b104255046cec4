//! SQLite databases: the second wall behind the gate's analysis.
//!
//! A database has up to four read connections, opened read-only, and one write connection, opened only where the
//! binding allows changes. Both carry a default-deny authorizer, because neither `mode=ro` nor `query_only` stops
//! ATTACH or VACUUM INTO (measured, see GUARDS section 5; the same gap was CVE-2025-48935). Statements run on tokio's
//! blocking threads, at most one per connection, so a database never occupies more than five of them.

mod authorizer;
mod connection;
mod explain;
mod functions;
pub(crate) mod heap;
mod parameters;
mod rows;
mod statement;
mod watch;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use airlock_model::{HostError, HostReply, Operation, ResourceName, StatementClass};
use tokio::{
    sync::Semaphore,
    task::JoinError,
    time::{timeout, timeout_at},
};

use crate::{ConfigError, SqlRequest, SqliteConfig, config::amount};
use connection::{Connections, Role};
use watch::{StopOnDrop, Watch};

/// A checked SQLite binding.
#[derive(Debug)]
pub(crate) struct SqliteSettings {
    path: PathBuf,
    value_bytes_max: i32,
    is_writable: bool,
}

const VALUE_BYTES_DEFAULT: u64 = 1 << 20;
const VALUE_BYTES_MAX: u64 = 64 << 20;
const READ_CONNECTIONS: usize = 4;
/// How long an interrupted statement may take to come back before its thread is left to itself.
const INTERRUPT_GRACE: Duration = Duration::from_millis(40);

/// Checks what the operator wrote.
///
/// # Errors
/// When the path is not a plain file path or the value cap is too large.
pub(crate) fn check(config: &SqliteConfig) -> Result<SqliteSettings, ConfigError> {
    let refuse = |rule| Err(ConfigError::Path { path: config.path.clone(), rule });
    let text = config.path.as_os_str().as_encoded_bytes();
    if text.is_empty() || text.contains(&0) {
        return refuse("name the database file");
    }
    // SQLite reads `:memory:` and, as built, `file:` URIs out of any path: both would escape the flags it is opened with.
    if text.starts_with(b":") || text.to_ascii_lowercase().starts_with(b"file:") {
        return refuse("use a plain file path, not `:memory:` or a `file:` URI");
    }
    let value_bytes_max = amount("value_bytes_max", config.value_bytes_max, VALUE_BYTES_DEFAULT, VALUE_BYTES_MAX)?;
    let changes = |operation: &Operation| matches!(operation, Operation::Write | Operation::Ddl);
    Ok(SqliteSettings {
        path: config.path.clone(),
        value_bytes_max: i32::try_from(value_bytes_max).unwrap_or(i32::MAX),
        is_writable: config.operations.iter().any(changes),
    })
}

/// One database and its connections.
#[derive(Debug)]
pub(crate) struct Database {
    reads: Pool,
    writes: Option<Pool>,
}

#[derive(Debug)]
struct Pool {
    resource: ResourceName,
    connections: Arc<Connections>,
    permits: Arc<Semaphore>,
}

impl Database {
    pub(crate) fn new(resource: &ResourceName, settings: SqliteSettings) -> Self {
        let path: Arc<Path> = settings.path.into();
        let pool = |role, size| Pool {
            resource: resource.clone(),
            connections: Arc::new(Connections::new(
                resource.clone(),
                Arc::clone(&path),
                role,
                settings.value_bytes_max,
            )),
            permits: Arc::new(Semaphore::new(size)),
        };
        let writes = settings.is_writable.then(|| pool(Role::Write, 1));
        Self { reads: pool(Role::Read, READ_CONNECTIONS), writes }
    }

    /// Runs one statement, or says why not.
    pub(crate) async fn perform(&self, request: SqlRequest) -> Result<HostReply, HostError> {
        let pool = match request.class {
            StatementClass::Read => Some(&self.reads),
            StatementClass::Write | StatementClass::Ddl => self.writes.as_ref(),
            StatementClass::Session | StatementClass::Admin | StatementClass::Forbidden => None,
        };
        match pool {
            Some(pool) => pool.perform(request).await,
            None => Err(explain::refused("the binding of the database does not allow it")),
        }
    }
}

impl Pool {
    async fn perform(&self, request: SqlRequest) -> Result<HostReply, HostError> {
        let (deadline, changes) = (request.deadline, request.class != StatementClass::Read);
        let waiting = Arc::clone(&self.permits).acquire_owned();
        let Ok(Ok(permit)) = timeout_at(deadline, waiting).await else {
            let text = format!("no connection to `{}` became free before the deadline", self.resource);
            return Err(HostError::Timeout(text));
        };
        let watch = Arc::new(Watch::new(deadline.into_std()));
        let _stop_on_drop = StopOnDrop(Arc::clone(&watch));
        let (connections, seen) = (Arc::clone(&self.connections), Arc::clone(&watch));
        let mut running = tokio::task::spawn_blocking(move || {
            heap::begin_statement();
            let reply = connections.run(&seen, &request);
            drop(permit);
            reply
        });
        if let Ok(ended) = timeout_at(deadline, &mut running).await {
            return self.joined(ended);
        }
        watch.stop();
        match timeout(INTERRUPT_GRACE, running).await {
            Ok(ended) => self.joined(ended),
            Err(_) if changes => Err(HostError::Timeout(
                "the deadline passed while the database was at work: whether the statement took effect is not known"
                    .to_owned(),
            )),
            Err(_) => Err(explain::timeout()),
        }
    }

    fn joined(&self, ended: Result<Result<HostReply, HostError>, JoinError>) -> Result<HostReply, HostError> {
        ended.unwrap_or_else(|why| {
            tracing::error!(resource = %self.resource, error = %why, "a statement ended in a panic");
            Err(explain::unavailable(&self.resource))
        })
    }
}

#[cfg(test)]
mod tests;
