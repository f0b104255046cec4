//! The platform's part: a signing key, and tokens made with it.

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use airlock_access::{Algorithm, Claims, SigningKey, Validity, mint, public_jwks};
use airlock_model::{ControlScope, Principal, Scope};
use anyhow::Context;

/// The only environment of a run.
pub(crate) const ENVIRONMENT: &str = "bench";
const ISSUER: &str = "https://bench.example";
const INSTANCE: &str = "airlock-bench";
/// Tokens are minted for each window, so this outlives all of them.
const LIFETIME_S: u64 = 300;

/// Who signs the tokens of a run.
pub(crate) struct Issuer {
    key: SigningKey,
}

impl Issuer {
    /// Draws a key.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self { key: SigningKey::generate(Algorithm::EdDsa, "bench-1")? })
    }

    /// Writes a configuration that trusts this issuer, with its state beside it, and says where.
    pub(crate) fn configure(&self, dir: &Path, sync: bool) -> anyhow::Result<std::path::PathBuf> {
        std::fs::write(dir.join("keys.json"), public_jwks(&[&self.key])).context("cannot write the keys")?;
        let text = format!(
            "[server]\ndata = \"127.0.0.1:0\"\ncontrol = \"127.0.0.1:0\"\nworkers = 1\n\
             [isolation]\nlevel = \"L0\"\n\
             [state]\ndir = \"state\"\nsync = {sync}\n\
             [tokens]\ninstance = \"{INSTANCE}\"\n\
             [[tokens.issuer]]\niss = \"{ISSUER}\"\njwks = {{ file = \"keys.json\" }}\n\
             [environments.{ENVIRONMENT}]\n"
        );
        let path = dir.join("airlock.toml");
        std::fs::write(&path, text).context("cannot write the configuration")?;
        Ok(path)
    }

    /// A token to invoke every function.
    pub(crate) fn caller_token(&self) -> anyhow::Result<String> {
        Ok(mint(&self.key, &claims("caller")?.every_function())?)
    }

    /// A token to deploy.
    pub(crate) fn builder_token(&self) -> anyhow::Result<String> {
        Ok(mint(&self.key, &claims("builder")?.every_function().scope([Scope::Control(ControlScope::FunctionDeploy)]))?)
    }
}

fn claims(subject: &str) -> anyhow::Result<Claims> {
    let principal =
        Principal { tenant: "acme".parse()?, app: "checkout".parse()?, subject: subject.to_owned(), actor: None };
    let validity = Validity { issued_at_unix_s: now_unix_s(), lifetime_s: LIFETIME_S };
    Ok(Claims::new(ISSUER, principal, INSTANCE, ENVIRONMENT.parse()?, validity))
}

/// The wall clock, in seconds since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "the one place of the benchmarks that reads the wall clock")]
pub(crate) fn now_unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
