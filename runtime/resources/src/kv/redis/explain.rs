//! Errors in words that a guest may see. The server's own words stay here: they repeat commands, names and addresses.

use airlock_model::{HostError, ResourceName};

use super::{session::Fault, wire::WireError};
use crate::{
    failed::Failed,
    kv::{backend, full},
};

/// Puts the fault of a command into words.
pub(super) fn fault(resource: &ResourceName, changes: bool, fault: Fault) -> Failed {
    match fault {
        Fault::Host(error) => error.into(),
        Fault::Server(text) => reported(resource, &text).into(),
        Fault::Wire(WireError::TooLarge(_)) => {
            backend("KV_VALUE_TOO_LARGE", "the entry is larger than `value_bytes_max` of the binding allows to read")
                .into()
        }
        Fault::Wire(WireError::Broken(_)) | Fault::Unexpected => {
            tracing::warn!(%resource, error = %crate::log::chain(&fault), "a connection to a store broke");
            if changes {
                let text = format!("the connection to `{resource}` broke: whether the change took effect is not known");
                return Failed::Unknown(HostError::Unavailable(text));
            }
            HostError::Unavailable(format!("the connection to `{resource}` broke before the reply was complete")).into()
        }
    }
}

fn reported(resource: &ResourceName, text: &str) -> HostError {
    let code = code(text);
    tracing::warn!(%resource, error = text, "a store refused a command");
    match code {
        "WRONGTYPE" => backend("KV_WRONG_TYPE", "the entry holds something else than text: use another key"),
        "OOM" => full(resource, "the server has no memory left for it"),
        _ => HostError::Unavailable(format!("`{resource}` refused the command; the operator's log says why")),
    }
}

/// A session that could not be opened. What the server says here may repeat the password: the log gets the code alone.
pub(super) fn no_session(resource: &ResourceName, fault: &Fault) -> HostError {
    let error = match fault {
        Fault::Server(text) => format!("the server said {}", known(code(text))),
        other => crate::log::chain(other),
    };
    tracing::warn!(%resource, error, "no connection to a store");
    HostError::Unavailable(format!("`{resource}` does not let anybody in right now; the operator's log says why"))
}

fn code(text: &str) -> &str {
    text.split(' ').next().unwrap_or_default()
}

/// Codes that Redis has, so that nothing else gets into a log.
fn known(code: &str) -> &'static str {
    const CODES: [&str; 9] =
        ["WRONGPASS", "NOAUTH", "NOPERM", "DENIED", "LOADING", "MASTERDOWN", "BUSY", "MISCONF", "ERR"];
    CODES.into_iter().find(|known| *known == code).unwrap_or("something else")
}
