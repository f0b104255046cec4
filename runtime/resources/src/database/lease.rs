//! A lent session, and what becomes of it afterwards.

use std::{sync::Arc, time::Duration};

use tokio::{runtime::Handle, task::JoinHandle, time::timeout};

use super::{Backend, Pool, PooledSession as _, Stopped};
use crate::{StopNotice, places::Place};

/// How long a session may take to become as good as new.
const RESET_MAX: Duration = Duration::from_secs(5);
/// How long a call that is over waits to hear that its statement is, too.
const CONFIRM_MAX: Duration = Duration::from_millis(500);

/// A session that one statement has for itself. However it is dropped, the session is reset before it is lent again, and
/// a statement that still runs in it is cancelled on the server. Both happen beside the call; the place is held until
/// they are over.
pub(crate) struct Lease<B: Backend> {
    pool: Arc<Pool<B>>,
    held: Option<(B::Session, Place)>,
    stop: StopNotice,
}

impl<B: Backend> Lease<B> {
    pub(super) fn new(pool: Arc<Pool<B>>, session: B::Session, place: Place) -> Self {
        Self { pool, held: Some((session, place)), stop: StopNotice::default() }
    }

    /// Who hears of it when the statement that runs next is stopped.
    pub(crate) fn report_to(&mut self, stop: &StopNotice) {
        self.stop = stop.clone();
    }

    /// The session. `None` only after [`Lease::stop`].
    pub(crate) fn session(&mut self) -> Option<&mut B::Session> {
        self.held.as_mut().map(|(session, _)| session)
    }

    /// Ends the statement that runs, and waits a moment for the server's word.
    pub(crate) async fn stop(mut self) -> Stopped {
        let Some(settling) = self.settle() else { return Stopped::Unconfirmed };
        match timeout(CONFIRM_MAX, settling).await {
            Ok(Ok(stopped)) => stopped,
            Ok(Err(_)) | Err(_) => Stopped::Unconfirmed,
        }
    }

    fn settle(&mut self) -> Option<JoinHandle<Stopped>> {
        let (session, place) = self.held.take()?;
        // Without a runtime there is nobody left to lend it to: dropping it closes the connection.
        let runtime = Handle::try_current().ok()?;
        let (pool, stop) = (Arc::clone(&self.pool), self.stop.clone());
        Some(runtime.spawn(async move {
            let stopped = settle(&pool, session, &stop).await;
            drop(place);
            stopped
        }))
    }
}

async fn settle<B: Backend>(pool: &Pool<B>, mut session: B::Session, stop: &StopNotice) -> Stopped {
    if session.is_stale() {
        // The server has ended it: there is nothing to cancel.
        return Stopped::Confirmed;
    }
    if !session.is_at_rest() {
        let stopped = pool.backend.stop(session).await;
        if stopped == Stopped::Confirmed {
            stop.confirm();
        }
        tracing::info!(resource = %pool.backend.resource(), confirmed = stopped == Stopped::Confirmed, "a statement was cancelled");
        return stopped;
    }
    if matches!(timeout(RESET_MAX, session.reset()).await, Ok(true)) {
        pool.put_back(session);
    }
    Stopped::Confirmed
}

impl<B: Backend> Drop for Lease<B> {
    fn drop(&mut self) {
        drop(self.settle());
    }
}
