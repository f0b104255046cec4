//! `airlock check`: what a deploy would say, without a server.

use std::process::ExitCode;

use airlock_analysis::manifest::check as check_manifest;

use super::{build, inspect};
use crate::{args::CheckOptions, output::Style};

/// Builds a project and analyses the component against its manifest.
pub fn run(options: &CheckOptions, style: Style) -> anyhow::Result<ExitCode> {
    let (project, built) = build::build(&options.project)?;
    let limits = Some(project.manifest.limits.clone());
    let judged = inspect::judge(&built.component, limits, |report| check_manifest(report, &project.manifest));
    inspect::show(&judged, style)
}
