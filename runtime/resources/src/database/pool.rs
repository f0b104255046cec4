//! The sessions of one role, lent to one statement at a time.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use airlock_model::{HostError, ResourceName, TenantName};
use tokio::time::{Instant, timeout_at};

use super::{Lease, Stopped};
use crate::{places::Places, request::no_connection};

/// Sessions that nobody used for longer are not trusted to be there.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// Opens sessions of one role on one server, and stops what runs in them.
pub(crate) trait Backend: Send + Sync + 'static {
    /// A logged-in connection.
    type Session: PooledSession;

    /// What guests call the database.
    fn resource(&self) -> &ResourceName;

    /// Opens a session.
    ///
    /// # Errors
    /// Why there is none, in words that a guest may see.
    fn open(&self) -> impl Future<Output = Result<Self::Session, HostError>> + Send;

    /// Has the server stop what runs in a session, and waits for its word that it has. The session is ended either way.
    fn stop(&self, session: Self::Session) -> impl Future<Output = Stopped> + Send;
}

/// A session as the pool sees it.
pub(crate) trait PooledSession: Send + 'static {
    /// Whether the server waits for us.
    fn is_at_rest(&self) -> bool;

    /// Whether the server had ended the session before a statement came: another session can have the statement.
    fn is_stale(&self) -> bool;

    /// Whether the server has said nothing since, and is still there as far as one can see.
    fn is_quiet(&mut self) -> impl Future<Output = bool> + Send;

    /// Undoes everything that a statement can have left behind, and says whether the session is as good as new.
    fn reset(&mut self) -> impl Future<Output = bool> + Send;
}

/// The sessions of one role.
#[derive(Debug)]
pub(crate) struct Pool<B: Backend> {
    pub(crate) backend: B,
    places: Places,
    idle: Mutex<Vec<(B::Session, Instant)>>,
}

impl<B: Backend> Pool<B> {
    pub(crate) fn new(backend: B, (places, places_per_tenant): (usize, usize)) -> Self {
        Self { backend, places: Places::new(places, places_per_tenant), idle: Mutex::default() }
    }

    /// Lends a session, an idle one or a new one.
    ///
    /// # Errors
    /// `Timeout` when none became free before the deadline, `Unavailable` when none did before `connection_by`, or why none
    /// can be opened.
    pub(crate) async fn lease(
        self: &Arc<Self>,
        tenant: &TenantName,
        connection_by: Instant,
        deadline: Instant,
    ) -> Result<Lease<B>, HostError> {
        let resource = self.backend.resource();
        let place = timeout_at(connection_by.min(deadline), self.places.take(tenant)).await;
        let place = place.map_err(|_| no_connection(resource, connection_by, deadline))?;
        let place = place.ok_or_else(|| HostError::Unavailable(format!("`{resource}` is being closed")))?;
        let session = match self.take_idle().await {
            Some(session) => session,
            None => timeout_at(deadline, self.backend.open()).await.map_err(|_| {
                HostError::Timeout(format!("no connection to `{resource}` was made before the deadline"))
            })??,
        };
        Ok(Lease::new(Arc::clone(self), session, place))
    }

    async fn take_idle(&self) -> Option<B::Session> {
        loop {
            let (mut session, since) = self.lock().pop()?;
            if since.elapsed() < IDLE_MAX && session.is_quiet().await {
                return Some(session);
            }
        }
    }

    /// Takes a session back that is as good as new.
    pub(super) fn put_back(&self, session: B::Session) {
        self.lock().push((session, Instant::now()));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(B::Session, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
