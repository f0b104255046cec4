//! Room on the disk that is kept for the records of calls that are open when it fills up.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FallocateFlags, fallocate},
    io::Errno,
};

use crate::{StoreError, files};

const FILE: &str = "airlock.reserve";

/// A file that holds nothing but its place on the disk.
pub(crate) struct Reserve {
    file: File,
    path: PathBuf,
    /// How much is kept; 0 where nothing can be.
    bytes: u64,
    is_taken: bool,
}

impl Reserve {
    /// Opens the file, and gives back what a run before kept: this one can then begin on a disk that is full.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub(crate) fn open(dir: &Path, bytes: u64) -> Result<Self, StoreError> {
        let path = dir.join(FILE);
        let file = files::open_private(&path)?;
        file.set_len(0).map_err(StoreError::io("empty", &path))?;
        Ok(Self { file, path, bytes, is_taken: false })
    }

    /// Takes the room, whole or not at all. A file system that cannot promise room keeps none: there only the free space is
    /// watched.
    pub(crate) fn take(&mut self) -> bool {
        if self.is_taken || self.bytes == 0 {
            return true;
        }
        match fallocate(&self.file, FallocateFlags::empty(), 0, self.bytes) {
            Ok(()) => self.is_taken = true,
            Err(Errno::NOSPC | Errno::DQUOT | Errno::INTR) => {
                self.empty();
                return false;
            }
            Err(why) => {
                tracing::warn!(file = %self.path.display(), %why, "no room can be reserved here for open calls");
                self.empty();
                self.bytes = 0;
            }
        }
        true
    }

    /// Gives the room back; whether there was any.
    pub(crate) fn release(&mut self) -> bool {
        let was_taken = std::mem::take(&mut self.is_taken);
        was_taken && self.empty()
    }

    fn empty(&self) -> bool {
        let emptied = self.file.set_len(0);
        if let Err(why) = &emptied {
            tracing::warn!(file = %self.path.display(), %why, "the reserved room could not be given back");
        }
        emptied.is_ok()
    }
}
