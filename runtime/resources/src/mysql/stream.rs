//! A query whose rows are taken in batches: a session of its own until the last of them.
//!
//! What a batch has no room for stays in the connection, and the server waits; so memory stays at one batch, however large the
//! result is.

use std::sync::Arc;

use airlock_model::{HostError, StatementClass};
use tokio::time::timeout_at;

use super::{
    Mysql,
    fault::Fault,
    not_allowed,
    rows::Page,
    server::Role,
    session::{Ended, Session},
    statement, stopped,
    types::Type,
};
use crate::{
    SqlRequest,
    database::{Lease, Pool, PooledSession as _, Stage, Stopped, timeout},
    stream::{Batch, bytes_enough},
};

/// A running query.
pub(crate) struct Stream {
    pool: Arc<Pool<Role>>,
    lease: Lease<Role>,
    request: SqlRequest,
    columns: Vec<(String, Type)>,
}

impl Mysql {
    /// Starts a query, or says why it cannot run.
    pub(crate) async fn stream(&self, request: SqlRequest) -> Result<Stream, HostError> {
        if request.class != StatementClass::Read {
            return Err(not_allowed());
        }
        let pool = Arc::clone(&self.reads);
        loop {
            let mut lease = pool.lease(&request.tenant, request.connection_by, request.deadline).await?;
            let Some(session) = lease.session() else { return Err(timeout(Stopped::Unconfirmed)) };
            let started = timeout_at(request.deadline, statement::start(session, &request)).await;
            // As for a single statement: an idle session may have ended without a word.
            if session.is_stale() && started.is_ok() {
                continue;
            }
            return match started {
                Ok(Ok(columns)) => Ok(Stream { pool, lease, request, columns }),
                Ok(Err(fault)) => Err(pool.backend.explain(Stage::Undone, fault)),
                Err(_) => Err(stopped(lease, Stage::Undone).await),
            };
        }
    }
}

impl Stream {
    /// The next rows, at most so many, and the query unless it has ended with them.
    pub(crate) async fn next(mut self, rows_max: u64) -> Result<Batch<Self>, HostError> {
        let page = Page::new(self.columns.clone(), rows_max, self.request.bytes_max)?;
        let page = page.pausing(bytes_enough(self.request.bytes_max));
        let Some(session) = self.lease.session() else { return Err(timeout(Stopped::Unconfirmed)) };
        let (page, ended) = match timeout_at(self.request.deadline, fill(session, page)).await {
            Ok(Ok(filled)) => filled,
            Ok(Err(fault)) => return Err(self.pool.backend.explain(Stage::Undone, fault)),
            Err(_) => return Err(stopped(self.lease, Stage::Undone).await),
        };
        let rows = page.finish(&ended)?;
        Ok(Batch { rows, more: (ended == Ended::Paused).then_some(self) })
    }
}

/// Takes rows until the batch is complete or the query ends.
async fn fill(session: &mut Session, mut page: Page) -> Result<(Page, Ended), Fault> {
    let ended = session.read(&mut page).await?;
    if ended == Ended::Complete {
        statement::check_transaction(session)?;
    }
    Ok((page, ended))
}
