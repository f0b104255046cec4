//! The server of one binding and the way to it.

use std::{error::Error as StdError, net::SocketAddr};

use airlock_model::{HostError, ResourceName};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};

use super::{Hidden, ServerSettings, Tls};
use crate::{
    Network,
    address::AddressPolicy,
    breaker::Breaker,
    dial::{DialError, Origin},
};

/// A server, the way to it, and which of its databases is meant.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) resource: ResourceName,
    pub(crate) hidden: Hidden,
    pub(crate) tls: Tls,
    pub(crate) database: String,
    origin: Origin,
    breaker: Breaker,
}

/// Why there is no session.
pub(crate) enum NoSession {
    /// There is no connection.
    Dial(DialError),
    /// There is one, and the server lets nobody in, or is none.
    Refused(Box<dyn StdError + Send + Sync>),
    TooSlow,
}

impl<E: StdError + Send + Sync + 'static> From<E> for NoSession {
    fn from(why: E) -> Self {
        Self::Refused(Box::new(why))
    }
}

impl Server {
    /// Takes what is about the server and not about its roles.
    pub(crate) fn new(resource: ResourceName, settings: &ServerSettings, hidden: Hidden, network: &Network) -> Self {
        let allowed = settings.allow_private.clone();
        let policy = if settings.tls.checks_server() {
            AddressPolicy::new(allowed, network)
        } else {
            AddressPolicy::only_listed(allowed, network)
        };
        let (host, port, connect_timeout) = (settings.host.clone(), settings.port, settings.connect_timeout);
        Self {
            resource,
            hidden,
            tls: settings.tls.clone(),
            database: settings.database.clone(),
            origin: Origin { host, port, policy, connect_timeout },
            breaker: Breaker::default(),
        }
    }

    /// Makes one attempt at a session, unless the last ones failed and it is too soon for another.
    ///
    /// # Errors
    /// Why there is none, in words that a guest may see.
    pub(crate) async fn open<S>(&self, attempt: impl Future<Output = Result<S, NoSession>>) -> Result<S, HostError> {
        self.breaker.check(&self.resource, Instant::now())?;
        let failure = match timeout(self.origin.connect_timeout, attempt).await.unwrap_or(Err(NoSession::TooSlow)) {
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
            NoSession::Refused(why) => self.no_session(why.as_ref()),
            NoSession::TooSlow => DialError::TooSlow(self.origin.connect_timeout).explain(&self.resource),
        })
    }

    /// Connects to an address that is allowed, and says which.
    ///
    /// # Errors
    /// Why there is no connection.
    pub(crate) async fn dial(&self) -> Result<(TcpStream, SocketAddr), NoSession> {
        let stream = self.origin.connect().await.map_err(NoSession::Dial)?;
        let target = stream.peer_addr()?;
        Ok((stream, target))
    }

    /// Connects once more to where a session is, whatever the server's name says by now.
    ///
    /// # Errors
    /// Why there is no connection.
    pub(crate) async fn dial_again(&self, target: SocketAddr) -> Result<TcpStream, DialError> {
        self.origin.connect_again(target).await
    }

    /// Everything the server says here names roles and databases.
    fn no_session(&self, why: &(dyn StdError + 'static)) -> HostError {
        let resource = &self.resource;
        tracing::warn!(%resource, error = %crate::log::chain(why), "no database session");
        HostError::Unavailable(format!("`{resource}` does not let anybody in right now; the operator's log says why"))
    }
}
