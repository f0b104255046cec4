//! A transaction of several statements: a connection of its own until it ends.

use std::sync::Arc;

use airlock_model::{HostError, HostReply};
use tokio::{runtime::Handle, time::Instant};

use super::{Pool, connection::Guarded, explain, not_known};
use crate::{BeginRequest, SqlRequest, failed::Failed, places::Place};

/// An open transaction. Dropped, it is rolled back beside the call.
pub(crate) struct Transaction {
    pool: Pool,
    held: Option<Held>,
}

/// A connection and the right to it, which goes last: closing the connection rolls back.
struct Held {
    guarded: Guarded,
    permit: Place,
}

impl Transaction {
    pub(super) async fn begin(pool: &Pool, request: &BeginRequest) -> Result<Self, HostError> {
        let permit = pool.place(&request.tenant, request.connection_by, request.deadline).await?;
        let connections = Arc::clone(&pool.connections);
        let begun = pool.on_thread(request.deadline, explain::timeout(), move |watch| {
            connections.begin(watch).map(|guarded| Held { guarded, permit })
        });
        Ok(Self { held: Some(begun.await.flatten()?), pool: pool.clone() })
    }

    /// Runs one statement. Only a transaction in which it succeeded comes back.
    pub(crate) async fn perform(mut self, request: SqlRequest) -> Result<(Self, HostReply), HostError> {
        let Held { guarded, permit } = self.take()?;
        let connections = Arc::clone(&self.pool.connections);
        let running = self.pool.on_thread(request.deadline, explain::timeout(), move |watch| {
            let ran = connections.run_within(guarded, watch, &request);
            request.stop.confirm();
            let (guarded, reply) = ran?;
            Ok((Held { guarded, permit }, reply))
        });
        let (held, reply) = running.await.flatten()?;
        self.held = Some(held);
        Ok((self, reply))
    }

    /// Makes the changes last.
    pub(crate) async fn commit(mut self, deadline: Instant) -> Result<(), Failed> {
        let Held { guarded, permit } = self.take()?;
        let connections = Arc::clone(&self.pool.connections);
        let running = self.pool.on_thread(deadline, not_known(), move |watch| {
            let ended = connections.commit(guarded, watch);
            drop(permit);
            ended
        });
        Ok(running.await.map_err(Failed::Unknown)??)
    }

    /// Undoes the changes.
    pub(crate) async fn rollback(mut self) {
        if let Some(undoing) = self.undo() {
            // It fails only by a panic, which closes the connection and thereby rolls back.
            let _undone = undoing.await;
        }
    }

    fn take(&mut self) -> Result<Held, HostError> {
        self.held.take().ok_or_else(|| explain::unavailable(&self.pool.resource))
    }

    fn undo(&mut self) -> Option<tokio::task::JoinHandle<()>> {
        let Held { guarded, permit } = self.held.take()?;
        // Without a runtime, dropping the connection closes it.
        let runtime = Handle::try_current().ok()?;
        let connections = Arc::clone(&self.pool.connections);
        Some(runtime.spawn_blocking(move || {
            connections.undo(guarded);
            drop(permit);
        }))
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        drop(self.undo());
    }
}
