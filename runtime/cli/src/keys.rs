//! Signing keys as files: for demos, tests and platforms that mint their own tokens.

use std::{io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use airlock_access::{Algorithm, SigningKey};
use anyhow::Context;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};

/// A private key on disk.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    kid: String,
    alg: String,
    /// PKCS#8 (RFC 5958), base64.
    pkcs8: String,
}

/// Writes a private key so that its owner alone can read it. Never overwrites.
pub fn write(path: &Path, key: &SigningKey) -> anyhow::Result<()> {
    let pkcs8 = key.to_pkcs8()?;
    let file = KeyFile {
        kid: key.key_id().to_owned(),
        alg: key.algorithm().as_str().to_owned(),
        pkcs8: BASE64_STANDARD.encode(pkcs8.expose()),
    };
    let mut out = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot create the key file `{}`; it is never overwritten", path.display()))?;
    out.write_all(serde_json::to_string_pretty(&file)?.as_bytes())?;
    out.sync_all()?;
    Ok(())
}

/// Reads a private key.
pub fn read(path: &Path) -> anyhow::Result<SigningKey> {
    let context = || format!("`{}` is not a key of `airlock keys new`", path.display());
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let file: KeyFile = serde_json::from_str(&text).with_context(context)?;
    let algorithm: Algorithm = file.alg.parse().with_context(context)?;
    let pkcs8 = BASE64_STANDARD.decode(&file.pkcs8).with_context(context)?;
    SigningKey::from_pkcs8(algorithm, &file.kid, &pkcs8).with_context(context)
}
