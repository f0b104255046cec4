//! `[signers.<name>]`: whose signatures over components count.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Config, ConfigError};

/// `[signers.<name>]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SignerConfig {
    /// Where the public key is.
    pub public_key: PublicKeySource,
}

/// Where a public key comes from.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PublicKeySource {
    /// A file with a PEM or JWK public key of Ed25519, relative to the configuration file.
    pub file: PathBuf,
}

impl Config {
    /// Every signer that an environment asks for is one.
    pub(super) fn check_signers(&self) -> Result<(), ConfigError> {
        for (name, environment) in &self.environments {
            let unknown = environment.signed_by.iter().find(|signer| !self.signers.contains_key(*signer));
            if let Some(signer) = unknown {
                let key = format!("environments.{name}.signed_by");
                return Err(ConfigError::value(key, format!("there is no `[signers.{signer}]`")));
            }
        }
        Ok(())
    }
}
