//! `airlock build`.

use std::{path::PathBuf, process::ExitCode, time::Instant};

use airlock_analysis::{source::check_project, statements};
use airlock_model::Digest;
use airlock_toolchain::{BuildOptions as ToolchainOptions, Built, Project};
use anyhow::Context;
use serde::Serialize;

use super::sources;
use crate::{
    args::{BuildOptions, ProjectOptions},
    host, output,
    output::Style,
};

#[derive(Serialize)]
struct Summary {
    name: String,
    component: PathBuf,
    bytes: usize,
    digest: Digest,
    build_ms: u128,
    warnings: Vec<String>,
}

/// Builds a project and writes the component beside it.
pub fn run(options: &BuildOptions, style: Style) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let (project, built) = build(&options.project)?;
    let path = options.output.clone().unwrap_or_else(|| project.dir.join(format!("{}.wasm", project.name)));
    std::fs::write(&path, &built.component).with_context(|| format!("cannot write `{}`", path.display()))?;
    let summary = Summary {
        name: project.name.to_string(),
        component: path,
        bytes: built.component.len(),
        digest: Digest::of(&built.component),
        build_ms: began.elapsed().as_millis(),
        warnings: built.warnings.iter().map(ToString::to_string).collect(),
    };
    style.print(&summary, |out| writeln!(out, "{}", summary.component.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Builds a project, with progress and warnings on standard error.
pub fn build(options: &ProjectOptions) -> anyhow::Result<(Project, Built)> {
    let project = Project::load(&options.dir).with_context(|| {
        let dir = options.dir.display();
        match options.dir.join("function.toml").is_file() {
            true => format!("`{dir}/function.toml` cannot be used"),
            false => format!("`{dir}` is not a function project; make one with `airlock new`"),
        }
    })?;
    let toolchain = ToolchainOptions {
        cache_dir: host::cache_dir(options.cache.cache_dir.as_deref())?,
        target_dir: options.target_dir.clone().unwrap_or_else(|| options.dir.join("target")),
    };
    let built = build_project(&project, &toolchain)?;
    with_statements(project, built)
}

/// Lists in the component what its sources say to their resources, so that it may be deployed without them; and gathers the
/// sources of languages whose build does not read them itself.
fn with_statements(project: Project, mut built: Built) -> anyhow::Result<(Project, Built)> {
    let judged = sources::project(&project, &built, None)?;
    built.component = statements::listed_in(built.component, &check_project(&judged));
    built.sources = judged.files.into_iter().map(|file| (file.path, file.text)).collect();
    Ok((project, built))
}

/// Builds a loaded project.
pub fn build_project(project: &Project, options: &ToolchainOptions) -> anyhow::Result<Built> {
    let began = Instant::now();
    output::progress("Building", &project.name);
    let spinner = output::spinner("");
    let built = airlock_toolchain::build(project, options, &mut |step| spinner.set_message(step.label()));
    spinner.finish_and_clear();
    let built = built?;
    for warning in &built.warnings {
        output::warning(warning);
    }
    let kib = built.component.len() >> 10;
    output::progress("Built", format!("{} ({kib} KiB) in {:.2?}", project.name, began.elapsed()));
    Ok(built)
}
