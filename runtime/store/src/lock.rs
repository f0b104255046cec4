//! One server per state directory.

use std::{
    fs::{File, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    path::Path,
    process,
};

use crate::{StoreError, files};

const FILE: &str = "airlock.lock";

/// Holds a state directory until dropped. The kernel releases it when the process dies, however it dies.
pub(crate) struct DirectoryLock {
    file: File,
}

impl DirectoryLock {
    /// Takes the lock, or says which process holds it.
    pub(crate) fn take(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(FILE);
        let mut file = files::open_private(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Locked { dir: dir.into(), pid: holder(&mut file) });
            }
            Err(TryLockError::Error(error)) => return Err(StoreError::io("lock", path)(error)),
        }
        let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{}", process::id()));
        written.map_err(StoreError::io("write", path))?;
        Ok(Self { file })
    }
}

impl Drop for DirectoryLock {
    /// Closing alone is not enough: a child that is just being started holds a copy of the file until it executes.
    fn drop(&mut self) {
        if let Err(error) = self.file.unlock() {
            tracing::warn!(%error, "could not unlock the state directory; it is free when this process ends");
        }
    }
}

fn holder(file: &mut File) -> String {
    let mut pid = String::new();
    match file.take(20).read_to_string(&mut pid) {
        Ok(_) if !pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit()) => pid,
        Ok(_) | Err(_) => "unknown".to_owned(),
    }
}
