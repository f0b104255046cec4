//! SQLite databases: the second wall behind the gate's analysis.
//!
//! A database has up to six read connections, opened read-only, and one write connection, opened only where the
//! binding allows changes. Both carry a default-deny authorizer, because neither `mode=ro` nor `query_only` stops
//! ATTACH or VACUUM INTO (measured, see GUARDS section 5; the same gap was CVE-2025-48935). Statements run on tokio's
//! blocking threads, at most one per connection, so a database never occupies more than seven of them.

mod authorizer;
mod connection;
mod explain;
mod functions;
pub(crate) mod heap;
mod parameters;
mod rows;
mod statement;
mod stream;
mod transaction;
mod watch;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use airlock_model::{HostError, HostReply, Operation, ResourceName, StatementClass, TenantName};
use tokio::{
    task::JoinError,
    time::{Instant, timeout, timeout_at},
};

pub(crate) use stream::Stream;
pub(crate) use transaction::Transaction;

use crate::{
    BeginRequest, ConfigError, SqlRequest, SqliteConfig, TransactionMode,
    config::amount,
    failed::Failed,
    places::{Place, Places},
    request::no_connection,
};
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
/// Some more than one call can hold by transactions and streams.
const READ_CONNECTIONS: usize = 6;
/// One is always left for the others.
const READ_CONNECTIONS_PER_TENANT: usize = READ_CONNECTIONS - 1;
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

#[derive(Debug, Clone)]
struct Pool {
    resource: ResourceName,
    connections: Arc<Connections>,
    places: Arc<Places>,
}

impl Database {
    pub(crate) fn new(resource: &ResourceName, settings: SqliteSettings) -> Self {
        let path: Arc<Path> = settings.path.into();
        let pool = |role, (all, per_tenant)| Pool {
            resource: resource.clone(),
            connections: Arc::new(Connections::new(
                resource.clone(),
                Arc::clone(&path),
                role,
                settings.value_bytes_max,
            )),
            places: Arc::new(Places::new(all, per_tenant)),
        };
        let writes = settings.is_writable.then(|| pool(Role::Write, (1, 1)));
        Self { reads: pool(Role::Read, (READ_CONNECTIONS, READ_CONNECTIONS_PER_TENANT)), writes }
    }

    /// Runs one statement, or says why not.
    pub(crate) async fn perform(&self, request: SqlRequest) -> Result<HostReply, Failed> {
        let pool = match request.class {
            StatementClass::Read => Some(&self.reads),
            StatementClass::Write | StatementClass::Ddl => self.writes.as_ref(),
            StatementClass::Session | StatementClass::Admin | StatementClass::Forbidden => None,
        };
        pool.ok_or_else(not_allowed)?.perform(request).await
    }

    /// Opens a transaction, or says why not. One that may write keeps the only write connection until it ends.
    pub(crate) async fn begin(&self, request: BeginRequest) -> Result<Transaction, HostError> {
        let pool = match request.mode {
            TransactionMode::Read => Some(&self.reads),
            TransactionMode::Write => self.writes.as_ref(),
        };
        Transaction::begin(pool.ok_or_else(not_allowed)?, &request).await
    }
}

fn not_allowed() -> HostError {
    explain::refused("the binding of the database does not allow it")
}

/// What is not known when a thread does not come back in time.
fn not_known() -> HostError {
    let text = "the deadline passed while the database was at work: whether the statement took effect is not known";
    HostError::Timeout(text.to_owned())
}

impl Pool {
    async fn perform(&self, request: SqlRequest) -> Result<HostReply, Failed> {
        let permit = self.place(&request.tenant, request.connection_by, request.deadline).await?;
        let reads = request.class == StatementClass::Read;
        let late = if reads { explain::timeout() } else { not_known() };
        let connections = Arc::clone(&self.connections);
        let running = self.on_thread(request.deadline, late, move |watch| {
            let reply = connections.run(watch, &request);
            drop(permit);
            // Whoever still waits has the reply.
            request.stop.confirm();
            reply
        });
        let ended = running.await.map_err(|error| if reads { error.into() } else { Failed::Unknown(error) })?;
        Ok(ended?)
    }

    /// The right to use one connection. The tenant's own share comes first, so that no tenant holds all of them.
    async fn place(&self, tenant: &TenantName, connection_by: Instant, deadline: Instant) -> Result<Place, HostError> {
        let place = timeout_at(connection_by.min(deadline), self.places.take(tenant)).await.ok().flatten();
        place.ok_or_else(|| no_connection(&self.resource, connection_by, deadline))
    }

    /// Does what blocks on a thread of its own, watched; it is stopped at the deadline, and when nobody waits for it any more.
    /// `late` is said when it does not stop then.
    async fn on_thread<T: Send + 'static>(
        &self,
        deadline: Instant,
        late: HostError,
        work: impl FnOnce(&Arc<Watch>) -> T + Send + 'static,
    ) -> Result<T, HostError> {
        let watch = Arc::new(Watch::new(deadline.into_std()));
        let _stop_on_drop = StopOnDrop(Arc::clone(&watch));
        let seen = Arc::clone(&watch);
        let mut running = tokio::task::spawn_blocking(move || {
            heap::begin_statement();
            work(&seen)
        });
        if let Ok(ended) = timeout_at(deadline, &mut running).await {
            return self.joined(ended);
        }
        watch.stop();
        timeout(INTERRUPT_GRACE, running).await.map_or(Err(late), |ended| self.joined(ended))
    }

    fn joined<T>(&self, ended: Result<T, JoinError>) -> Result<T, HostError> {
        ended.map_err(|why| {
            tracing::error!(resource = %self.resource, error = %why, "a statement ended in a panic");
            explain::unavailable(&self.resource)
        })
    }
}

#[cfg(test)]
mod tests;
