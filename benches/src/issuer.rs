//! The platform's part: a signing key, tokens made with it, and a configuration that trusts it.

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use airlock_access::{Algorithm, Claims, SigningKey, Validity, mint, public_jwks};
use airlock_model::{ControlScope, Principal, Scope};
use anyhow::Context;

/// The only environment of a run.
pub(crate) const ENVIRONMENT: &str = "bench";
/// Who deploys, and who calls where it does not matter.
pub(crate) const CALLER: &str = "acme";
const ISSUER: &str = "https://bench.example";
const INSTANCE: &str = "airlock-bench";
/// Tokens are minted for each window, so this outlives all of them.
const LIFETIME_S: u64 = 300;

/// Who signs the tokens of a run.
pub(crate) struct Issuer {
    key: SigningKey,
}

/// What a server of a run is told besides whom to trust.
pub(crate) struct Setup<'a> {
    /// Whether answers wait for the disk.
    pub(crate) sync: bool,
    /// Threads that serve.
    pub(crate) workers: usize,
    /// Further lines of `[server]`.
    pub(crate) server: &'a str,
    /// Further sections.
    pub(crate) sections: &'a str,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self { sync: true, workers: 1, server: "", sections: "" }
    }
}

impl Issuer {
    /// Draws a key.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self { key: SigningKey::generate(Algorithm::EdDsa, "bench-1")? })
    }

    /// Writes a configuration that trusts this issuer, with its state beside it, and says where.
    pub(crate) fn configure(&self, dir: &Path, setup: &Setup<'_>) -> anyhow::Result<std::path::PathBuf> {
        std::fs::write(dir.join("keys.json"), public_jwks(&[&self.key])).context("cannot write the keys")?;
        let Setup { sync, workers, server, sections } = setup;
        let text = format!(
            "[server]\ndata = \"127.0.0.1:0\"\ncontrol = \"127.0.0.1:0\"\nworkers = {workers}\n{server}\n\
             [isolation]\nlevel = \"L0\"\n\
             [state]\ndir = \"state\"\nsync = {sync}\n\
             [tokens]\ninstance = \"{INSTANCE}\"\n\
             [[tokens.issuer]]\niss = \"{ISSUER}\"\njwks = {{ file = \"keys.json\" }}\n\
             [environments.{ENVIRONMENT}]\n{sections}\n"
        );
        let path = dir.join("airlock.toml");
        std::fs::write(&path, text).context("cannot write the configuration")?;
        Ok(path)
    }

    /// A token of a tenant to invoke every function, with these rights on resources.
    pub(crate) fn caller_token_with(&self, tenant: &str, scope: &[&str]) -> anyhow::Result<String> {
        let scope: Vec<Scope> = scope
            .iter()
            .map(|text| text.parse().map_err(|why| anyhow::anyhow!("`{text}` is no scope: {why}")))
            .collect::<Result<_, _>>()?;
        Ok(mint(&self.key, &claims(tenant, "caller")?.every_function().scope(scope))?)
    }

    /// A token of a tenant to invoke every function.
    pub(crate) fn caller_token(&self, tenant: &str) -> anyhow::Result<String> {
        self.caller_token_with(tenant, &[])
    }

    /// A token to deploy whatever names any resource.
    pub(crate) fn builder_token(&self) -> anyhow::Result<String> {
        let claims = claims(CALLER, "builder")?.every_function();
        let rights = [ControlScope::FunctionDeploy, ControlScope::ResourceEdit].map(Scope::Control);
        Ok(mint(&self.key, &claims.scope(rights))?)
    }
}

fn claims(tenant: &str, subject: &str) -> anyhow::Result<Claims> {
    let principal =
        Principal { tenant: tenant.parse()?, app: "checkout".parse()?, subject: subject.to_owned(), actor: None };
    let validity = Validity { issued_at_unix_s: now_unix_s(), lifetime_s: LIFETIME_S };
    Ok(Claims::new(ISSUER, principal, INSTANCE, ENVIRONMENT.parse()?, validity))
}

/// The wall clock, in seconds since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "the one place of the benchmarks that reads the wall clock")]
pub(crate) fn now_unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
