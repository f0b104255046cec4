//! The key that checkpoints are signed with, and its public half for whoever checks them.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use airlock_access::{Algorithm, KeySet, SigningKey};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::config::{Config, ConfigError};

const KEY_FILE: &str = "audit-key.json";
/// The public keys of every checkpoint of a trail, in its state directory.
const AUDIT_KEYS_FILE: &str = "audit-jwks.json";

/// More could not be read back.
const KEYS_MAX: usize = 64;

/// What checkpoints are signed with, and every key that ever signed one of this trail.
pub(super) struct AuditKeys {
    pub(super) signing: SigningKey,
    pub(super) public: KeySet,
}

/// Reads the key that the configuration names, if it names one.
pub(crate) fn configured(config: &Config) -> Result<Option<SigningKey>, ConfigError> {
    let Some(source) = &config.audit.key else { return Ok(None) };
    let refuse = |why: String| {
        let message = format!("{why}; make one with `airlock keys new`");
        config.origins.locate(ConfigError::value("audit.key.file", message))
    };
    source.read().map(Some).map_err(refuse)
}

/// The key of the configuration, or that of the state directory, which is made when there is none. Its public half is added to
/// those of keys before it.
pub(super) fn open(config: &Config) -> Result<AuditKeys, ConfigError> {
    let dir = &config.state.dir;
    let refuse = |file: &str, why: String| {
        let message = format!("`{}`: {why}", dir.join(file).display());
        config.origins.locate(ConfigError::value("state.dir", message))
    };
    let signing = match configured(config)? {
        Some(key) => key,
        None => own(dir).map_err(|why| refuse(KEY_FILE, why.to_string()))?,
    };
    let published = publish(&dir.join(AUDIT_KEYS_FILE), &signing).and_then(|()| audit_keys(dir));
    let public = published.map_err(|why| refuse(AUDIT_KEYS_FILE, why.to_string()))?;
    Ok(AuditKeys { signing, public })
}

/// The public keys that a state directory has for its checkpoints.
///
/// # Errors
/// When there are none, or they cannot be read.
pub fn audit_keys(state_dir: &Path) -> io::Result<KeySet> {
    let text = fs::read_to_string(state_dir.join(AUDIT_KEYS_FILE))?;
    KeySet::parse(&text).map_err(io::Error::other)
}

/// The key of a state directory, made when there is none.
fn own(dir: &Path) -> io::Result<SigningKey> {
    let file = dir.join(KEY_FILE);
    if !file.try_exists()? {
        if dir.join(AUDIT_KEYS_FILE).try_exists()? {
            tracing::warn!("the audit key is gone, and checkpoints are signed with a new one from now on");
        }
        let name = format!("audit-{}", Uuid::now_v7());
        let key = SigningKey::generate(Algorithm::EdDsa, &name).map_err(io::Error::other)?;
        write(&file, key.to_file_text().map_err(io::Error::other)?.as_bytes(), 0o600)?;
    }
    SigningKey::from_file_text(&fs::read_to_string(&file)?).map_err(io::Error::other)
}

/// Keys that signed before stay, so that their checkpoints can still be checked.
fn publish(file: &Path, key: &SigningKey) -> io::Result<()> {
    let mut keys = match fs::read_to_string(file) {
        Ok(text) => serde_json::from_str::<Value>(&text)?,
        Err(why) if why.kind() == io::ErrorKind::NotFound => json!({ "keys": [] }),
        Err(why) => return Err(why),
    };
    let own = key.public_jwk();
    let listed = keys.get_mut("keys").and_then(Value::as_array_mut);
    let listed = listed.ok_or_else(|| io::Error::other(format!("`{}` is no JWK set", file.display())))?;
    if listed.contains(&own) {
        return Ok(());
    }
    if listed.iter().any(|other| other.get("kid") == own.get("kid")) {
        let name = key.key_id();
        return Err(io::Error::other(format!(
            "another audit key was called `{name}` before: make one with another name, `airlock keys new --kid ..`"
        )));
    }
    if listed.len() >= KEYS_MAX {
        let advice = "take keys out whose checkpoints nobody keeps any more";
        return Err(io::Error::other(format!("{KEYS_MAX} keys have signed before: {advice}")));
    }
    listed.push(own);
    write(file, keys.to_string().as_bytes(), 0o644)
}

/// All of it or nothing, on disk before it has its name.
fn write(file: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    let unfinished = file.with_extension("unfinished");
    // What a crash left behind has an owner and a mode of its own.
    match fs::remove_file(&unfinished) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
        Ok(()) | Err(_) => {}
    }
    let mut out = OpenOptions::new().write(true).create_new(true).mode(mode).open(&unfinished)?;
    out.write_all(text)?;
    out.sync_all()?;
    fs::rename(&unfinished, file)?;
    fs::File::open(file.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use airlock_access::public_jwks;

    use super::*;

    #[test]
    fn keys_that_signed_before_stay_published() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join(AUDIT_KEYS_FILE);
        let keys = ["one", "two"].map(|name| SigningKey::generate(Algorithm::EdDsa, name).expect("a key"));
        for key in keys.iter().chain(&keys) {
            publish(&file, key).expect("published");
        }
        let known = audit_keys(dir.path()).expect("read");
        assert_eq!(known.key_ids().collect::<Vec<_>>(), ["one", "two"]);
        let impostor = SigningKey::generate(Algorithm::EdDsa, "one").expect("a key");
        assert!(publish(&file, &impostor).expect_err("refused").to_string().contains("called `one`"));
        assert_eq!(audit_keys(dir.path()).expect("read"), known);
        assert_eq!(KeySet::parse(&public_jwks(&[&keys[0], &keys[1]])).expect("keys"), known);
    }

    #[test]
    fn a_key_is_made_once_and_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join(KEY_FILE);
        let first = own(dir.path()).expect("made");
        let again = own(dir.path()).expect("there");
        assert_eq!(first.public_jwk(), again.public_jwk());
        assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
    }
}
