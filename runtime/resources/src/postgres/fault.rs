//! Why a statement did not end in a reply.

use std::io;

use airlock_model::HostError;
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::{ErrorFields, ErrorResponseBody};

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
#[error("{code}: {message}")]
pub(super) struct ServerError {
    /// SQLSTATE.
    pub(super) code: String,
    /// The primary message. DETAIL and HINT are not kept: they can hold other people's data.
    pub(super) message: String,
    /// Where it happened, in the server's words. For us alone.
    pub(super) context: String,
    /// What the server was at.
    pub(super) at: At,
}

/// What the server was at when it reported an error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum At {
    /// Anything that is not one of the others.
    #[default]
    Work,
    /// Reading the values of the parameters.
    Values,
}

impl ServerError {
    /// Takes what is kept out of a message.
    ///
    /// # Errors
    /// When it is not the protocol.
    pub(super) fn read(body: &ErrorResponseBody) -> io::Result<Self> {
        Self::from_fields(body.fields())
    }

    fn from_fields(mut fields: ErrorFields<'_>) -> io::Result<Self> {
        let mut error = Self::default();
        while let Some(field) = fields.next()? {
            let text = || String::from_utf8_lossy(field.value_bytes()).into_owned();
            match field.type_() {
                b'C' => error.code = text(),
                b'M' => error.message = text(),
                b'W' => error.context = text(),
                _ => {}
            }
        }
        Ok(error)
    }
}
