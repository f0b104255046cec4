//! The sessions of one role, lent to one statement at a time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use airlock_model::{HostError, TenantName};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use crate::request::no_connection;

use super::{
    check::Login,
    explain::{self, Stage},
    fault::Fault,
    lease::Lease,
    server::Server,
    session::Session,
    types::Types,
};

/// Sessions that nobody used for longer are not trusted to be there.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// Tenants beyond this many are looked through for those that hold nothing.
const SHARES_KEPT: usize = 256;

/// The sessions of one role.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) server: Arc<Server>,
    login: Login,
    settings: Vec<(&'static str, String)>,
    pub(super) types: Types,
    places: Arc<Semaphore>,
    places_per_tenant: usize,
    shares: Mutex<HashMap<TenantName, Weak<Semaphore>>>,
    idle: Mutex<Vec<Session>>,
}

/// The right to hold one session: a place of the tenant's share, and one of the pool's.
pub(super) struct Place {
    _share: OwnedSemaphorePermit,
    _pool: OwnedSemaphorePermit,
}

impl Pool {
    pub(super) fn new(
        server: Arc<Server>,
        login: Login,
        settings: Vec<(&'static str, String)>,
        (places, places_per_tenant): (usize, usize),
    ) -> Self {
        Self {
            server,
            login,
            settings,
            types: Types::default(),
            places: Arc::new(Semaphore::new(places)),
            places_per_tenant,
            shares: Mutex::default(),
            idle: Mutex::default(),
        }
    }

    /// Lends a session, an idle one or a new one.
    ///
    /// # Errors
    /// `Timeout` when none became free before the deadline, `Unavailable` when none did before `connection_by`, or why none
    /// can be opened.
    pub(super) async fn lease(
        self: &Arc<Self>,
        tenant: &TenantName,
        connection_by: Instant,
        deadline: Instant,
    ) -> Result<Lease, HostError> {
        let resource = &self.server.resource;
        let place = timeout_at(connection_by.min(deadline), self.place(tenant)).await;
        let place = place.map_err(|_| no_connection(resource, connection_by, deadline))?;
        let place = place.ok_or_else(|| HostError::Unavailable(format!("`{resource}` is being closed")))?;
        let session = match self.take_idle().await {
            Some(session) => session,
            None => timeout_at(deadline, self.server.open(&self.login, &self.settings)).await.map_err(|_| {
                HostError::Timeout(format!("no connection to `{resource}` was made before the deadline"))
            })??,
        };
        Ok(Lease::new(Arc::clone(self), session, place))
    }

    /// The tenant's own share comes first: a tenant that waits for itself holds nothing that others wait for.
    async fn place(&self, tenant: &TenantName) -> Option<Place> {
        let share = self.share(tenant).acquire_owned().await.ok()?;
        let pool = Arc::clone(&self.places).acquire_owned().await.ok()?;
        Some(Place { _share: share, _pool: pool })
    }

    fn share(&self, tenant: &TenantName) -> Arc<Semaphore> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(tenant).and_then(Weak::upgrade) {
            return share;
        }
        if shares.len() >= SHARES_KEPT {
            shares.retain(|_, share| share.strong_count() > 0);
        }
        let share = Arc::new(Semaphore::new(self.places_per_tenant));
        shares.insert(tenant.clone(), Arc::downgrade(&share));
        share
    }

    /// Puts the fault of a statement into words.
    pub(super) fn explain(&self, stage: Stage, fault: Fault) -> HostError {
        explain::fault(&self.server.resource, &self.server.hidden, stage, fault)
    }

    async fn take_idle(&self) -> Option<Session> {
        loop {
            let mut session = self.lock().pop()?;
            if session.idle_since.elapsed() < IDLE_MAX && session.is_quiet().await {
                return Some(session);
            }
        }
    }

    /// Takes a session back that is as good as new.
    pub(super) fn put_back(&self, mut session: Session) {
        session.idle_since = Instant::now();
        self.lock().push(session);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
