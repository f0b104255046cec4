//! `airlock resources`: what functions can use, and what has to be made outside before they can.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use airlock_model::{EnvironmentName, ResourceName};
use airlock_proto::v1::{DescribeSchemaRequest, DescribeSchemaResponse, ResourceServiceListRequest, Table};
use airlock_service::{App, Config};
use anyhow::Context as _;
use serde::Serialize;

use crate::{
    args::{ControlOptions, ResourcesCommand},
    client::{Client, Rejected},
    output::{self, Style},
};

#[derive(Serialize)]
struct Provisioning {
    resource: String,
    environment: String,
    sql: String,
}

/// Prints what was asked for.
pub async fn run(command: &ResourcesCommand, style: Style) -> anyhow::Result<ExitCode> {
    match command {
        ResourcesCommand::List(control) => list(control, style).await,
        ResourcesCommand::Describe { name, refresh, control } => describe(name, *refresh, control, style).await,
        ResourcesCommand::Provision { name, environment, config } => provision(name, environment, config, style),
        ResourcesCommand::Introspect { name, environment, output, config } => {
            introspect(name, environment, output.as_deref(), config).await
        }
    }
}

#[derive(Serialize)]
struct Listed {
    name: String,
    kind: String,
    operations: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    dialect: String,
}

async fn list(control: &ControlOptions, style: Style) -> anyhow::Result<ExitCode> {
    let client = Client::to_control(control).await?;
    let request = client.request(ResourceServiceListRequest { environment: client.environment() });
    let response = client.resources().list(request).await.map_err(Rejected::from)?.into_inner();
    let listed = response.resources.into_iter().map(|one| Listed {
        name: one.name,
        kind: one.kind,
        operations: one.operations,
        dialect: one.dialect,
    });
    let listed: Vec<_> = listed.collect();
    if listed.is_empty() {
        output::progress("Nothing", "the token's scope names no resource that this environment binds");
    }
    style.print(&listed, |out| {
        listed.iter().try_for_each(|Listed { name, kind, operations, dialect }| {
            writeln!(out, "{name:<24} {kind:<8} {dialect:<10} {}", operations.join(" "))
        })
    })?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct Sdl<'a> {
    sdl: &'a str,
}

#[derive(Serialize)]
struct ShownTable {
    schema: String,
    name: String,
    kind: String,
    columns: Vec<ShownColumn>,
}

#[derive(Serialize)]
struct ShownColumn {
    name: String,
    database_type: String,
    nullable: bool,
    has_default: bool,
    primary_key: u32,
    references: String,
}

async fn describe(
    name: &ResourceName,
    refresh: bool,
    control: &ControlOptions,
    style: Style,
) -> anyhow::Result<ExitCode> {
    let client = Client::to_control(control).await?;
    let environment = client.environment();
    let request = client.request(DescribeSchemaRequest { environment, resource: name.to_string(), refresh });
    let response = client.resources().describe_schema(request).await.map_err(Rejected::from)?.into_inner();
    let DescribeSchemaResponse { tables, truncated, sdl, .. } = response;
    if !sdl.is_empty() {
        style.print(&Sdl { sdl: &sdl }, |out| out.write_all(sdl.as_bytes()))?;
        return Ok(ExitCode::SUCCESS);
    }
    if truncated {
        output::warning("the database has more columns than are shown");
    }
    let tables: Vec<_> = tables.into_iter().map(ShownTable::from).collect();
    style.print(&tables, |out| tables.iter().try_for_each(|table| table.print(out)))?;
    Ok(ExitCode::SUCCESS)
}

impl From<Table> for ShownTable {
    fn from(table: Table) -> Self {
        let column = |one: airlock_proto::v1::Column| ShownColumn {
            name: one.name,
            database_type: one.database_type,
            nullable: one.nullable,
            has_default: one.has_default,
            primary_key: one.primary_key,
            references: one.references,
        };
        let Table { schema, name, kind, columns } = table;
        Self { schema, name, kind, columns: columns.into_iter().map(column).collect() }
    }
}

impl ShownTable {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let dot = if self.schema.is_empty() { "" } else { "." };
        writeln!(out, "{} {}{dot}{}", self.kind, self.schema, self.name)?;
        self.columns.iter().try_for_each(|column| {
            let mut facts = Vec::new();
            facts.extend((!column.nullable).then(|| "not null".to_owned()));
            facts.extend(column.has_default.then(|| "default".to_owned()));
            facts.extend((column.primary_key > 0).then(|| format!("key {}", column.primary_key)));
            facts.extend((!column.references.is_empty()).then(|| format!("-> {}", column.references)));
            writeln!(out, "  {:<28} {:<24} {}", column.name, column.database_type, facts.join(", "))
        })
    }
}

/// Speaks to the API itself, as a server with this configuration would.
async fn introspect(
    name: &ResourceName,
    environment: &EnvironmentName,
    output: Option<&Path>,
    file: &Path,
) -> anyhow::Result<ExitCode> {
    let config = Config::load(file)?;
    let sdl = App::introspect(&config, name.clone(), environment, "operator".parse()?).await?;
    match output {
        Some(output) => std::fs::write(output, sdl).with_context(|| format!("cannot write `{}`", output.display()))?,
        None => io::stdout().write_all(sdl.as_bytes())?,
    }
    Ok(ExitCode::SUCCESS)
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
