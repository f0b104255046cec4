//! Signing keys as files: for demos, tests and platforms that mint their own tokens.

use std::{io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use airlock_access::SigningKey;
use anyhow::Context;

/// Writes a private key so that its owner alone can read it. Never overwrites.
pub fn write(path: &Path, key: &SigningKey) -> anyhow::Result<()> {
    let text = key.to_file_text()?;
    let mut out = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot create the key file `{}`; it is never overwritten", path.display()))?;
    out.write_all(text.as_bytes())?;
    out.sync_all()?;
    Ok(())
}

/// Reads a private key.
pub fn read(path: &Path) -> anyhow::Result<SigningKey> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    SigningKey::from_file_text(&text)
        .with_context(|| format!("`{}` is not a key of `airlock keys new`", path.display()))
}
