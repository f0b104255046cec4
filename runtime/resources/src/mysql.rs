//! MySQL and MariaDB: the second wall behind the gate's analysis.
//!
//! As for PostgreSQL, reads and changes go through different roles and different pools. Only prepared statements carry
//! guests' text, so one call is one statement with its values bound; a read runs in a READ ONLY transaction. Several
//! statements in one text, LOAD DATA LOCAL and procedures' results are not asked for when a session begins, and the server
//! refuses what was not asked for. After each call the session is rolled back and reset; one that was cancelled or behaved
//! oddly is ended. The protocol is spoken here and not by a driver, because drivers dial by themselves, past the address
//! policy, and read a row whole before anybody can say that it is too large.

mod auth;
mod begin;
mod check;
mod config;
mod explain;
mod fault;
mod greeting;
mod packet;
mod parameters;
mod placeholders;
mod provision;
mod rows;
mod server;
mod session;
mod shape;
mod sql;
mod startup;
mod statement;
mod stream;
mod temporal;
mod transaction;
mod types;
mod value;
mod wire;

use std::sync::Arc;

use airlock_model::{HostError, HostReply, ResourceName, StatementClass};
use tokio::time::timeout_at;

pub(crate) use check::check;
pub use config::MysqlConfig;

pub(crate) use stream::Stream;
pub(crate) use transaction::Transaction;

use crate::{
    BeginRequest, Network, SqlRequest, TransactionMode,
    database::{
        Hidden, Lease, Login, Pool, PooledSession as _, Server, ServerSettings, Stage, Stopped, refused, timeout,
        timeout_committing,
    },
};
use fault::Fault;
use server::Role;

/// The database of one binding, with a pool for each role.
#[derive(Debug)]
pub(crate) struct Mysql {
    reads: Arc<Pool<Role>>,
    changes: Option<Arc<Pool<Role>>>,
}

impl Mysql {
    pub(crate) fn new(resource: ResourceName, settings: ServerSettings, network: &Network) -> Self {
        let roles = [&settings.read].into_iter().chain(&settings.write).map(|login| login.user.clone());
        // Messages name tables with their database.
        let names = roles.chain([settings.host.clone(), settings.database.clone()]);
        let hidden = Hidden::new(names, &settings.database);
        let server = Arc::new(Server::new(resource, &settings, hidden, network));
        let places = (settings.connections_max, settings.connections_per_tenant_max);
        let pool = |login: Login| Arc::new(Pool::new(Role::new(Arc::clone(&server), login), places));
        Self { reads: pool(settings.read), changes: settings.write.map(pool) }
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
            let ended = timeout_at(request.deadline, statement::run(session, &request)).await;
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
