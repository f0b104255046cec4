//! Private files that are either whole or absent, whatever happens while they are written.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::StoreError;

/// Ending of files that are being written; leftovers are swept when the store opens.
pub(crate) const UNFINISHED: &str = "tmp";

/// Creates a directory, and what is above it, for the owner only; an existing one is left as it is. Durable: without its own name
/// on disk nothing in it would be there after a power cut.
///
/// # Errors
/// [`StoreError::Io`].
pub fn create_dir(dir: &Path) -> Result<(), StoreError> {
    let is_missing = |dir: &&Path| !dir.as_os_str().is_empty() && !dir.exists();
    let missing: Vec<&Path> = dir.ancestors().take_while(is_missing).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(StoreError::io("create", dir))?;
    missing.into_iter().filter_map(Path::parent).try_for_each(|above| match above.as_os_str().is_empty() {
        true => sync_dir(Path::new(".")),
        false => sync_dir(above),
    })
}

/// Opens a file for reading and writing, creating it for the owner only.
pub(crate) fn open_private(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map_err(StoreError::io("open", path))
}

/// Makes the names inside a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    File::open(dir).and_then(|file| file.sync_all()).map_err(StoreError::io("sync", dir))
}

/// Writes a file under a temporary name, syncs it and gives it its name. The name is durable after [`sync_dir`].
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let unfinished = unfinished_name(path);
    let written = write_synced(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, path));
    if written.is_err() {
        // The first error is the one worth telling; a leftover is swept at the next start.
        drop(fs::remove_file(&unfinished));
    }
    written.map_err(StoreError::io("write", path))
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Two writers of one file each get a name of their own, so neither sees the other's half.
fn unfinished_name(path: &Path) -> PathBuf {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}-{}.{UNFINISHED}", process::id(), COUNTER.fetch_add(1, Ordering::Relaxed)));
    name.into()
}
