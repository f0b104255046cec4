//! From a connection to a session: who we are, and that the server knows the password as well.

use std::io;

use fallible_iterator::FallibleIterator as _;
use postgres_protocol::{
    authentication::{
        md5_hash,
        sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256},
    },
    message::{
        backend::{AuthenticationSaslBody, Message},
        frontend,
    },
};

use super::{
    fault::{Fault, ServerError},
    wire::{Wire, garbage},
};
use crate::database::Login;

/// What a cancel request has to name.
#[derive(Debug, Clone, Copy)]
pub(super) struct BackendKey {
    pub(super) process: i32,
    pub(super) secret: i32,
}

/// What a server has shown of itself before it is told anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    /// Its certificate says who it is.
    Checked,
    /// Nothing: it has to prove with SCRAM that it knows the password, and is never sent it.
    Unchecked,
}

/// Settings that every session has, and that `DISCARD ALL` returns to. Values are written in one way everywhere.
const SETTINGS: [(&str, &str); 8] = [
    ("client_encoding", "UTF8"),
    ("application_name", "airlock"),
    ("datestyle", "ISO, YMD"),
    ("intervalstyle", "iso_8601"),
    ("timezone", "UTC"),
    ("extra_float_digits", "1"),
    ("bytea_output", "hex"),
    ("standard_conforming_strings", "on"),
];

/// Logs in and waits until the server takes statements.
///
/// # Errors
/// When the server refuses, breaks off, or asks for what it may not have.
pub(super) async fn log_in(
    wire: &mut Wire,
    login: &Login,
    settings: &[(&str, &str)],
    server: Server,
) -> Result<BackendKey, Fault> {
    let all = [("user", login.user.as_str())].into_iter().chain(settings.iter().copied()).chain(SETTINGS);
    frontend::startup_message(all, wire.outbox())?;
    wire.send().await?;
    authenticate(wire, login, server).await?;
    let mut key = None;
    loop {
        match wire.message().await? {
            Message::BackendKeyData(body) => {
                key = Some(BackendKey { process: body.process_id(), secret: body.secret_key() });
            }
            Message::ReadyForQuery(_) => return Ok(key.ok_or_else(|| garbage("no key to cancel with"))?),
            Message::ParameterStatus(_) | Message::NoticeResponse(_) => {}
            other => return Err(unexpected(&other)),
        }
    }
}

async fn authenticate(wire: &mut Wire, login: &Login, server: Server) -> Result<(), Fault> {
    let password = login.password.expose().as_bytes();
    match (wire.message().await?, server) {
        (Message::AuthenticationSasl(body), _) => return prove(wire, password, &body).await,
        (Message::AuthenticationOk, Server::Checked) => return Ok(()),
        (Message::AuthenticationCleartextPassword, Server::Checked) => {
            frontend::password_message(password, wire.outbox())?;
        }
        (Message::AuthenticationMd5Password(body), Server::Checked) => {
            let hash = md5_hash(login.user.as_bytes(), password, body.salt());
            frontend::password_message(hash.as_bytes(), wire.outbox())?;
        }
        (
            Message::AuthenticationOk
            | Message::AuthenticationCleartextPassword
            | Message::AuthenticationMd5Password(_),
            Server::Unchecked,
        ) => {
            return Err(Fault::Wire(io::Error::other(
                "the server does not ask for SCRAM, and its certificate is not checked: set `password_encryption` and \
                 pg_hba.conf to scram-sha-256, or use tls = \"verify-full\"",
            )));
        }
        (other, _) => return Err(unexpected(&other)),
    }
    wire.send().await?;
    expect_ok(wire).await
}

/// SCRAM (RFC 5802, 7677): neither side learns the password, and both know that the other has it.
async fn prove(wire: &mut Wire, password: &[u8], offered: &AuthenticationSaslBody) -> Result<(), Fault> {
    if !offered.mechanisms().any(|mechanism| Ok(mechanism == SCRAM_SHA_256))? {
        return Err(Fault::Wire(garbage("no way to log in that is known here")));
    }
    let mut scram = ScramSha256::new(password, ChannelBinding::unsupported());
    frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), wire.outbox())?;
    wire.send().await?;
    match wire.message().await? {
        Message::AuthenticationSaslContinue(body) => scram.update(body.data())?,
        other => return Err(unexpected(&other)),
    }
    frontend::sasl_response(scram.message(), wire.outbox())?;
    wire.send().await?;
    match wire.message().await? {
        Message::AuthenticationSaslFinal(body) => scram.finish(body.data())?,
        other => return Err(unexpected(&other)),
    }
    expect_ok(wire).await
}

async fn expect_ok(wire: &mut Wire) -> Result<(), Fault> {
    match wire.message().await? {
        Message::AuthenticationOk => Ok(()),
        other => Err(unexpected(&other)),
    }
}

fn unexpected(message: &Message) -> Fault {
    match message {
        Message::ErrorResponse(body) => ServerError::read(body).map_or_else(Fault::Wire, Fault::Server),
        _ => Fault::Wire(garbage("not a message that belongs to logging in")),
    }
}
