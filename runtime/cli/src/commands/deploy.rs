//! `airlock deploy`.

use std::process::ExitCode;

use airlock_proto::v1::{DeployRequest, DeployResponse, SourceFile};
use airlock_toolchain::{Built, Project};
use serde::Serialize;

use super::{build, packages, sign};
use crate::{
    args::DeployOptions,
    client::{Client, Rejected},
    output,
    output::Style,
};

#[derive(Serialize)]
struct Summary {
    function: String,
    environment: String,
    revision: String,
    number: u64,
    warnings: Vec<String>,
}

/// Builds a project and deploys it.
pub async fn run(options: &DeployOptions, style: Style) -> anyhow::Result<ExitCode> {
    let client = Client::with_access(&options.server, &options.access).await?;
    let (project, built) = build::build(&options.project)?;
    let built = packages::with_files(&project, built)?;
    let signature = match (&options.signature, &options.sign_with) {
        (Some(file), _) => sign::read(file)?,
        (None, Some(key)) => sign::of_component(key, &built.component)?,
        (None, None) => Vec::new(),
    };
    let response = send(&client, &client.environment(), &project, (built, signature)).await?;
    let revision = response.revision.unwrap_or_default();
    let summary = Summary {
        function: revision.function,
        environment: client.environment(),
        revision: revision.digest,
        number: revision.number,
        warnings: response.findings.iter().map(|finding| format!("{}: {}", finding.rule, finding.message)).collect(),
    };
    for warning in &summary.warnings {
        output::warning(warning);
    }
    style.print(&summary, |out| writeln!(out, "{} {}", summary.function, summary.revision))?;
    Ok(ExitCode::SUCCESS)
}

/// Sends one project to the server, with its signature or none.
pub async fn send(
    client: &Client,
    environment: &str,
    project: &Project,
    (built, signature): (Built, Vec<u8>),
) -> Result<DeployResponse, Rejected> {
    output::progress("Deploying", format!("{} to {environment}", project.name));
    let request = client.request(DeployRequest {
        environment: environment.to_owned(),
        manifest_toml: project.manifest_text.clone(),
        component: built.component,
        sources: built.sources.into_iter().map(|(path, text)| SourceFile { path, text }).collect(),
        signature,
    });
    let response = client.functions().deploy(request).await?.into_inner();
    if let Some(revision) = &response.revision {
        let digest: String = revision.digest.chars().take(12).collect();
        output::progress("Deployed", format!("{} revision {} ({digest})", project.name, revision.number));
    }
    Ok(response)
}
