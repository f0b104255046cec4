//! The whole application in this process, without a listener.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use airlock_model::InvokeRequest;
use airlock_service::{Answer, App, Config, Holding, InvokeCall, Parts, Presented, Sender, config::ConfigError};
use anyhow::Context;
use serde::Deserialize;
use serde_json::json;

use super::Op;
use crate::{
    guests::{Component, HOST_CALLS, Places},
    issuer::{CALLER, ENVIRONMENT, Issuer, Setup},
    serve::airlock::compiler,
};

/// Room for many host calls; everything else is as operators find it.
const ROOM: &str = r#"
[admission]
host_calls_per_second = 1_000_000_000
[limits.default]
host_calls = 1_000_000
egress_requests = 1_000_000
"#;
/// An empty database.
pub(super) const SQLITE: &str = r#"
engine = "sqlite"
path = "empty.db"
operations = ["read"]
"#;
/// Nothing is ever sent there.
const API: &str = r#"
[resources.api]
kind = "http"
[resources.api.bench]
engine = "http"
base_url = "https://api.bench.example"
operations = ["GET"]
request_bytes_max = 1
"#;
const SCOPE: &[&str] = &["db:read", "api:GET"];

/// An application with one function.
pub(in crate::bench) struct Application {
    app: App,
    issuer: Issuer,
    function: String,
    /// Its configuration.
    pub(in crate::bench) config: PathBuf,
}

#[derive(Deserialize)]
struct Output {
    as_expected: u32,
}

impl Application {
    /// Opens an application with its state in `dir` and deploys the guest, which is given that database.
    pub(in crate::bench) async fn open(places: &Places, dir: &Path, database: &str) -> anyhow::Result<Self> {
        let component = places.build_project(HOST_CALLS)?;
        let issuer = Issuer::new()?;
        // An empty file is an empty database.
        std::fs::write(dir.join("empty.db"), b"").context("cannot make a database")?;
        let sections = format!("{ROOM}[resources.db]\nkind = \"sql\"\n[resources.db.{ENVIRONMENT}]\n{database}{API}");
        let config = issuer.configure(dir, &Setup { sections: &sections, ..Setup::default() })?;
        let parts = Parts { config: load(&config)?, compiler: compiler(&places.cache())?, own_listeners: Vec::new() };
        let app = App::open(parts).await?;
        deploy(&app, &issuer.builder_token()?, &component).await?;
        Ok(Self { app, issuer, function: component.name().to_owned(), config })
    }

    /// A token that covers everything the guest does but one thing.
    pub(in crate::bench) fn token(&self) -> anyhow::Result<String> {
        self.issuer.caller_token_with(CALLER, SCOPE)
    }

    /// One run with so many host calls. Says what its usage says of its wall time, in microseconds.
    ///
    /// # Errors
    /// When the run fails, or one of its host calls ends in another way than it must.
    pub(in crate::bench) async fn call(&self, token: &str, op: Op, times: u32) -> anyhow::Result<u64> {
        let request = InvokeRequest {
            function: self.function.parse()?,
            environment: ENVIRONMENT.parse()?,
            alias: None,
            payload: json!({ "op": op.name(), "times": times }).to_string(),
        };
        let call = InvokeCall {
            bearer: Some(token.to_owned()),
            sender: Sender::default(),
            request,
            remaining: None,
            logs: None,
            request_id: None,
            begun: None,
            holding: Holding::default(),
            trace: None,
        };
        let reply = self.app.invoke(call).await?;
        let Answer::Returned(output) = reply.answer else { anyhow::bail!("the guest failed: {:?}", reply.answer) };
        let output: Output = serde_json::from_str(&output)?;
        let odd = times.saturating_sub(output.as_expected);
        anyhow::ensure!(odd == 0, "{odd} of {times} host calls `{}` ended otherwise than they must", op.name());
        Ok(reply.usage.wall_us)
    }
}

/// Reads a configuration.
pub(super) fn load(config: &Path) -> Result<Config, ConfigError> {
    Config::load(config)
}

async fn deploy(app: &App, token: &str, component: &Component) -> anyhow::Result<()> {
    let upload = airlock_service::Upload {
        environment: ENVIRONMENT.parse()?,
        manifest_toml: component.project.manifest_text.clone(),
        component: component.built.component.clone(),
        sources: BTreeMap::new(),
        signature: None,
    };
    app.deploy(Presented::bearer(Some(token)), upload).await.map(drop).context("cannot deploy the guest")
}
