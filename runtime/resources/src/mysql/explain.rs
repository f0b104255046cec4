//! Errors in words that a guest may see: SQLSTATE, number and message, never where the server is or who we are.

use airlock_model::{HostError, ResourceName};

use super::fault::{Fault, ServerError};
use crate::database::{Hidden, Stage, Stopped, refused, timeout, unavailable};

/// `Cannot execute statement in a READ ONLY transaction`.
const READ_ONLY_TRANSACTION: u16 = 1792;

/// Puts the fault of a statement into words.
pub(super) fn fault(resource: &ResourceName, hidden: &Hidden, stage: Stage, fault: Fault) -> HostError {
    match fault {
        Fault::Host(error) => error,
        Fault::Server(error) => reported(resource, hidden, &error),
        Fault::Wire(error) => {
            tracing::warn!(%resource, error = %crate::log::chain(&error), "a database connection broke");
            unavailable(resource, stage)
        }
    }
}

fn reported(resource: &ResourceName, hidden: &Hidden, error: &ServerError) -> HostError {
    if error.is_interruption() {
        return timeout(Stopped::Confirmed);
    }
    if error.number == READ_ONLY_TRANSACTION {
        return refused("a change where only reading is permitted");
    }
    if error.is_about_the_session() {
        tracing::warn!(%resource, error = %error, "a database gave up a statement");
        return HostError::Unavailable(format!(
            "the database of `{resource}` stopped the statement ({})",
            error.number
        ));
    }
    let message = hidden.remove(&without_hosts(&error.message));
    HostError::Backend { code: error.state.clone(), message: format!("{message} (error {})", error.number) }
}

/// Accounts stand in messages as `'name'@'host'`, where the host is ours as the server sees it.
fn without_hosts(message: &str) -> String {
    let (mut clean, mut rest) = (String::with_capacity(message.len()), message);
    while let Some((before, behind)) = rest.split_once("@'") {
        clean.push_str(before);
        clean.push_str("@'[redacted]'");
        rest = behind.split_once('\'').map_or("", |(_, rest)| rest);
    }
    clean + rest
}

pub(super) fn bad(text: &str) -> Fault {
    Fault::Host(HostError::BadRequest(text.to_owned()))
}
