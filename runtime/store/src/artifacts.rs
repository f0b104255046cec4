//! Artifacts: components and their compiled forms, in files named by the digest of their bytes.
//!
//! A component is checked against its digest, which the database holds. A compiled form is native code, so a digest is
//! not enough: beside each lies an HMAC-SHA-256 under a key that only this host has, and bytes without it are never
//! handed out. The key is `artifact.key` in the state directory; without it everything is compiled again.

use std::{
    collections::HashMap,
    fmt, fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use airlock_model::Digest;
use aws_lc_rs::{constant_time, hmac, rand};

use crate::{
    Store, StoreError,
    files::{self, UNFINISHED},
};

const DIR: &str = "artifacts";
const KEY_FILE: &str = "artifact.key";
const KEY_LEN: usize = 32;

/// Which form of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArtifactKind {
    /// The component as uploaded (`.wasm`).
    Component,
    /// What this host compiled from it (`.cwasm`).
    Compiled,
}

impl ArtifactKind {
    const fn extension(self) -> &'static str {
        match self {
            Self::Component => "wasm",
            Self::Compiled => "cwasm",
        }
    }
}

impl fmt::Display for ArtifactKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Component => "component",
            Self::Compiled => "compiled",
        })
    }
}

impl Store {
    /// Stores the bytes durably and returns their digest. The same bytes again are stored once.
    ///
    /// # Errors
    /// [`StoreError::Io`] when they cannot be written, [`StoreError::Busy`].
    pub async fn put_artifact(&self, kind: ArtifactKind, bytes: Vec<u8>) -> Result<Digest, StoreError> {
        let artifacts = Arc::clone(&self.artifacts);
        self.run(move |_| artifacts.put(kind, &bytes)).await
    }

    /// Deletes an artifact that turned out to be of no use, so that refused deploys do not fill the disk. Nothing may
    /// refer to it.
    ///
    /// # Errors
    /// [`StoreError::Io`] when it cannot be deleted, [`StoreError::Busy`]. One that is not there is no error.
    pub async fn discard_artifact(&self, kind: ArtifactKind, digest: Digest) -> Result<(), StoreError> {
        let artifacts = Arc::clone(&self.artifacts);
        self.run(move |_| artifacts.discard(kind, digest)).await
    }

    /// Reads the bytes back, verified every time.
    ///
    /// # Errors
    /// [`StoreError::ArtifactMissing`], [`StoreError::ArtifactAltered`], [`StoreError::Io`], [`StoreError::Busy`].
    pub async fn read_artifact(&self, kind: ArtifactKind, digest: Digest) -> Result<Vec<u8>, StoreError> {
        let artifacts = Arc::clone(&self.artifacts);
        self.run(move |_| artifacts.read(kind, digest)).await
    }

    /// The file with the bytes, for mapping. Verified when this process first asks for it, and again when it is another
    /// file or was written to since; the state directory is this server's own, so nobody swaps it in between.
    ///
    /// # Errors
    /// [`StoreError::ArtifactMissing`], [`StoreError::ArtifactAltered`], [`StoreError::Io`], [`StoreError::Busy`].
    pub async fn artifact_path(&self, kind: ArtifactKind, digest: Digest) -> Result<PathBuf, StoreError> {
        let artifacts = Arc::clone(&self.artifacts);
        self.run(move |_| artifacts.verified_path(kind, digest)).await
    }
}

/// The artifact files of one state directory.
pub(crate) struct Artifacts {
    dir: PathBuf,
    key: hmac::Key,
    verified: Mutex<HashMap<(ArtifactKind, Digest), Identity>>,
}

