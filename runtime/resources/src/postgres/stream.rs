//! A query whose rows are taken in batches: a session of its own until the last of them.
//!
//! Rows are asked for one batch at a time. What a batch has no room for stays in the connection, and the server waits; so
//! memory stays at one batch, however large the result is.

use std::{num::NonZeroU16, sync::Arc};

use airlock_model::{HostError, StatementClass};
use tokio::time::timeout_at;

use super::{
    Postgres,
    fault::Fault,
    not_allowed,
    rows::Page,
    server::Role,
    session::{Ended, Session},
    statement::Ready,
    stopped,
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
    ready: Ready,
    at: At,
}

/// Where a query stands between two batches.
#[derive(Clone, Copy)]
enum At {
    /// Nothing has been asked for.
    Beginning,
    /// Everything that was asked for has come.
    Suspended,
    /// Rows that were asked for are still to come.
    Paused,
}

impl Postgres {
    /// Has a query described, or says why it cannot run.
    pub(crate) async fn stream(&self, request: SqlRequest) -> Result<Stream, HostError> {
        if request.class != StatementClass::Read {
            return Err(not_allowed());
        }
        let pool = Arc::clone(&self.reads);
        loop {
            let mut lease = pool.lease(&request.tenant, request.connection_by, request.deadline).await?;
            let Some(session) = lease.session() else { return Err(timeout(Stopped::Unconfirmed)) };
            let ready = timeout_at(request.deadline, Ready::to_read(session, &pool.backend.types, &request)).await;
            // As for a single statement: an idle session may have ended without a word.
            if session.is_stale() && ready.is_ok() {
                continue;
            }
            return match ready {
                Ok(Ok(ready)) => Ok(Stream { pool, lease, request, ready, at: At::Beginning }),
                Ok(Err(fault)) => Err(pool.backend.explain(Stage::Undone, fault)),
                Err(_) => Err(stopped(lease, Stage::Undone).await),
            };
        }
    }
}

impl Stream {
    /// The next rows, at most so many, and the query unless it has ended with them.
    pub(crate) async fn next(mut self, rows_max: u64) -> Result<Batch<Self>, HostError> {
        let page = self.ready.page(&self.request)?.pausing(bytes_enough(self.request.bytes_max), rows_max);
        let Some(session) = self.lease.session() else { return Err(timeout(Stopped::Unconfirmed)) };
        if matches!(self.at, At::Beginning) {
            self.request.stop.sent();
        }
        let filled = timeout_at(self.request.deadline, fill(session, page, &self.ready, self.at, rows_max)).await;
        let (page, ended) = match filled {
            Ok(Ok(filled)) => filled,
            Ok(Err(fault)) => return Err(self.pool.backend.explain(Stage::Undone, fault)),
            Err(_) => return Err(stopped(self.lease, Stage::Undone).await),
        };
        let rows = page.finish(&ended)?;
        let at = match ended {
            Ended::Suspended => Some(At::Suspended),
            Ended::Paused => Some(At::Paused),
            Ended::Complete(_) | Ended::Cut => None,
        };
        Ok(Batch { rows, more: at.map(|at| Self { at, ..self }) })
    }
}

/// Takes rows until the batch is complete or the query ends.
async fn fill(
    session: &mut Session,
    mut page: Page,
    ready: &Ready,
    at: At,
    rows_max: u64,
) -> Result<(Page, Ended), Fault> {
    let mut ended = match at {
        At::Beginning => session.start(&ready.values, portion(rows_max), &mut page).await?,
        At::Suspended => session.more(portion(rows_max), &mut page).await?,
        At::Paused => session.go_on(&mut page).await?,
    };
    while matches!(ended, Ended::Suspended) && page.row_count() < rows_max {
        ended = session.more(portion(rows_max - page.row_count()), &mut page).await?;
    }
    Ok((page, ended))
}

/// Rows to ask for. Where none are wanted, one shows whether there are any.
fn portion(rows_wanted: u64) -> NonZeroU16 {
    u16::try_from(rows_wanted).map_or(NonZeroU16::MAX, |rows| NonZeroU16::new(rows).unwrap_or(NonZeroU16::MIN))
}
