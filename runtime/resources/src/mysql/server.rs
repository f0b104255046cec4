//! One role on the server of a binding: opening sessions, and ending what runs in them.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use airlock_model::{HostError, ResourceName};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

use super::{Fault, explain, session::Session, startup};
use crate::database::{Backend, Login, NoSession, Server, Stage, Stopped};

/// How long it may take to end a session and to see that it is gone.
const STOP_MAX: Duration = Duration::from_secs(2);
/// Between two looks at whether it is.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// An account of the database server.
#[derive(Debug)]
pub(super) struct Role {
    server: Arc<Server>,
    login: Login,
}

impl Role {
    pub(super) fn new(server: Arc<Server>, login: Login) -> Self {
        Self { server, login }
    }

    /// Puts the fault of a statement into words.
    pub(super) fn explain(&self, stage: Stage, fault: Fault) -> HostError {
        explain::fault(&self.server.resource, &self.server.hidden, stage, fault)
    }

    async fn log_in(&self, stream: TcpStream, target: SocketAddr) -> Result<Session, Fault> {
        let (wire, greeting) = startup::log_in(stream, &self.server.tls, &self.login, &self.server.database).await?;
        Ok(Session::new(wire, &greeting, target))
    }

    async fn attempt(&self) -> Result<Session, NoSession> {
        let (stream, target) = self.server.dial().await?;
        Ok(self.log_in(stream, target).await?)
    }

    /// Ends a session from another one of the same account, which may do that and may see its own sessions.
    ///
    /// KILL CONNECTION and not KILL QUERY: the latter only ends what runs at that moment, and does not wake a server that waits for
    /// us to read. The session would be closed anyway.
    async fn kill(&self, ended: &Session) -> Result<(), NoSession> {
        let stream = self.server.dial_again(ended.target).await?;
        let mut other = self.log_in(stream, ended.target).await?;
        let thread = ended.thread;
        match other.tell(&format!("KILL CONNECTION {thread}")).await {
            // Unknown thread: it has gone by itself.
            Err(Fault::Server(error)) if error.number == 1094 => {}
            told => told?,
        }
        let question = format!("SELECT 1 FROM information_schema.processlist WHERE id = {thread}");
        while other.count(&question).await? > 0 {
            sleep(LOOK_EVERY).await;
        }
        other.quit().await;
        Ok(())
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

    async fn stop(&self, session: Session) -> Stopped {
        let why = match timeout(STOP_MAX, self.kill(&session)).await {
            Ok(Ok(())) => return Stopped::Confirmed,
            Ok(Err(NoSession::Dial(error))) => crate::log::chain(&error),
            Ok(Err(NoSession::Refused(error))) => crate::log::chain(error.as_ref()),
            Ok(Err(NoSession::TooSlow)) | Err(_) => "no answer in time".to_owned(),
        };
        tracing::warn!(resource = %self.server.resource, error = why, "a statement may not have been cancelled");
        Stopped::Unconfirmed
    }
}
