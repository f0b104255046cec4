//! A query whose rows are taken in batches: a thread of its own, which steps through it when it is asked and waits otherwise.
//!
//! A prepared statement belongs to the thread that steps through it. There are as many of these threads as read connections.

use std::sync::Arc;

use airlock_model::{HostError, StatementClass};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

use super::{
    Database, INTERRUPT_GRACE, Pool,
    connection::{Connections, Guarded},
    explain, heap, not_allowed,
    rows::{self, Caps},
    statement::{self, Fault},
    watch::{StopOnDrop, Watch},
};
use crate::{
    SqlRequest,
    stream::{Batch, bytes_enough},
};

/// A running query. Dropped, its thread ends.
pub(crate) struct Stream {
    pool: Pool,
    deadline: Instant,
    asks: mpsc::Sender<Ask>,
    running: JoinHandle<Result<(), HostError>>,
    watched: StopOnDrop,
}

/// What the thread is asked: so many rows.
struct Ask {
    rows_max: u64,
    reply: oneshot::Sender<Batch<()>>,
}

impl Database {
    /// Has a query prepared, or says why it cannot run.
    pub(crate) async fn stream(&self, request: SqlRequest) -> Result<Stream, HostError> {
        if request.class != StatementClass::Read {
            return Err(not_allowed());
        }
        Stream::start(&self.reads, request).await
    }
}

impl Stream {
    async fn start(pool: &Pool, request: SqlRequest) -> Result<Self, HostError> {
        let deadline = request.deadline;
        let permit = pool.place(&request.tenant, request.connection_by, deadline).await?;
        let watch = Arc::new(Watch::new(deadline.into_std()));
        let watched = StopOnDrop(Arc::clone(&watch));
        let (connections, (asks, asked), (begun, beginning)) =
            (Arc::clone(&pool.connections), mpsc::channel(1), oneshot::channel());
        let running = tokio::task::spawn_blocking(move || {
            heap::begin_statement();
            let ended = connections.run_stream(&watch, &request, (begun, asked));
            drop(permit);
            ended
        });
        let stream = Self { pool: pool.clone(), deadline, asks, running, watched };
        match timeout_at(deadline, beginning).await {
            Ok(Ok(())) => Ok(stream),
            Ok(Err(_)) => Err(stream.failure().await),
            Err(_) => Err(explain::timeout()),
        }
    }

    /// The next rows, at most so many, and the query unless it has ended with them.
    pub(crate) async fn next(self, rows_max: u64) -> Result<Batch<Self>, HostError> {
        let (reply, answer) = oneshot::channel();
        if self.asks.send(Ask { rows_max, reply }).await.is_err() {
            return Err(self.failure().await);
        }
        match timeout_at(self.deadline, answer).await {
            Ok(Ok(Batch { rows, more })) => Ok(Batch { rows, more: more.map(|()| self) }),
            Ok(Err(_)) => Err(self.failure().await),
            Err(_) => Err(explain::timeout()),
        }
    }

    /// What the thread ended with.
    async fn failure(self) -> HostError {
        let Self { pool, running, watched, .. } = self;
        match timeout(INTERRUPT_GRACE, running).await {
            Ok(Ok(Err(error))) => error,
            Ok(Ok(Ok(()))) => explain::unavailable(&pool.resource),
            Ok(Err(panicked)) => pool.joined::<()>(Err(panicked)).err().unwrap_or_else(explain::timeout),
            Err(_) => {
                drop(watched);
                explain::timeout()
            }
        }
    }
}

/// How a thread says that it has begun, and hears what it is asked.
type Line = (oneshot::Sender<()>, mpsc::Receiver<Ask>);

impl Connections {
    /// Steps through a query for as long as somebody asks. Blocks.
    fn run_stream(&self, watch: &Arc<Watch>, request: &SqlRequest, line: Line) -> Result<(), HostError> {
        self.reading(watch, |guarded| answer(guarded, request, line))
    }
}

fn answer(guarded: &Guarded, request: &SqlRequest, (begun, mut asked): Line) -> Result<(), Fault> {
    statement::check_text(request)?;
    let mut query = statement::prepare_query(guarded, request)?;
    let columns = rows::columns(&query);
    let mut rows = query.raw_query();
    // Whoever asked may be gone: then nobody asks for rows either.
    let _heard = begun.send(());
    while let Some(Ask { rows_max, reply }) = asked.blocking_recv() {
        let (rows, goes_on) = rows::read(&mut rows, columns.clone(), caps(rows_max, request.bytes_max))?;
        let _heard = reply.send(Batch { rows, more: goes_on.then_some(()) });
        if !goes_on {
            break;
        }
    }
    Ok(())
}

/// A batch ends after so many rows. Where none are wanted, one shows whether there are any.
fn caps(rows_max: u64, bytes_max: u64) -> Caps {
    Caps { rows_max, bytes_max, rows_enough: rows_max.max(1), bytes_enough: bytes_enough(bytes_max) }
}
