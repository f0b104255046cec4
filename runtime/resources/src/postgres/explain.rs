//! Errors in words that a guest may see: SQLSTATE and the primary message, never where the server is or who we are.

use airlock_model::{HostError, ResourceName};

use super::fault::{At, Fault, ServerError};
use crate::database::{Hidden, Stage, Stopped, refused, timeout, unavailable};

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
    let message = || hidden.remove(&error.message);
    match error.code.as_bytes() {
        b"57014" => timeout(Stopped::Confirmed),
        b"25006" => refused("a change where only reading is permitted"),
        [b'5', b'7' | b'8', ..] | [b'5', b'3', ..] | [b'0', b'8', ..] => {
            tracing::warn!(%resource, code = error.code, error = error.message, "a database gave up a statement");
            HostError::Unavailable(format!("the database of `{resource}` stopped the statement ({})", error.code))
        }
        _ => match unfit_parameter(error) {
            Some(place) => HostError::BadRequest(format!(
                "parameter {place} does not fit its type: {} ({})",
                message(),
                error.code
            )),
            None => HostError::Backend { code: error.code.clone(), message: message() },
        },
    }
}

/// Which parameter the server could not read: it says so in the context of the error, in the operator's language.
fn unfit_parameter(error: &ServerError) -> Option<&str> {
    let (_, rest) = error.context.split_once('$').filter(|_| error.at == At::Values)?;
    rest.split(|c: char| !c.is_ascii_digit()).next().filter(|digits| !digits.is_empty())
}

pub(super) fn bad(text: &str) -> Fault {
    Fault::Host(HostError::BadRequest(text.to_owned()))
}
