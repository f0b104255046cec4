//! The demo's stage: a state directory with configuration, keys, sample data and functions.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use airlock_access::{Algorithm, Claims, LIFETIME_MAX_S, SigningKey, Validity, mint, public_jwks};
use airlock_model::{FunctionName, Principal, Scope};
use airlock_proto::v1::InvokeRequest;
use airlock_server::ServerHandle;
use anyhow::Context;
use rusqlite::Connection;
use tempfile::TempDir;

use super::{INPUT, crm};
use crate::{commands::token::now_unix_s, keys, output, when};

pub(super) const ENVIRONMENT: &str = "dev";
const ISSUER: &str = "https://demo.airlock.example";

const ORDER_SUMMARY: &[(&str, &str)] = &[
    ("function.toml", include_str!("../../../../examples/order-summary/function.toml")),
    ("src/main.ts", include_str!("../../../../examples/order-summary/src/main.ts")),
];
const MISCHIEF: &[(&str, &str)] = &[
    ("function.toml", include_str!("../../../../examples/mischief/function.toml")),
    ("src/main.ts", include_str!("../../../../examples/mischief/src/main.ts")),
];
const SAMPLE_DATA: &str = include_str!("../../templates/demo/orders.sql");
const CONFIGURATION: &str = include_str!("../../templates/demo/airlock.toml");

/// A call of the demo.
pub(super) fn ask(function: &str, input: &str) -> InvokeRequest {
    InvokeRequest {
        function: function.to_owned(),
        environment: ENVIRONMENT.to_owned(),
        payload: input.as_bytes().to_vec(),
        request_id: String::new(),
        alias: String::new(),
    }
}

/// Where the demo happens. A temporary one goes away with this value.
pub(super) struct Stage {
    dir: PathBuf,
    key: SigningKey,
    _temporary: Option<TempDir>,
}

/// What a token of the demo is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenFor {
    Deploy,
    OrderSummary,
    Mischief,
    NoScope,
    Expired,
}

