//! A logged-in connection, and always knowing whether a reply is still to come.

use tokio::time::Instant;

use super::wire::{Reply, Wire, WireError};
use crate::kv::check::Login;

/// Largest reply that is no value and no page.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Why a command did not end in a reply.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The server's own word: a code, then a text that repeats what it was told.
    #[error("{0}")]
    Server(String),
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A reply of another kind than the command has.
    #[error("the reply is not one to this command")]
    Unexpected,
    /// Said by us, about what the entry holds.
    #[error(transparent)]
    Host(#[from] airlock_model::HostError),
}

/// One connection.
#[derive(Debug)]
pub(super) struct Session {
    wire: Wire,
    /// INVARIANT: set before anything is sent, so a dropped future leaves it set.
    is_waiting: bool,
    pub(super) idle_since: Instant,
}

impl Session {
    /// Logs in and chooses the database.
    pub(super) async fn open(wire: Wire, login: Option<&Login>, database: u16) -> Result<Self, Fault> {
        let mut session = Self { wire, is_waiting: false, idle_since: Instant::now() };
        if let Some(login) = login {
            let (user, password) = (login.user.as_bytes(), login.password.expose().as_bytes());
            // Servers before Redis 6 know no users, and the user `default` is the one of a password alone.
            let command: &[&[u8]] =
                if login.user == "default" { &[b"AUTH", password] } else { &[b"AUTH", user, password] };
            session.expect_ok(command).await?;
        }
        if database > 0 {
            session.expect_ok(&[b"SELECT", database.to_string().as_bytes()]).await?;
        }
        Ok(session)
    }

    /// Sends a command and reads its reply, errors of the server apart.
    pub(super) async fn ask(&mut self, command: &[&[u8]], bytes_max: usize) -> Result<Reply, Fault> {
        self.is_waiting = true;
        self.wire.send(command).await.map_err(WireError::Broken)?;
        let reply = self.wire.reply(bytes_max.saturating_add(ANSWER_BYTES_MAX)).await?;
        self.is_waiting = false;
        match reply {
            Reply::Error(text) => Err(Fault::Server(text)),
            reply => Ok(reply),
        }
    }

    async fn expect_ok(&mut self, command: &[&[u8]]) -> Result<(), Fault> {
        match self.ask(command, 0).await? {
            Reply::Status(text) if text == "OK" => Ok(()),
            _ => Err(Fault::Unexpected),
        }
    }

    /// Whether another command can be sent over it.
    pub(super) fn is_in_order(&self) -> bool {
        !self.is_waiting
    }

    /// Whether the server has said nothing since, and is still there as far as one can see.
    pub(super) async fn is_quiet(&mut self) -> bool {
        self.wire.is_quiet().await
    }
}
