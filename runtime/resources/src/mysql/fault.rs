//! Why a statement did not end in a reply.

use std::io;

use airlock_model::HostError;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// Ours: said before the statement ran, or about its result.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The server's own word.
    #[error("{0}")]
    Server(ServerError),
    /// The connection broke, or what came was not the protocol.
    #[error("the connection failed")]
    Wire(#[from] io::Error),
}

/// An error that the server reported.
#[derive(Debug, Clone, Default, thiserror::Error)]
#[error("{number} ({state}): {message}")]
pub(super) struct ServerError {
    /// The server's own number: 1062.
    pub(super) number: u16,
    /// SQLSTATE: 23000.
    pub(super) state: String,
    pub(super) message: String,
}

impl ServerError {
    /// Whether the statement was stopped from outside: KILL QUERY, or its time was over (MySQL's number, MariaDB's).
    pub(super) fn is_interruption(&self) -> bool {
        matches!(self.number, 1317 | 3024 | 1969)
    }

    /// Whether the server gives the session up, or has no room for it: too many connections, shut down, killed, network
    /// errors, too many of one account, too long without a word.
    pub(super) fn is_about_the_session(&self) -> bool {
        let number = matches!(self.number, 1040 | 1053 | 1077..=1080 | 1152..=1161 | 1203 | 1226 | 1927 | 3169 | 4031);
        number || self.state.starts_with("08") || self.state == "70100"
    }
}