/// What changes when a file is replaced or written to.
#[derive(PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Artifacts {
    /// Creates what is missing and sweeps what a crash left behind.
    pub(crate) fn open(state_dir: &Path) -> Result<Self, StoreError> {
        let dir = state_dir.join(DIR);
        files::create_dir(&dir)?;
        sweep(&dir)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key_bytes(state_dir)?);
        files::sync_dir(state_dir)?;
        Ok(Self { dir, key, verified: Mutex::default() })
    }

    fn put(&self, kind: ArtifactKind, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        let path = self.path(kind, digest);
        if self.read(kind, digest).is_ok() {
            return Ok(digest);
        }
        let shelf = path.parent().unwrap_or(&self.dir);
        files::create_dir(shelf)?;
        match kind {
            ArtifactKind::Component => {}
            // The seal first: an artifact that has its name also has its seal.
            ArtifactKind::Compiled => files::write_whole(&seal_path(&path), self.seal(digest, bytes).as_ref())?,
        }
        files::write_whole(&path, bytes)?;
        files::sync_dir(shelf)?;
        files::sync_dir(&self.dir)?;
        Ok(digest)
    }

    /// The artifact first: one without its seal is never handed out.
    fn discard(&self, kind: ArtifactKind, digest: Digest) -> Result<(), StoreError> {
        let path = self.path(kind, digest);
        self.verified.lock().unwrap_or_else(PoisonError::into_inner).remove(&(kind, digest));
        for path in [path.clone(), seal_path(&path)] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::io("delete", path)(error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    fn read(&self, kind: ArtifactKind, digest: Digest) -> Result<Vec<u8>, StoreError> {
        let path = self.path(kind, digest);
        let bytes = fs::read(&path).map_err(missing_or_io(kind, digest, &path))?;
        let genuine = match kind {
            ArtifactKind::Component => Digest::of(&bytes) == digest,
            ArtifactKind::Compiled => {
                let seal = fs::read(seal_path(&path)).unwrap_or_default();
                constant_time::verify_slices_are_equal(self.seal(digest, &bytes).as_ref(), &seal).is_ok()
            }
        };
        if genuine { Ok(bytes) } else { Err(StoreError::ArtifactAltered { kind, digest }) }
    }

    fn verified_path(&self, kind: ArtifactKind, digest: Digest) -> Result<PathBuf, StoreError> {
        let path = self.path(kind, digest);
        let identity = identity(&path).map_err(missing_or_io(kind, digest, &path))?;
        let known = |verified: &HashMap<_, Identity>| verified.get(&(kind, digest)) == Some(&identity);
        if known(&self.verified.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(path);
        }
        drop(self.read(kind, digest)?);
        self.verified.lock().unwrap_or_else(PoisonError::into_inner).insert((kind, digest), identity);
        Ok(path)
    }

    fn path(&self, kind: ArtifactKind, digest: Digest) -> PathBuf {
        let name = digest.to_string();
        let shelf: String = name.chars().take(2).collect();
        self.dir.join(shelf).join(format!("{name}.{}", kind.extension()))
    }

    /// Covers the name too, so that one genuine file cannot stand in for another.
    fn seal(&self, digest: Digest, bytes: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(b"airlock compiled artifact 1");
        context.update(digest.as_bytes());
        context.update(bytes);
        context.sign()
    }
}

fn seal_path(path: &Path) -> PathBuf {
    path.with_extension("cwasm.seal")
}

fn missing_or_io(kind: ArtifactKind, digest: Digest, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    move |error| match error.kind() {
        io::ErrorKind::NotFound => StoreError::ArtifactMissing { kind, digest },
        _ => StoreError::io("read", path)(error),
    }
}

fn identity(path: &Path) -> io::Result<Identity> {
    let file = fs::metadata(path)?;
    Ok(Identity {
        device: file.dev(),
        inode: file.ino(),
        length: file.len(),
        modified: (file.mtime(), file.mtime_nsec()),
        changed: (file.ctime(), file.ctime_nsec()),
    })
}

fn key_bytes(state_dir: &Path) -> Result<Vec<u8>, StoreError> {
    let path = state_dir.join(KEY_FILE);
    match fs::read(&path) {
        Ok(key) if key.len() == KEY_LEN => Ok(key),
        Ok(_) => Err(StoreError::io("use the key", path)(io::ErrorKind::InvalidData.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut key = vec![0; KEY_LEN];
            let random = rand::fill(&mut key).map_err(|_| io::Error::other("no random bytes"));
            random.map_err(StoreError::io("make the key", &path))?;
            files::write_whole(&path, &key)?;
            Ok(key)
        }
        Err(error) => Err(StoreError::io("read", path)(error)),
    }
}

/// Removes files whose writing was cut off. The lock on the state directory is held, so nobody is writing one now.
fn sweep(dir: &Path) -> Result<(), StoreError> {
    let entries = |dir: &Path| fs::read_dir(dir)?.collect::<io::Result<Vec<_>>>();
    for shelf in entries(dir).map_err(StoreError::io("list", dir))? {
        let shelf = shelf.path();
        if !shelf.is_dir() {
            continue;
        }
        for file in entries(&shelf).map_err(StoreError::io("list", &shelf))? {
            let path = file.path();
            if path.extension().is_some_and(|extension| extension == UNFINISHED) {
                fs::remove_file(&path).map_err(StoreError::io("sweep", path))?;
            }
        }
    }
    Ok(())
}
