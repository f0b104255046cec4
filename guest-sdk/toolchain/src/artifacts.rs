//! Whole results of earlier builds, by the digest of what they were made from.
//!
//! INVARIANT: some of these files hold machine code that is mapped into this process, so the directory must belong to the
//! user alone, as the directory of [`crate::cache`] must.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

const DIGEST_BYTES: usize = 32;
const EXTENSION: &str = "artifact";

/// A directory of checked files with a size bound.
#[derive(Clone, Debug)]
pub struct Artifacts {
    directory: PathBuf,
    bytes_max: u64,
}

impl Artifacts {
    /// Opens `directory`, which is created for this user alone if needed. `bytes_max` bounds what stays there.
    ///
    /// # Errors
    /// When the directory cannot be created.
    pub fn open(directory: &Path, bytes_max: u64) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        Ok(Self { directory: directory.to_owned(), bytes_max })
    }

    /// The bytes kept for what `parts` describe, unless they are absent or damaged.
    pub fn get(&self, parts: &[&[u8]]) -> Option<Vec<u8>> {
        let mut bytes = fs::read(self.path(parts)).ok()?;
        let body = bytes.split_off(DIGEST_BYTES.min(bytes.len()));
        (Sha256::digest(&body).as_slice() == bytes).then_some(body)
    }

    /// Keeps `body` for what `parts` describe. A failure costs time later and nothing else, so it is only logged.
    pub fn put(&self, parts: &[&[u8]], body: &[u8]) {
        let path = self.path(parts);
        if let Err(error) = self.write(&path, body).and_then(|()| self.evict()) {
            tracing::warn!(%error, path = %path.display(), "could not keep a build artifact");
        }
    }

    /// The bytes for `parts`: kept ones, or those `make` gives.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn get_or<E>(&self, parts: &[&[u8]], make: impl FnOnce() -> Result<Vec<u8>, E>) -> Result<Vec<u8>, E> {
        if let Some(body) = self.get(parts) {
            return Ok(body);
        }
        let body = make()?;
        self.put(parts, &body);
        Ok(body)
    }

    fn path(&self, parts: &[&[u8]]) -> PathBuf {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        self.directory.join(hex::encode(digest.finalize())).with_extension(EXTENSION)
    }

    fn write(&self, path: &Path, body: &[u8]) -> io::Result<()> {
        let mut file = tempfile::Builder::new().suffix(".partial").tempfile_in(&self.directory)?;
        file.write_all(&Sha256::digest(body))?;
        file.write_all(body)?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    /// The oldest files go first.
    fn evict(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            if entry.path().extension().is_some_and(|extension| extension == EXTENSION) {
                let metadata = entry.metadata()?;
                files.push((metadata.modified()?, metadata.len(), entry.path()));
            }
        }
        files.sort_by_key(|(modified, ..)| std::cmp::Reverse(*modified));
        let mut total = 0_u64;
        for (_, bytes, path) in files {
            total = total.saturating_add(bytes);
            if total > self.bytes_max {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_damaged_file_is_made_again() {
        let directory = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::open(directory.path(), 1 << 20).unwrap();
        let parts: &[&[u8]] = &[b"a", b"b"];
        let made = artifacts.get_or(parts, || Ok::<_, io::Error>(b"body".to_vec())).unwrap();
        assert_eq!(made, b"body");
        assert_eq!(artifacts.get(parts).unwrap(), b"body");
        assert_eq!(artifacts.get(&[b"ab", b""]), None);
        fs::write(artifacts.path(parts), b"short").unwrap();
        assert_eq!(artifacts.get(parts), None);
    }

    #[test]
    fn the_bound_holds() {
        let directory = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::open(directory.path(), 3000).unwrap();
        for number in 0_u8..8 {
            artifacts.put(&[&[number]], &[number; 1000]);
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }
}
