//! `airlock config`.

use std::process::ExitCode;

use airlock_service::{App, Config};
use serde::Serialize;

use crate::{args::ConfigCommand, output::Style};

#[derive(Serialize)]
struct Summary {
    valid: bool,
    environments: Vec<String>,
    resources: Vec<String>,
    issuers: Vec<String>,
}

/// Reads a configuration, its keys included.
pub fn run(command: ConfigCommand, style: Style) -> anyhow::Result<ExitCode> {
    let ConfigCommand::Check { config } = command;
    let loaded = Config::load(&config)?;
    App::check_config(&loaded)?;
    let resource = |(name, resource): (&airlock_model::ResourceName, &airlock_service::config::ResourceConfig)| {
        let environments: Vec<_> = resource.environments().map(ToString::to_string).collect();
        format!("{name} ({}) in {}", resource.kind, environments.join(", "))
    };
    let summary = Summary {
        valid: true,
        environments: loaded.environments.keys().map(ToString::to_string).collect(),
        resources: loaded.resources.iter().map(resource).collect(),
        issuers: loaded.tokens.issuer.iter().map(|issuer| issuer.iss.clone()).collect(),
    };
    style.print(&summary, |out| {
        writeln!(out, "{} is valid", config.display())?;
        writeln!(out, "  environments: {}", summary.environments.join(", "))?;
        writeln!(out, "  resources:    {}", summary.resources.join("; "))?;
        writeln!(out, "  issuers:      {}", summary.issuers.join(", "))
    })?;
    Ok(ExitCode::SUCCESS)
}
