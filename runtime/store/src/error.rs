//! What can go wrong with durable state.

use std::{io, path::PathBuf, sync::Arc};

use airlock_model::Digest;

use crate::ArtifactKind;

/// Why the store did not do what was asked.
///
/// Clones share their cause, because one failed commit answers every job of its group.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// An earlier write failed, or the store is closing. Final: nothing is written again until a restart.
    #[error("the state database takes no more writes ({cause}); check the disk, then restart the server")]
    Unavailable {
        /// The first failure.
        cause: Arc<str>,
    },
    /// More jobs wait than the queue holds. Passes by itself.
    #[error("`{queued}` jobs already wait for the state database; try again shortly")]
    Busy {
        /// How many wait.
        queued: usize,
    },
    /// Another process keeps the database locked. Passes when it lets go; what waits is written then.
    #[error("another process holds the lock of the state database; end it (a backup, an `sqlite3` shell)")]
    Held,
    /// New calls must not start: the space left is kept for the records of open ones. Passes when space is freed.
    #[error("only `{free}` bytes are free for the state directory and `{needed}` are kept in reserve; free some space")]
    DiskLow {
        /// Bytes free.
        free: u64,
        /// Bytes kept.
        needed: u64,
    },
    /// The disk is full. Nothing is in doubt, and what is open is written as soon as it can be. Passes when space is freed.
    #[error("the disk of the state directory is full; free some space, and calls are taken again without a restart")]
    DiskFull,
    /// Another process holds the state directory.
    #[error("`{}` is in use by process `{pid}`; stop that server or set another `state.dir`", dir.display())]
    Locked {
        /// The state directory.
        dir: PathBuf,
        /// The process, as its lock file says.
        pid: String,
    },
    /// The database was written by another version of the program.
    #[error("`{}` has schema `{found}` and this program knows `{known}`; {advice}", path.display())]
    Schema {
        /// The database file.
        path: PathBuf,
        /// Its schema number.
        found: i64,
        /// The newest schema number of this program.
        known: i64,
        /// What to do.
        advice: &'static str,
    },
    /// Nothing is stored under that name or digest.
    #[error("{what} is not stored here; check the name, the environment and the digest")]
    NotFound {
        /// What was looked for.
        what: String,
    },
    /// What is stored has become another than the one that was judged; nothing was changed.
    #[error("{what} is another one by now; look at what is live and try again")]
    Superseded {
        /// What was expected to be as before.
        what: String,
    },
    /// There is no room for another; nothing was changed.
    #[error("{what}: at most {max} are kept; remove one first")]
    Full {
        /// Of what there are too many.
        what: String,
        /// How many there may be.
        max: u32,
    },
    /// An answer would be too long to be held.
    #[error("the answer has more than {max} lines; ask for fewer groups, a longer step or a shorter time")]
    TooMuch {
        /// How many there may be.
        max: usize,
    },
    /// A page token that this store did not make, or made for another list.
    #[error("the page token does not belong to this list; start again without one")]
    PageToken,
    /// No such artifact.
    #[error("the {kind} artifact `{digest}` is missing from the state directory; deploy the function again")]
    ArtifactMissing {
        /// Which form.
        kind: ArtifactKind,
        /// Its digest.
        digest: Digest,
    },
    /// An artifact's bytes are not the ones this host wrote.
    #[error("the {kind} artifact `{digest}` was altered or not written by this host; delete it and deploy again")]
    ArtifactAltered {
        /// Which form.
        kind: ArtifactKind,
        /// The digest asked for.
        digest: Digest,
    },
    /// A file of the state directory could not be used.
    #[error("could not {doing} `{}`", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Arc<io::Error>,
    },
    /// SQLite refused.
    #[error("could not {doing} in the state database")]
    Sqlite {
        /// What was being done.
        doing: &'static str,
        /// The cause.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// A stored value cannot be read back.
    #[error("{what} in the state database cannot be read; run `airlock audit verify` and restore a backup")]
    Corrupt {
        /// What.
        what: String,
    },
}

impl StoreError {
    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source: Arc::new(source) }
    }

    pub(crate) fn sqlite(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| match is_full(&source) {
            true => Self::DiskFull,
            false => Self::Sqlite { doing, source: Arc::new(source) },
        }
    }

    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into() }
    }

    pub(crate) fn unavailable(cause: impl Into<Arc<str>>) -> Self {
        Self::Unavailable { cause: cause.into() }
    }

    /// Whether a job that failed like this ends its group: no job may follow it in the same transaction.
    pub(crate) fn ends_the_group(&self) -> bool {
        match self {
            Self::Sqlite { source, .. } => source.sqlite_error_code() != Some(rusqlite::ErrorCode::ConstraintViolation),
            Self::Unavailable { .. } | Self::Io { .. } | Self::DiskFull => true,
            Self::Busy { .. }
            | Self::Held
            | Self::DiskLow { .. }
            | Self::Locked { .. }
            | Self::Schema { .. }
            | Self::NotFound { .. }
            | Self::Superseded { .. }
            | Self::Full { .. }
            | Self::TooMuch { .. }
            | Self::PageToken
            | Self::ArtifactMissing { .. }
            | Self::ArtifactAltered { .. }
            | Self::Corrupt { .. } => false,
        }
    }

    /// Whether SQLite waited in vain for a lock.
    pub(crate) fn is_lock(&self) -> bool {
        matches!(self, Self::Sqlite { source, .. }
            if source.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy))
    }

    /// The error with its causes on one line, for [`StoreError::Unavailable`] and the log.
    pub(crate) fn with_causes(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

/// Whether there was no room on the disk: for a page, or for the index of the log, which SQLite reports as an error of its own.
/// Without that index nobody finds the pages that were written just before, and the next transaction writes over them.
pub(crate) fn is_full(error: &rusqlite::Error) -> bool {
    let extended = error.sqlite_error().map(|error| error.extended_code);
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
        || extended == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE)
}
