//! One role on the server of a binding: opening sessions, and cancelling what runs in them.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use airlock_model::{HostError, ResourceName};
use bytes::BytesMut;
use postgres_protocol::message::frontend;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use super::{
    explain,
    fault::Fault,
    session::Session,
    startup::{self, BackendKey},
    tls,
    types::Types,
    wire::Wire,
};
use crate::database::{Backend, Login, NoSession, Server, Stage, Stopped};

/// How long a cancel request may take, and then the answer to it.
const CANCEL_MAX: Duration = Duration::from_secs(2);

/// A role of the database, and what its sessions begin with.
#[derive(Debug)]
pub(super) struct Role {
    server: Arc<Server>,
    login: Login,
    settings: Vec<(&'static str, String)>,
    pub(super) types: Types,
}

impl Role {
    pub(super) fn new(server: Arc<Server>, login: Login, settings: Vec<(&'static str, String)>) -> Self {
        Self { server, login, settings, types: Types::default() }
    }

    /// Puts the fault of a statement into words.
    pub(super) fn explain(&self, stage: Stage, fault: Fault) -> HostError {
        explain::fault(&self.server.resource, &self.server.hidden, stage, fault)
    }

    async fn attempt(&self) -> Result<Session, NoSession> {
        let server = &self.server;
        let (stream, target) = server.dial().await?;
        let mut wire = Wire::new(tls::protect(&server.tls, stream).await?);
        let shown = if server.tls.checks_server() { startup::Server::Checked } else { startup::Server::Unchecked };
        let settings: Vec<(&str, &str)> = [("database", server.database.as_str())]
            .into_iter()
            .chain(self.settings.iter().map(|(name, value)| (*name, value.as_str())))
            .collect();
        let key = startup::log_in(&mut wire, &self.login, &settings, shown).await?;
        Ok(Session::new(wire, key, target))
    }

    /// Sends a cancel request to the address that the session is connected to, protected in the same way.
    async fn cancel(&self, target: SocketAddr, key: BackendKey) -> io::Result<()> {
        let asked = async {
            let stream = self.server.dial_again(target).await.map_err(io::Error::other)?;
            let mut stream = tls::protect(&self.server.tls, stream).await?;
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

impl Backend for Role {
    type Session = Session;

    fn resource(&self) -> &ResourceName {
        &self.server.resource
    }

    async fn open(&self) -> Result<Session, HostError> {
        self.server.open(self.attempt()).await
    }

    async fn stop(&self, mut session: Session) -> Stopped {
        if let Err(error) = self.cancel(session.target, session.key).await {
            tracing::warn!(resource = %self.server.resource, error = %crate::log::chain(&error), "a statement cannot be cancelled");
        }
        match timeout(CANCEL_MAX, session.drain()).await {
            Ok(Ok(())) => Stopped::Confirmed,
            Ok(Err(_)) | Err(_) => Stopped::Unconfirmed,
        }
    }
}
