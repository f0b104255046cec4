//! Why a call to a backend has no reply, and whether it may have taken effect all the same.

use airlock_model::HostError;

/// Why there is no reply.
#[derive(Debug)]
pub(crate) enum Failed {
    /// What was asked for has not happened, for certain.
    Undone(HostError),
    /// It may have happened: nobody has said. Never tried again.
    Unknown(HostError),
}

impl Failed {
    /// What the guest is told.
    pub(crate) fn into_error(self) -> HostError {
        match self {
            Self::Undone(error) | Self::Unknown(error) => error,
        }
    }
}

/// Most of what goes wrong goes wrong before anything has happened.
impl From<HostError> for Failed {
    fn from(error: HostError) -> Self {
        Self::Undone(error)
    }
}
