//! How a statement that did not end by itself is explained to a guest.

use airlock_model::{HostError, Reason, ResourceName};

use crate::failed::Failed;

/// How far a statement had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing lasts yet.
    Undone,
    /// The server has been told to make it last.
    Committing,
}

impl Stage {
    /// What an error at this stage says about the effect.
    pub(crate) fn failed(self, error: HostError) -> Failed {
        match self {
            Self::Undone => Failed::Undone(error),
            Self::Committing => Failed::Unknown(error),
        }
    }
}

/// Whether the server has said that it stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    Confirmed,
    Unconfirmed,
}

/// The deadline passed.
pub(crate) fn timeout(stopped: Stopped) -> HostError {
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
pub(crate) fn timeout_committing() -> HostError {
    let text = "the deadline passed while the database was at work: whether the statement took effect is not known";
    HostError::Timeout(text.to_owned())
}

/// The connection broke.
pub(crate) fn unavailable(resource: &ResourceName, stage: Stage) -> HostError {
    HostError::Unavailable(match stage {
        Stage::Undone => format!("the connection to `{resource}` broke before the statement ended"),
        Stage::Committing => {
            format!("the connection to `{resource}` broke at the end: whether the statement took effect is not known")
        }
    })
}

/// Our side of the database said no.
pub(crate) fn refused(what: &str) -> HostError {
    HostError::Denied {
        reason: Reason::StatementRefused.to_string(),
        rule: format!("the database session refuses {what}"),
        hint: "use one statement that reads, or that changes rows or the schema as the binding allows".to_owned(),
    }
}
