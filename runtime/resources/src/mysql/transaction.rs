//! A transaction of several statements: a session of its own until it ends.
//!
//! Whatever drops it, a statement that fails or a call that is over, gives the session back as it gives back every other:
//! ended if something runs in it, rolled back and reset.

use std::sync::Arc;

use airlock_model::{HostError, HostReply};
use tokio::time::{Instant, timeout_at};

use super::{begin, server::Role, statement, stopped};
use crate::{
    BeginRequest, SqlRequest, TransactionMode,
    database::{Lease, Pool, PooledSession as _, Stage, Stopped, timeout},
    failed::Failed,
};

/// An open transaction.
pub(crate) struct Transaction {
    pool: Arc<Pool<Role>>,
    lease: Lease<Role>,
    mode: TransactionMode,
}

impl Transaction {
    pub(super) async fn begin(pool: &Arc<Pool<Role>>, request: &BeginRequest) -> Result<Self, HostError> {
        loop {
            let mut lease = pool.lease(&request.tenant, request.connection_by, request.deadline).await?;
            let Some(session) = lease.session() else { return Err(timeout(Stopped::Unconfirmed)) };
            let begin = begin::transaction(session.kind, request.mode, request.deadline);
            let begun = timeout_at(request.deadline, session.begin(&begin)).await;
            // As for a single statement: an idle session may have ended without a word.
            if session.is_stale() && begun.is_ok() {
                continue;
            }
            return match begun {
                Ok(Ok(())) => Ok(Self { pool: Arc::clone(pool), lease, mode: request.mode }),
                Ok(Err(fault)) => Err(pool.backend.explain(Stage::Undone, fault)),
                Err(_) => Err(stopped(lease, Stage::Undone).await),
            };
        }
    }

    /// Runs one statement. Only a transaction in which it succeeded comes back.
    pub(crate) async fn perform(mut self, request: &SqlRequest) -> Result<(Self, HostReply), HostError> {
        self.lease.report_to(&request.stop);
        let Some(session) = self.lease.session() else { return Err(timeout(Stopped::Unconfirmed)) };
        let running = statement::run_within(session, self.mode, request);
        match timeout_at(request.deadline, running).await {
            Ok(Ok(reply)) => Ok((self, reply)),
            Ok(Err(fault)) => Err(self.pool.backend.explain(Stage::Undone, fault)),
            Err(_) => Err(stopped(self.lease, Stage::Undone).await),
        }
    }

    /// Makes the changes last.
    pub(crate) async fn commit(mut self, deadline: Instant) -> Result<(), Failed> {
        let session = self.lease.session().ok_or_else(|| timeout(Stopped::Unconfirmed))?;
        let ended = timeout_at(deadline, session.commit()).await;
        let stage = session.stage();
        let error = match ended {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(fault)) => self.pool.backend.explain(stage, fault),
            Err(_) => stopped(self.lease, stage).await,
        };
        Err(stage.failed(error))
    }

    /// Undoes the changes, and waits for the server's word that they are.
    pub(crate) async fn rollback(self) {
        self.lease.stop().await;
    }
}
