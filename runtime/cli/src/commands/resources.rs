//! `airlock resources`: what has to be made outside before a resource can be used.

use std::{path::Path, process::ExitCode};

use airlock_model::{EnvironmentName, ResourceName};
use airlock_service::Config;
use anyhow::Context as _;
use serde::Serialize;

use crate::{args::ResourcesCommand, output::Style};

#[derive(Serialize)]
struct Provisioning {
    resource: String,
    environment: String,
    sql: String,
}

/// Prints what was asked for.
pub fn run(command: &ResourcesCommand, style: Style) -> anyhow::Result<ExitCode> {
    match command {
        ResourcesCommand::Provision { name, environment, config } => provision(name, environment, config, style),
    }
}

/// Only reads the configuration: the secrets that it names need not be there yet.
fn provision(
    name: &ResourceName,
    environment: &EnvironmentName,
    file: &Path,
    style: Style,
) -> anyhow::Result<ExitCode> {
    let config = Config::load(file)?;
    let resource = config.resources.get(name);
    let resource = resource.with_context(|| format!("`{}` has no resource `{name}`", file.display()))?;
    let binding = resource.bindings().find_map(|(bound, binding)| (bound == environment).then_some(binding));
    let binding = binding.with_context(|| {
        let known = resource.environments().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        format!("`{name}` is not bound in environment `{environment}`; it is in: {known}")
    })?;
    let sql = binding.provisioning();
    let sql = sql.with_context(|| {
        format!("`{name}` in `{environment}` has no database roles: only PostgreSQL and MySQL have them")
    })?;
    let printed = Provisioning { resource: name.to_string(), environment: environment.to_string(), sql };
    style.print(&printed, |out| out.write_all(printed.sql.as_bytes()))?;
    Ok(ExitCode::SUCCESS)
}
