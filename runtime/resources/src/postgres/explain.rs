//! Errors in words that a guest may see: SQLSTATE and the primary message, never where the server is or who we are.

use airlock_model::{HostError, Reason, ResourceName};

use super::{
    check::PostgresSettings,
    fault::{At, Fault, ServerError},
};

const MESSAGE_CHARS_MAX: usize = 400;
const HIDDEN: &str = "[redacted]";

/// Names that no message may carry out.
#[derive(Debug)]
pub(super) struct Hidden {
    always: Vec<String>,
    /// Tables may be called like the database, so it is hidden only where a message is about databases.
    database: String,
}

/// How far a statement had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing lasts yet.
    Undone,
    /// The server has been told to make it last.
    Committing,
}

impl Hidden {
    pub(super) fn new(settings: &PostgresSettings) -> Self {
        let roles = [&settings.read].into_iter().chain(&settings.write).map(|login| login.user.clone());
        let always = roles.chain([settings.host.clone()]).collect();
        Self { always, database: settings.database.clone() }
    }

    #[cfg(test)]
    pub(super) fn of(always: &[&str], database: &str) -> Self {
        Self { always: always.iter().map(ToString::to_string).collect(), database: database.to_owned() }
    }

    fn remove(&self, message: &str) -> String {
        let about_databases = message.contains("database").then_some(&self.database);
        let clean =
            self.always.iter().chain(about_databases).fold(message.to_owned(), |text, name| without(&text, name));
        clean.chars().take(MESSAGE_CHARS_MAX).collect()
    }
}

/// Replaces a name where it stands as a word.
fn without(text: &str, name: &str) -> String {
    let (mut clean, mut rest) = (String::with_capacity(text.len()), text);
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    while let Some(at) = rest.find(name) {
        let (before, found) = rest.split_at(at);
        let (found, after) = found.split_at(name.len());
        let is_word = !before.ends_with(is_part) && !after.starts_with(is_part);
        clean.push_str(before);
        clean.push_str(if is_word { HIDDEN } else { found });
        rest = after;
    }
    clean + rest
}

/// Puts the fault of a statement into words.
pub(super) fn fault(resource: &ResourceName, hidden: &Hidden, stage: Stage, fault: Fault) -> HostError {
    match fault {
        Fault::Host(error) => error,
        Fault::Server(error) => reported(resource, hidden, &error),
        Fault::Wire(error) => {
            tracing::warn!(%resource, error = %crate::log::chain(&error), "a database connection broke");
            HostError::Unavailable(match stage {
                Stage::Undone => format!("the connection to `{resource}` broke before the statement ended"),
                Stage::Committing => {
                    format!(
                        "the connection to `{resource}` broke at the end: whether the statement took effect is not known"
                    )
                }
            })
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

/// A session that could not be opened. Everything the server says here names roles and databases.
pub(super) fn no_session(resource: &ResourceName, fault: &Fault) -> HostError {
    tracing::warn!(%resource, error = %crate::log::chain(fault), "no database session");
    HostError::Unavailable(format!("`{resource}` does not let anybody in right now; the operator's log says why"))
}

/// Whether the server has said that it stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    Confirmed,
    Unconfirmed,
}

/// The deadline passed.
pub(super) fn timeout(stopped: Stopped) -> HostError {
    HostError::Timeout(
        match stopped {
            Stopped::Confirmed => "the statement was stopped at the deadline of the call: cancelled, server confirmed",
            Stopped::Unconfirmed => {
                "the statement was stopped at the deadline of the call; the server was told and has not answered yet"
            }
        }
        .to_owned(),
    )
}

/// The deadline passed while a change was being made to last.
pub(super) fn timeout_committing() -> HostError {
    let text = "the deadline passed while the database was at work: whether the statement took effect is not known";
    HostError::Timeout(text.to_owned())
}

/// Our side of the database said no.
pub(super) fn refused(what: &str) -> HostError {
    HostError::Denied {
        reason: Reason::StatementRefused.to_string(),
        rule: format!("the database session refuses {what}"),
        hint: "use one statement that reads, or that changes rows or the schema as the binding allows".to_owned(),
    }
}

pub(super) fn bad(text: &str) -> Fault {
    Fault::Host(HostError::BadRequest(text.to_owned()))
}
