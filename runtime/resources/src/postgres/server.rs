//! The server of one binding: opening sessions on it, and cancelling what runs in them.

use std::{io, net::SocketAddr, time::Duration};

use airlock_model::{HostError, ResourceName};
use bytes::BytesMut;
use postgres_protocol::message::frontend;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout},
};

use super::{
    check::Login,
    explain::{self, Hidden, Stopped},
    fault::Fault,
    session::Session,
    startup::{self, BackendKey},
    tls::Tls,
    wire::Wire,
};
use crate::{
    breaker::Breaker,
    dial::{DialError, Origin},
};

/// How long a cancel request may take, and then the answer to it.
const CANCEL_MAX: Duration = Duration::from_secs(2);

/// A server and the way to it.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) resource: ResourceName,
    pub(super) hidden: Hidden,
    reached: Reached,
    breaker: Breaker,
}

/// Where a server is, and which of its databases is meant.
#[derive(Debug)]
pub(super) struct Reached {
    pub(super) origin: Origin,
    pub(super) tls: Tls,
    pub(super) database: String,
}

/// Why there is no session.
enum NoSession {
    Dial(DialError),
    Refused(Fault),
    TooSlow,
}

impl Server {
    pub(super) fn new(resource: ResourceName, hidden: Hidden, reached: Reached) -> Self {
        Self { resource, hidden, reached, breaker: Breaker::default() }
    }

    /// Opens a session, unless the last attempts failed and it is too soon for another.
    ///
    /// # Errors
    /// Why there is none, in words that a guest may see.
    pub(super) async fn open(&self, login: &Login, settings: &[(&'static str, String)]) -> Result<Session, HostError> {
        self.breaker.check(&self.resource, Instant::now())?;
        let attempt = timeout(self.reached.origin.connect_timeout, self.attempt(login, settings));
        let failure = match attempt.await.unwrap_or(Err(NoSession::TooSlow)) {
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
            NoSession::TooSlow => DialError::TooSlow(self.reached.origin.connect_timeout).explain(&self.resource),
        })
    }

    async fn attempt(&self, login: &Login, settings: &[(&'static str, String)]) -> Result<Session, NoSession> {
        let refused = |why: io::Error| NoSession::Refused(Fault::Wire(why));
        let stream = self.reached.origin.connect().await.map_err(NoSession::Dial)?;
        let target = stream.peer_addr().map_err(refused)?;
        let mut wire = Wire::new(self.reached.tls.protect(stream).await.map_err(refused)?);
        let shown =
            if self.reached.tls.checks_server() { startup::Server::Checked } else { startup::Server::Unchecked };
        let settings: Vec<(&str, &str)> = [("database", self.reached.database.as_str())]
            .into_iter()
            .chain(settings.iter().map(|(name, value)| (*name, value.as_str())))
            .collect();
        let key = startup::log_in(&mut wire, login, &settings, shown).await.map_err(NoSession::Refused)?;
        Ok(Session::new(wire, key, target))
    }

    /// Has the server stop what runs in a session, and waits for its word that it has. The session is ended either way.
    pub(super) async fn stop(&self, mut session: Session) -> Stopped {
        if let Err(error) = self.cancel(session.target, session.key).await {
            tracing::warn!(resource = %self.resource, error = %crate::log::chain(&error), "a statement cannot be cancelled");
        }
        match timeout(CANCEL_MAX, session.drain()).await {
            Ok(Ok(())) => Stopped::Confirmed,
            Ok(Err(_)) | Err(_) => Stopped::Unconfirmed,
        }
    }

    /// Sends a cancel request to the address that the session is connected to, protected in the same way.
    async fn cancel(&self, target: SocketAddr, key: BackendKey) -> io::Result<()> {
        let asked = async {
            let stream: TcpStream = self.reached.origin.connect_again(target).await.map_err(io::Error::other)?;
            let mut stream = self.reached.tls.protect(stream).await?;
            let mut request = BytesMut::new();
            frontend::cancel_request(key.process, key.secret, &mut request);
            stream.write_all(&request).await?;
            stream.flush().await?;
            // The server closes when it has passed the request on; how it does that says nothing.
            let _closed = stream.read_u8().await;
            Ok(())
        };
        timeout(CANCEL_MAX, asked).await.unwrap_or(Err(io::ErrorKind::TimedOut.into()))
    }
}
