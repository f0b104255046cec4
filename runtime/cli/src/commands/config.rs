//! `airlock config`: a configuration on disk, or the one that a server runs with.

use std::{io::Write, path::Path, process::ExitCode};

use airlock_proto::v1::GetConfigRequest;
use airlock_service::{
    App, Config,
    config::{JwksSource, KeySource},
};
use serde::Serialize;

use crate::{
    args::{ConfigCommand, ControlOptions},
    client::{Client, Rejected},
    output::Style,
};

#[derive(Serialize)]
struct Summary {
    valid: bool,
    environments: Vec<String>,
    resources: Vec<String>,
    issuers: Vec<String>,
    /// Issuers whose keys are at a URL, where a check does not look: it works without a network.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    published_keys: Vec<PublishedKeys>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    settings: Vec<Row>,
}

#[derive(Serialize)]
struct PublishedKeys {
    issuer: String,
    url: String,
}

/// One value in force.
#[derive(Serialize)]
struct Row {
    key: String,
    value: String,
    source: String,
}

/// Checks a file, or asks a server.
pub async fn run(command: ConfigCommand, style: Style) -> anyhow::Result<ExitCode> {
    match command {
        ConfigCommand::Check { config, explain } => check(&config, explain, style),
        ConfigCommand::Show(options) => show(&options, style).await,
    }
}

/// Reads a configuration, its keys and credentials included.
fn check(path: &Path, explain: bool, style: Style) -> anyhow::Result<ExitCode> {
    let loaded = Config::load(path)?;
    let resource = |(name, resource): (&airlock_model::ResourceName, &airlock_service::config::ResourceConfig)| {
        let environments: Vec<_> = resource.environments().map(ToString::to_string).collect();
        format!("{name} ({}) in {}", resource.kind, environments.join(", "))
    };
    let mut summary = Summary {
        valid: true,
        environments: loaded.environments.keys().map(ToString::to_string).collect(),
        resources: loaded.resources.iter().map(resource).collect(),
        issuers: loaded.tokens.issuer.iter().map(|issuer| issuer.iss.clone()).collect(),
        published_keys: loaded.key_sources().filter_map(|(_, source)| published(&source)).collect(),
        settings: Vec::new(),
    };
    let settings = App::explain_config(loaded)?;
    if explain {
        let row = |setting: airlock_service::Setting| Row {
            key: setting.key,
            value: setting.value,
            source: setting.origin.to_string(),
        };
        summary.settings = settings.into_iter().map(row).collect();
    }
    style.print(&summary, |out| {
        writeln!(out, "{} is valid", path.display())?;
        writeln!(out, "  environments: {}", summary.environments.join(", "))?;
        writeln!(out, "  resources:    {}", summary.resources.join("; "))?;
        writeln!(out, "  issuers:      {}", summary.issuers.join(", "))?;
        for PublishedKeys { issuer, url } in &summary.published_keys {
            writeln!(out, "  keys of {issuer}: fetched from {url} by the server; `airlock doctor` tries it now")?;
        }
        list(out, &summary.settings)
    })?;
    Ok(ExitCode::SUCCESS)
}

fn published(issuer: &KeySource<'_>) -> Option<PublishedKeys> {
    match issuer.jwks {
        JwksSource::File(_) => None,
        JwksSource::Url(source) => {
            Some(PublishedKeys { issuer: issuer.iss.to_owned(), url: source.document.url.clone() })
        }
    }
}

async fn show(options: &ControlOptions, style: Style) -> anyhow::Result<ExitCode> {
    let client = Client::to_control(options).await?;
    let request = client.request(GetConfigRequest { environment: client.environment() });
    let response = client.operator().get_config(request).await.map_err(Rejected::from)?.into_inner();
    let rows = response.settings.into_iter().map(|one| Row { key: one.key, value: one.value, source: one.source });
    let rows: Vec<_> = rows.collect();
    style.print(&rows, |out| list(out, &rows))?;
    Ok(ExitCode::SUCCESS)
}

fn list(out: &mut dyn Write, rows: &[Row]) -> std::io::Result<()> {
    let width = |of: fn(&Row) -> &str| rows.iter().map(|row| of(row).len().min(48)).max().unwrap_or_default();
    let (keys, values) = (width(|row| &row.key), width(|row| &row.value));
    rows.iter().try_for_each(|row| writeln!(out, "{:keys$}  {:values$}  {}", row.key, row.value, row.source))
}