impl Stage {
    /// Makes or reuses the state directory; starts the sample API.
    pub(super) async fn set(state: Option<&Path>) -> anyhow::Result<Self> {
        let temporary = if state.is_none() { Some(TempDir::new()?) } else { None };
        let dir = match (state, &temporary) {
            (Some(dir), _) => std::path::absolute(dir)?,
            (None, Some(temporary)) => temporary.path().to_owned(),
            (None, None) => anyhow::bail!("no state directory"),
        };
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make `{}`", dir.display()))?;
        output::progress("Preparing", format!("state in {}", dir.display()));
        let key = signing_key(&dir)?;
        std::fs::write(dir.join("keys.json"), public_jwks(&[&key]))?;
        sample_database(&dir.join("data"))?;
        let secret = crm_secret(&dir)?;
        configure(&dir.join("airlock.toml"), &secret).await?;
        Ok(Self { dir, key, _temporary: temporary })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn config_path(&self) -> PathBuf {
        self.dir.join("airlock.toml")
    }

    pub(super) fn state_dir(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// Writes the sources of the demo's functions and gives their directories.
    pub(super) fn write_functions(&self) -> anyhow::Result<Vec<PathBuf>> {
        let functions = [("order-summary", ORDER_SUMMARY), ("mischief", MISCHIEF)];
        let write = |(name, files): (&str, &[(&str, &str)])| {
            let dir = self.dir.join("functions").join(name);
            for (path, text) in files {
                let path = dir.join(path);
                if let Some(parent) = path.parent() {
                    std::fs::create_dir_all(parent)?;
                }
                std::fs::write(path, text)?;
            }
            Ok(dir)
        };
        functions.into_iter().map(write).collect()
    }

    /// Mints a token as a platform would: short-lived, for one thing.
    pub(super) fn token(&self, purpose: TokenFor) -> anyhow::Result<String> {
        let (functions, scopes): (&[&str], &[&str]) = match purpose {
            TokenFor::Deploy => {
                (&["order-summary", "mischief"], &["function:deploy", "resource:edit", "function:read", "audit:read"])
            }
            TokenFor::OrderSummary | TokenFor::Expired => {
                (&["order-summary"], &["orders-db:read", "crm:GET:/customers/*"])
            }
            TokenFor::Mischief => (&["mischief"], &["orders-db:read", "crm:GET:/customers/*", "metadata:GET"]),
            TokenFor::NoScope => (&["order-summary"], &["crm:GET:/customers/*"]),
        };
        let age_s = if purpose == TokenFor::Expired { 3_600 } else { 0 };
        let validity = Validity { issued_at_unix_s: now_unix_s().saturating_sub(age_s), lifetime_s: 60 };
        let principal = Principal {
            tenant: "demo".parse()?,
            app: "airlock-demo".parse()?,
            subject: "ada@example.com".to_owned(),
            actor: None,
        };
        let claims = Claims::new(ISSUER, principal, "airlock", ENVIRONMENT.parse()?, validity)
            .functions(functions.iter().map(|name| name.parse()).collect::<Result<Vec<FunctionName>, _>>()?)
            .scope(scopes.iter().map(|scope| scope.parse()).collect::<Result<Vec<Scope>, _>>()?);
        Ok(mint(&self.key, &claims)?)
    }
}

/// Starts the sample API where the configuration says it is. A configuration that is there is somebody's own by now: it
/// stays as it is.
async fn configure(path: &Path, secret: &str) -> anyhow::Result<()> {
    if !path.exists() {
        let crm = crm::start(secret, SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        return Ok(std::fs::write(path, CONFIGURATION.replace("{{crm}}", &crm.to_string()))?);
    }
    output::progress("Keeping", format!("the configuration that is there, {}", path.display()));
    let text = std::fs::read_to_string(path)?;
    let settings: toml::Table = text.parse().with_context(|| format!("`{}` is not valid TOML", path.display()))?;
    let url = ["resources", "crm", "dev"].iter().try_fold(&settings, |table, key| table.get(*key)?.as_table());
    let address = url.and_then(|crm| crm.get("base_url")?.as_str()?.strip_prefix("http://")?.parse().ok());
    // Without one, the sample API is not in use.
    match address {
        Some(address) => crm::start(secret, address).await.map(drop),
        None => Ok(()),
    }
}

fn signing_key(dir: &Path) -> anyhow::Result<SigningKey> {
    let path = dir.join("signing-key.json");
    if path.exists() {
        return keys::read(&path);
    }
    let key = SigningKey::generate(Algorithm::EdDsa, "demo")?;
    keys::write(&path, &key)?;
    Ok(key)
}

/// The credential of the sample API: in a file that only the host reads.
fn crm_secret(dir: &Path) -> anyhow::Result<String> {
    let path = dir.join("crm-token");
    if path.exists() {
        return std::fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()));
    }
    let secret = SigningKey::generate(Algorithm::EdDsa, "crm")?.public_jwk();
    let secret = secret.get("x").and_then(|x| x.as_str()).context("no random text")?.to_owned();
    std::fs::write(&path, &secret)?;
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(secret)
}

/// In a directory of its own, which is all that a server may write to.
fn sample_database(dir: &Path) -> anyhow::Result<()> {
    let path = &dir.join("orders.db");
    if path.exists() {
        return Ok(());
    }
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make `{}`", dir.display()))?;
    let database = Connection::open(path).with_context(|| format!("cannot make `{}`", path.display()))?;
    database.execute_batch(SAMPLE_DATA).context("cannot fill the sample database")
}

/// Prints commands that work while the server is up, and waits for Ctrl-C.
pub(super) async fn keep_serving(stage: &Stage, server: &ServerHandle) -> anyhow::Result<()> {
    let token = stage.token(TokenFor::OrderSummary)?;
    let address: SocketAddr = server.data_addr();
    let program = std::env::current_exe()?;
    let program = program.display();
    let mint = format!(
        "{program} token mint --key {key} --issuer {ISSUER} --tenant demo --app airlock-demo --subject you \
         --function order-summary --scope orders-db:read --scope 'crm:GET:/customers/*'",
        key = stage.dir().join("signing-key.json").display()
    );
    let lines = [
        format!("\nA token for {}:\n  export AIRLOCK_TOKEN=$({mint})", when::span(LIFETIME_MAX_S)),
        format!(
            "\nOver HTTP:\n  curl -s http://{address}/airlock.v1.InvocationService/Invoke -H \"authorization: Bearer $AIRLOCK_TOKEN\" \
             -H 'content-type: application/json' -d '{{\"function\":\"order-summary\",\"environment\":\"{ENVIRONMENT}\",\"payload\":{INPUT}}}'"
        ),
        format!("\nOver gRPC:\n  {program} invoke order-summary --server http://{address} --input '{INPUT}'"),
        format!(
            "\nOne for this minute, as the demo used them:\n  export AIRLOCK_TOKEN={token}\n\nCtrl-C stops the server."
        ),
    ];
    for line in lines {
        std::io::Write::write_all(&mut anstream::stderr(), format!("{line}\n").as_bytes())?;
    }
    tokio::signal::ctrl_c().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use airlock_service::{Config, isolation};

    use super::*;

    #[test]
    fn the_configuration_lets_a_server_write_to_nothing_but_data() {
        let file = Path::new("/srv/demo/airlock.toml");
        let text = CONFIGURATION.replace("{{crm}}", "127.0.0.1:1");
        let config = Config::parse(&text, "airlock.toml", &[], Path::new("/srv/demo")).expect("valid");
        assert_eq!(isolation::exposed_files(&config, file), Vec::<PathBuf>::new());
        let beside = text.replace("data/orders.db", "orders.db");
        let config = Config::parse(&beside, "airlock.toml", &[], Path::new("/srv/demo")).expect("valid");
        assert!(isolation::exposed_files(&config, file).contains(&file.to_owned()), "as it was once");
    }
}
