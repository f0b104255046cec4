//! The key of a desk on disk: made once, for its owner alone.

use std::{
    fs::{self, DirBuilder, File, Metadata, OpenOptions},
    io::{ErrorKind, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use airlock_access::{Algorithm, SigningKey};
use uuid::Uuid;

use super::{DEVELOPMENT_PREFIX, DevelopmentError, is_reserved};

/// Bytes of a key file.
const KEY_BYTES_MAX: u64 = 64 * 1024;
/// Permissions of anybody but the owner.
const OTHERS: u32 = 0o077;

pub(super) fn file(dir: &Path) -> PathBuf {
    dir.join("signing-key.json")
}

/// The key that is there, or a new one.
pub(super) fn open(dir: &Path) -> Result<SigningKey, DevelopmentError> {
    make_dir(dir)?;
    let file = file(dir);
    match create(&file) {
        Ok(made) => Ok(made),
        Err(DevelopmentError::Io { source, .. }) if source.kind() == ErrorKind::AlreadyExists => read(&file),
        Err(why) => Err(why),
    }
}

/// The directory, with a note for git: a key of a desk is not for a repository.
fn make_dir(dir: &Path) -> Result<(), DevelopmentError> {
    let failed = |source| DevelopmentError::Io { path: dir.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
    expect_own(dir, &fs::metadata(dir).map_err(failed)?, "chmod 700")?;
    fs::write(dir.join(".gitignore"), "*\n").map_err(failed)
}

fn create(path: &Path) -> Result<SigningKey, DevelopmentError> {
    let failed = |source| DevelopmentError::Io { path: path.to_owned(), source };
    // Before anything is generated: mostly the key is there.
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    let key = SigningKey::generate(Algorithm::EdDsa, &format!("{DEVELOPMENT_PREFIX}{}", Uuid::now_v7().simple()))?;
    out.write_all(key.to_file_text()?.as_bytes()).map_err(failed)?;
    out.sync_all().map_err(failed)?;
    Ok(key)
}

fn read(path: &Path) -> Result<SigningKey, DevelopmentError> {
    let failed = |source| DevelopmentError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    expect_own(path, &file.metadata().map_err(failed)?, "chmod 600")?;
    let mut text = String::new();
    file.take(KEY_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    let key = SigningKey::from_file_text(&text).ok().filter(|key| is_reserved(key.key_id()));
    key.ok_or_else(|| DevelopmentError::Foreign { path: path.to_owned() })
}

/// Refuses what somebody else owns or can get at.
fn expect_own(path: &Path, found: &Metadata, remedy: &str) -> Result<(), DevelopmentError> {
    let exposed = |rule: String| Err(DevelopmentError::Exposed { path: path.to_owned(), rule });
    if found.uid() != rustix::process::geteuid().as_raw() {
        return exposed("belongs to somebody else: take another directory for the configuration".to_owned());
    }
    if found.mode() & OTHERS != 0 {
        return exposed(format!("is open to others: `{remedy} {}`", path.display()));
    }
    Ok(())
}
