//! The server of one binding, and the connections to it.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use airlock_model::{HostError, ResourceName, TenantName};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_rustls::TlsConnector;

use super::{
    explain,
    session::{Fault, Session},
    wire::{Wire, WireError},
};
use crate::{
    breaker::Breaker,
    dial::{DialError, Origin, Stream},
    kv::check::Login,
    places::{Place, Places},
};

/// Connections that nobody used for longer are not trusted to be there.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// A server and the way to it.
#[derive(Debug)]
pub(super) struct Server {
    resource: ResourceName,
    origin: Origin,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    login: Option<Login>,
    database: u16,
    breaker: Breaker,
}

/// Why there is no session.
enum NoSession {
    Dial(DialError),
    Refused(Fault),
    TooSlow,
}

impl Server {
    pub(super) fn new(
        resource: ResourceName,
        origin: Origin,
        tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
        (login, database): (Option<Login>, u16),
    ) -> Self {
        Self { resource, origin, tls, login, database, breaker: Breaker::default() }
    }

    /// Opens a session, unless the last attempts failed and it is too soon for another.
    async fn open(&self) -> Result<Session, HostError> {
        self.breaker.check(&self.resource, Instant::now())?;
        let attempt = timeout(self.origin.connect_timeout, self.attempt()).await;
        let failure = match attempt.unwrap_or(Err(NoSession::TooSlow)) {
            Ok(session) => {
                self.breaker.succeeded();
                return Ok(session);
            }
            Err(failure) => failure,
        };
        // A forbidden address is a mistake in the configuration: waiting does not help.
        if !matches!(failure, NoSession::Dial(DialError::Forbidden { .. })) {
            self.breaker.failed(Instant::now());
        }
        Err(match failure {
            NoSession::Dial(error) => error.explain(&self.resource),
            NoSession::Refused(fault) => explain::no_session(&self.resource, &fault),
            NoSession::TooSlow => DialError::TooSlow(self.origin.connect_timeout).explain(&self.resource),
        })
    }

    async fn attempt(&self) -> Result<Session, NoSession> {
        let broken = |why: io::Error| NoSession::Refused(Fault::Wire(WireError::Broken(why)));
        let stream = self.origin.connect().await.map_err(NoSession::Dial)?;
        let wire = Wire::new(self.protect(stream).await.map_err(broken)?);
        Session::open(wire, self.login.as_ref(), self.database).await.map_err(NoSession::Refused)
    }

    async fn protect(&self, stream: TcpStream) -> io::Result<Stream> {
        let Some((config, name)) = &self.tls else { return Ok(Box::new(stream)) };
        Ok(Box::new(TlsConnector::from(Arc::clone(config)).connect(name.clone(), stream).await?))
    }
}

/// The connections of one binding, lent to one command at a time.
#[derive(Debug)]
pub(super) struct Pool {
    server: Server,
    places: Places,
    idle: Mutex<Vec<Session>>,
}

/// A lent session. Dropped, its connection is closed.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) session: Session,
    _place: Place,
}

impl Pool {
    pub(super) fn new(server: Server, connections_max: usize, per_tenant_max: usize) -> Self {
        Self { server, places: Places::new(connections_max, per_tenant_max), idle: Mutex::default() }
    }

    /// Lends a session, an idle one or a new one. Waits for one without end.
    ///
    /// # Errors
    /// Why none can be opened, in words that a guest may see.
    pub(super) async fn lease(&self, tenant: &TenantName) -> Result<Lease, HostError> {
        let closed = || HostError::Unavailable(format!("`{}` is being closed", self.server.resource));
        let place = self.places.take(tenant).await.ok_or_else(closed)?;
        let session = match self.take_idle().await {
            Some(session) => session,
            None => self.server.open().await?,
        };
        Ok(Lease { session, _place: place })
    }

    async fn take_idle(&self) -> Option<Session> {
        loop {
            let mut session = self.lock().pop()?;
            if session.idle_since.elapsed() < IDLE_MAX && session.is_quiet().await {
                return Some(session);
            }
        }
    }

    /// Takes a session back if it is in order, and ends it otherwise.
    pub(super) fn put_back(&self, lease: Lease) {
        let mut session = lease.session;
        if session.is_in_order() {
            session.idle_since = Instant::now();
            self.lock().push(session);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
