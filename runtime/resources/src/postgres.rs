//! PostgreSQL: the second wall behind the gate's analysis.
//!
//! Reads and changes go through different roles and different pools. Only the extended protocol carries guests' text, so
//! one call is one statement with its values bound; a read runs in a READ ONLY transaction that has taken its snapshot
//! (GUARDS section 5: before that the server lets a guest make it writable). Values travel as text, so no type loses a
//! digit and none is unknown. After each call the session is rolled back and reset; one that was cancelled or behaved
//! oddly is closed. The client is built on `postgres-protocol` and not on a driver, because a driver reads ahead, asks for
//! binary values and keeps prepared statements that a reset throws away.

mod array;
mod check;
mod config;
mod explain;
mod fault;
mod parameters;
mod provision;
mod rows;
mod scalar;
mod server;
mod session;
mod sql;
mod startup;
mod statement;
mod stream;
mod tls;
mod transaction;
mod types;
mod wire;

use std::sync::Arc;

use airlock_model::{HostError, HostReply, ResourceName, StatementClass};
use tokio::time::timeout_at;

pub(crate) use check::{PostgresSettings, check};
pub use config::PostgresConfig;

pub(crate) use stream::Stream;
pub(crate) use transaction::Transaction;

use crate::{
    BeginRequest, Network, SqlRequest, TransactionMode,
    database::{
        Hidden, Lease, Login, Pool, PooledSession as _, Server, Stage, Stopped, refused, timeout, timeout_committing,
    },
};
use server::Role;

/// The database of one binding, with a pool for each role.
#[derive(Debug)]
pub(crate) struct Postgres {
    reads: Arc<Pool<Role>>,
    changes: Option<Arc<Pool<Role>>>,
}

impl Postgres {
    pub(crate) fn new(resource: ResourceName, settings: PostgresSettings, network: &Network) -> Self {
        let PostgresSettings { server: settings, search_path } = settings;
        let roles = [&settings.read].into_iter().chain(&settings.write).map(|login| login.user.clone());
        let hidden = Hidden::new(roles.chain([settings.host.clone()]), &settings.database);
        let server = Arc::new(Server::new(resource, &settings, hidden, network));
        let places = (settings.connections_max, settings.connections_per_tenant_max);
        let pool = |login: Login, read_only: &str| {
            let session =
                vec![("search_path", search_path.clone()), ("default_transaction_read_only", read_only.to_owned())];
            Arc::new(Pool::new(Role::new(Arc::clone(&server), login, session), places))
        };
        Self { reads: pool(settings.read, "on"), changes: settings.write.map(|login| pool(login, "off")) }
    }

    /// Runs one statement, or says why not.
    pub(crate) async fn perform(&self, request: SqlRequest) -> Result<HostReply, HostError> {
        let pool = match request.class {
            StatementClass::Read => Some(&self.reads),
            StatementClass::Write | StatementClass::Ddl => self.changes.as_ref(),
            StatementClass::Session | StatementClass::Admin | StatementClass::Forbidden => None,
        };
        let pool = pool.ok_or_else(not_allowed)?;
        loop {
            let mut lease = pool.lease(&request.tenant, request.connection_by, request.deadline).await?;
            let Some(session) = lease.session() else { return Err(timeout(Stopped::Unconfirmed)) };
            let ended = timeout_at(request.deadline, statement::run(session, &pool.backend.types, &request)).await;
            // Idle sessions end with a restart of the server, and sometimes that is only seen now.
            if session.is_stale() && ended.is_ok() {
                continue;
            }
            let stage = session.stage();
            return match ended {
                Ok(ended) => ended.map_err(|fault| pool.backend.explain(stage, fault)),
                Err(_) => Err(stopped(lease, stage).await),
            };
        }
    }

    /// Opens a transaction, or says why not.
    pub(crate) async fn begin(&self, request: BeginRequest) -> Result<Transaction, HostError> {
        let pool = match request.mode {
            TransactionMode::Read => Some(&self.reads),
            TransactionMode::Write => self.changes.as_ref(),
        };
        Transaction::begin(pool.ok_or_else(not_allowed)?, &request).await
    }
}

fn not_allowed() -> HostError {
    refused("what the binding of the database does not allow")
}

async fn stopped(lease: Lease<Role>, stage: Stage) -> HostError {
    let stopped = lease.stop().await;
    match stage {
        Stage::Undone => timeout(stopped),
        Stage::Committing => timeout_committing(),
    }
}

#[cfg(test)]
mod tests;
