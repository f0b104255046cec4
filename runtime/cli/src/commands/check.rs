//! `airlock check`: what a deploy would say, without a server; and what it would say of one source file.

mod loose;
mod render;
mod sarif;

use std::process::ExitCode;

use airlock_analysis::{manifest::check as check_manifest, source::check_project};
use airlock_model::Finding;

use super::{build, inspect, packages, sources};
use crate::{
    args::{CheckFormat, CheckOptions},
    output::{EXIT_REFUSED, Style},
};

/// Builds a project and analyses the component against its manifest, and the sources for texts that are not constant.
pub fn run(options: &CheckOptions, style: Style) -> anyhow::Result<ExitCode> {
    if let Some(source) = &options.source {
        return loose::run(source, options, style);
    }
    let (project, built) = build::build(&options.project)?;
    let judged_project = sources::project(&project, &built, loose::dialect(options)?)?;
    let report = check_project(&judged_project);
    let of_packages = match (&options.config, &options.environment) {
        (Some(config), Some(environment)) => packages::check(&project, config, environment)?,
        _ => Vec::new(),
    };
    if options.format == Some(CheckFormat::Sarif) {
        sarif::print(&report, &of_packages)?;
        let is_refused = report.is_refused() || !of_packages.is_empty();
        return Ok(if is_refused { ExitCode::from(EXIT_REFUSED) } else { ExitCode::SUCCESS });
    }
    let limits = Some(project.manifest.limits.clone());
    let judged = inspect::judge(&built.component, limits, |component| {
        let mut findings = check_manifest(component, &project.manifest);
        findings.extend(report.findings.iter().map(Finding::from));
        findings.extend(of_packages);
        findings
    });
    let style = Style { json: style.json || options.format == Some(CheckFormat::Json) };
    if style.json {
        return inspect::show(&judged, style);
    }
    render::print(&report, |path| {
        judged_project.files.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    })?;
    // With their lines they stand above.
    let shown: Vec<_> = report.findings.iter().map(Finding::from).collect();
    inspect::show(&judged.without_text_of(&shown), style)
}
