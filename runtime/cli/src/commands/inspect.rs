//! `airlock inspect` and what `check` shares with it.

use std::{io::Write, process::ExitCode};

use airlock_analysis::{Bounds, ComponentReport, inspect};
use airlock_model::{Finding, Severity};
use anyhow::Context;
use serde::Serialize;

use crate::{args::InspectOptions, output::EXIT_REFUSED, output::Style};

#[derive(Serialize)]
pub struct Inspection {
    accepted: bool,
    digest: Option<String>,
    bytes: usize,
    /// What the component can touch: its resource imports.
    permissions: Vec<String>,
    /// Imports of the guest contract and of the WASI subset.
    runtime: Vec<String>,
    handler: Option<&'static str>,
    limits: Option<airlock_model::LimitCaps>,
    findings: Vec<Finding>,
}

/// Shows what a component can touch.
pub fn run(options: &InspectOptions, style: Style) -> anyhow::Result<ExitCode> {
    let path = &options.component;
    let component = std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    show(&judge(&component, None, |_| Vec::new()), style)
}

/// Inspects bytes and adds the findings of `more`.
pub fn judge(
    component: &[u8],
    limits: Option<airlock_model::LimitCaps>,
    more: impl FnOnce(&ComponentReport) -> Vec<Finding>,
) -> Inspection {
    let bytes = component.len();
    match inspect(component, &Bounds::BUILT_IN) {
        Ok(report) => {
            let findings = more(&report);
            Inspection {
                accepted: findings.iter().all(|finding| finding.severity != Severity::Error),
                digest: Some(report.digest.to_string()),
                bytes,
                permissions: report.resources.iter().map(|r| format!("{} ({})", r.name, r.kind)).collect(),
                runtime: runtime_imports(&report),
                handler: Some(if report.handler.is_async { "async" } else { "sync" }),
                limits,
                findings,
            }
        }
        Err(findings) => Inspection {
            accepted: false,
            digest: None,
            bytes,
            permissions: Vec::new(),
            runtime: Vec::new(),
            handler: None,
            limits,
            findings,
        },
    }
}

impl Inspection {
    /// The same verdict, without the texts of findings that were printed already.
    pub fn without_text_of(mut self, shown: &[Finding]) -> Self {
        self.findings.retain(|finding| !shown.contains(finding));
        self
    }
}

fn runtime_imports(report: &ComponentReport) -> Vec<String> {
    let others = report.imports.iter().filter(|import| !import.name.starts_with("resources:"));
    others.map(|import| import.name.clone()).collect()
}

/// Prints an inspection; refused components give the exit status of a refusal.
pub fn show(inspection: &Inspection, style: Style) -> anyhow::Result<ExitCode> {
    style.print(inspection, |out| text(inspection, out))?;
    Ok(if inspection.accepted { ExitCode::SUCCESS } else { ExitCode::from(EXIT_REFUSED) })
}

fn text(inspection: &Inspection, out: &mut dyn Write) -> std::io::Result<()> {
    if let Some(digest) = &inspection.digest {
        writeln!(out, "digest       {digest} (of the component; a revision's also covers manifest and sources)")?;
        writeln!(out, "size         {} bytes", inspection.bytes)?;
        let none = || "none: it can touch nothing".to_owned();
        let permissions = inspection.permissions.join(", ");
        writeln!(out, "permissions  {}", if permissions.is_empty() { none() } else { permissions })?;
        writeln!(out, "runtime      {}", inspection.runtime.join(", "))?;
    }
    if let Some(limits) = &inspection.limits {
        writeln!(out, "own limits   {}", serde_json::to_string(limits).unwrap_or_default())?;
    }
    for finding in &inspection.findings {
        let severity = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        writeln!(out, "{severity} [{}] {}", finding.rule, finding.message)?;
        writeln!(out, "  at  {}", finding.location)?;
        writeln!(out, "  fix {}", finding.fix)?;
    }
    writeln!(out, "{}", if inspection.accepted { "accepted" } else { "rejected" })
}
