//! SQLite's errors in words that a guest may see: no file path, no library text that could hold one.

use airlock_model::{HostError, Reason, ResourceName};
use rusqlite::{Error, ErrorCode, ffi};

use super::{statement::Fault, watch::Watch};

/// How a statement ended when it did not end in a reply.
#[derive(Debug)]
pub(super) struct Ended {
    /// For the guest.
    pub(super) error: Box<HostError>,
    /// Whether the connection is as good as before.
    pub(super) is_ordinary: bool,
}

const MESSAGE_CHARS_MAX: usize = 400;

/// Puts a fault into words. `denial` is what the authorizer said no to.
pub(super) fn fault(resource: &ResourceName, fault: Fault, denial: Option<String>, watch: &Watch) -> Ended {
    let ordinary = |error| Ended { error: Box::new(error), is_ordinary: true };
    let odd = |error| Ended { error: Box::new(error), is_ordinary: false };
    let error = match fault {
        Fault::Host(error) => return ordinary(error),
        Fault::Sqlite(error) => error,
    };
    if let Some(what) = denial {
        return ordinary(refused(&what));
    }
    let Some((code, message)) = failure(&error) else { return ordinary(ours(&error)) };
    match code.code {
        ErrorCode::OperationInterrupted if watch.ran_out_of_memory() => odd(out_of_memory()),
        ErrorCode::OperationInterrupted => odd(timeout()),
        ErrorCode::OutOfMemory => odd(out_of_memory()),
        // Also while busy the deadline may have been what ended it.
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked if watch.remaining().is_zero() => odd(timeout()),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            odd(HostError::Unavailable(format!("the database of `{resource}` is locked by another writer, try again")))
        }
        ErrorCode::AuthorizationForStatementDenied => ordinary(refused("this action")),
        ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig | ErrorCode::Unknown => {
            ordinary(backend(code.extended_code, message))
        }
        ErrorCode::ReadOnly => odd(backend(code.extended_code, Some("the database is read-only"))),
        _ => {
            tracing::error!(%resource, error = %error, code = code.extended_code, "a statement failed oddly");
            odd(unavailable(resource))
        }
    }
}

fn failure(error: &Error) -> Option<(ffi::Error, Option<&str>)> {
    match error {
        Error::SqliteFailure(code, message) => Some((*code, message.as_deref())),
        Error::SqlInputError { error, msg, .. } => Some((*error, Some(msg))),
        _ => None,
    }
}

/// What rusqlite says without SQLite: all of it is about the arguments.
fn ours(error: &Error) -> HostError {
    match error {
        Error::MultipleStatement => {
            HostError::BadRequest("exactly one statement a call: remove what follows the first `;`".to_owned())
        }
        other => {
            tracing::warn!(error = %other, "a statement was not understood");
            HostError::BadRequest("the statement cannot be run with these arguments".to_owned())
        }
    }
}

fn backend(extended_code: i32, message: Option<&str>) -> HostError {
    let message = message.unwrap_or("the database gave no reason").chars().take(MESSAGE_CHARS_MAX).collect();
    HostError::Backend { code: code_name(extended_code).to_owned(), message }
}

fn code_name(extended_code: i32) -> &'static str {
    match extended_code {
        ffi::SQLITE_CONSTRAINT_CHECK => "SQLITE_CONSTRAINT_CHECK",
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => "SQLITE_CONSTRAINT_FOREIGNKEY",
        ffi::SQLITE_CONSTRAINT_NOTNULL => "SQLITE_CONSTRAINT_NOTNULL",
        ffi::SQLITE_CONSTRAINT_PRIMARYKEY => "SQLITE_CONSTRAINT_PRIMARYKEY",
        ffi::SQLITE_CONSTRAINT_ROWID => "SQLITE_CONSTRAINT_ROWID",
        ffi::SQLITE_CONSTRAINT_TRIGGER => "SQLITE_CONSTRAINT_TRIGGER",
        ffi::SQLITE_CONSTRAINT_UNIQUE => "SQLITE_CONSTRAINT_UNIQUE",
        ffi::SQLITE_CONSTRAINT_DATATYPE => "SQLITE_CONSTRAINT_DATATYPE",
        other => match other & 0xff {
            ffi::SQLITE_CONSTRAINT => "SQLITE_CONSTRAINT",
            ffi::SQLITE_MISMATCH => "SQLITE_MISMATCH",
            ffi::SQLITE_TOOBIG => "SQLITE_TOOBIG",
            ffi::SQLITE_READONLY => "SQLITE_READONLY",
            _ => "SQLITE_ERROR",
        },
    }
}

/// The database said no: the authorizer, or a binding without a write connection.
pub(super) fn refused(what: &str) -> HostError {
    HostError::Denied {
        reason: Reason::StatementRefused.to_string(),
        rule: format!("the database connection refuses {what}"),
        hint: "use one statement that reads, or that changes rows or the schema as the binding allows".to_owned(),
    }
}

pub(super) fn timeout() -> HostError {
    HostError::Timeout("the statement was stopped at the deadline of the call".to_owned())
}

pub(super) fn unavailable(resource: &ResourceName) -> HostError {
    HostError::Unavailable(format!("the database of `{resource}` cannot be used; the operator's log says why"))
}

fn out_of_memory() -> HostError {
    HostError::Backend {
        code: "SQLITE_NOMEM".to_owned(),
        message: "the statement needs more memory than databases may use: read less, or sort less at once".to_owned(),
    }
}
