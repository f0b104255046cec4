//! `airlock serve --dev`: an issuer that is made on the spot for one desk, and what a server that has one must not be.
//!
//! Its `iss` is the `kid` of its key and begins with [`DEVELOPMENT_PREFIX`], which no configuration may name. So tokens of a
//! desk count at a server that was started with `--dev` beside that very key, and nowhere else.

mod key;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use airlock_access::{Algorithms, Issuer, KeyError, KeySet, SigningKey, public_jwks};

use super::{Config, ConfigError, DeployPolicy, Origin, Setting};
use crate::isolation;

/// What the `iss` and the `kid` of every development issuer begin with, and no other's.
pub const DEVELOPMENT_PREFIX: &str = "airlock-dev:";

/// Beside the configuration: what belongs to one desk.
const DIR: &str = ".airlock/dev";

/// A development issuer, as a server knows it: its name and its public key. Only [`Development::open`] makes one, so that
/// none can be written down.
#[derive(Debug)]
pub struct Development {
    iss: String,
    keys: KeySet,
    dir: PathBuf,
}

/// Why a desk cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DevelopmentError {
    /// A file or directory of the desk cannot be made or read.
    #[error("cannot use `{path}`")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Others than the owner could mint tokens, or put a key of theirs there.
    #[error("`{path}` {rule}: a development server trusts whoever has the key in it")]
    Exposed {
        /// Which.
        path: PathBuf,
        /// What it has to be, as an instruction.
        rule: String,
    },
    /// The key is not one of a desk.
    #[error("`{path}` is not the key of a development issuer: remove it, and another one is made")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// No key could be made.
    #[error("no development key can be made")]
    Key(#[from] KeyError),
}

impl Development {
    /// The development issuer of a directory: the one that is there, or a new one. `base` is where the configuration is.
    /// The key is for whoever mints; a server drops it.
    ///
    /// # Errors
    /// When it cannot be read or made, or others can get at it.
    pub fn open(base: &Path) -> Result<(Arc<Self>, SigningKey), DevelopmentError> {
        let dir = base.join(DIR);
        let key = key::open(&dir)?;
        let keys = KeySet::parse(&public_jwks(&[&key]))?;
        Ok((Arc::new(Self { iss: key.key_id().to_owned(), keys, dir }), key))
    }

    /// Where the key of a directory's desk is.
    #[must_use]
    pub fn key_file(base: &Path) -> PathBuf {
        key::file(&base.join(DIR))
    }

    /// The `iss` of its tokens.
    #[must_use]
    pub fn iss(&self) -> &str {
        &self.iss
    }

    /// What belongs to the desk.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn issuer(&self) -> Issuer {
        Issuer { iss: self.iss.clone(), algorithms: Algorithms::OWN, keys: Some(self.keys.clone()) }
    }

    /// For the list of settings.
    pub(crate) fn setting(&self) -> Setting {
        let key = "tokens.development".to_owned();
        Setting { key, value: self.iss.clone(), origin: Origin::NamedFile(key::file(&self.dir)) }
    }
}

/// Whether a name is kept for development issuers. Names are compared exactly; this is more careful.
pub(crate) fn is_reserved(name: &str) -> bool {
    name.get(..DEVELOPMENT_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(DEVELOPMENT_PREFIX))
}

/// Refuses keys that are those of a desk, under whatever issuer they were put.
///
/// # Errors
/// The first of them.
pub(crate) fn refuse_reserved_keys<'k>(mut key_ids: impl Iterator<Item = &'k str>) -> Result<(), KeyError> {
    const RULE: &str = "it is that of a development issuer, which counts for `airlock serve --dev` alone: make another with \
                        `airlock keys new`";
    match key_ids.find(|key_id| is_reserved(key_id)) {
        None => Ok(()),
        Some(key_id) => Err(KeyError::Key { key_id: key_id.to_owned(), rule: RULE }),
    }
}

impl Config {
    /// What `airlock serve --dev` serves without a configuration file: one environment, nothing bound, everything it keeps in the
    /// directory of the desk, and the best wall that this kernel has.
    ///
    /// # Errors
    /// What is wrong with the overlay from the environment of the process.
    pub fn of_desk(base: &Path, development: Arc<Development>) -> Result<Self, ConfigError> {
        let level = isolation::offered();
        let text = format!(
            "[state]\ndir = \"{DIR}/state\"\n[isolation]\nlevel = \"{level}\"\n[environments.dev]\nwrites = \"allow\"\n"
        );
        Self::parse_as(&text, "airlock serve --dev", &super::overlay::from_process(), (base, Some(development)))
    }

    /// The development issuer, where there is one.
    #[must_use]
    pub fn development(&self) -> Option<&Arc<Development>> {
        self.development.as_ref()
    }

    /// Whether `airlock serve --dev` could serve this.
    ///
    /// # Errors
    /// The line that says no.
    pub fn expect_desk(&self) -> Result<(), ConfigError> {
        self.check_desk().map_err(|why| self.origins.locate(why))
    }

    /// Nobody may name a development issuer, and a server that has one is a desk's.
    pub(super) fn check_development(&self) -> Result<(), ConfigError> {
        let issuers = self.key_sources().map(|(section, source)| (format!("{section}.iss"), source.iss));
        let own = ("identity.iss".to_owned(), self.identity.iss.as_str());
        if let Some((key, iss)) = issuers.chain([own]).find(|(_, iss)| is_reserved(iss)) {
            let message = format!(
                "`{iss}`: names that begin with `{DEVELOPMENT_PREFIX}` are those of development issuers, which `airlock serve --dev` \
                 makes by itself and which count nowhere else: take it out"
            );
            return Err(ConfigError::value(key, message));
        }
        if self.development.is_some() { self.check_desk() } else { Ok(()) }
    }

    /// Loopback only, and nothing that somebody else relies on: whoever has the key of a desk may do everything there.
    fn check_desk(&self) -> Result<(), ConfigError> {
        let refuse = |key: String, why: String| Err(ConfigError::value(key, format!("`--dev` is refused: {why}")));
        let listeners = [("server.data", self.server.data), ("server.control", self.server.control)];
        if let Some((key, address)) = listeners.into_iter().find(|(_, address)| !is_loopback(*address)) {
            return refuse(key.to_owned(), format!("a development server listens on loopback, and {address} is not"));
        }
        // A proxy in front leads others to loopback.
        let named = self.server.names.as_ref().is_some_and(|names| !names.is_empty());
        for (key, is_set) in
            [("names", named), ("tls", self.server.tls.is_some()), ("control_tls", self.server.control_tls.is_some())]
        {
            if is_set {
                let why = "a server with a name or a certificate of its own is for others than this desk".to_owned();
                return refuse(format!("server.{key}"), why);
            }
        }
        if self.identity.key.is_some() {
            let why = "a key that tokens are signed with beyond this server's end may count at others";
            return refuse("identity.key".to_owned(), why.to_owned());
        }
        for (name, environment) in &self.environments {
            let key = |key: &str| format!("environments.{name}.{key}");
            if environment.deploys == DeployPolicy::Promotion {
                let why = format!("`{name}` takes revisions by promotion only, so somebody relies on it");
                return refuse(key("deploys"), why);
            }
            if !environment.signed_by.is_empty() {
                return refuse(
                    key("signed_by"),
                    format!("`{name}` takes signed components only, so somebody relies on it"),
                );
            }
        }
        Ok(())
    }
}

fn is_loopback(address: SocketAddr) -> bool {
    address.ip().is_loopback()
}

#[cfg(test)]
mod tests;
