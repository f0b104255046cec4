//! SARIF 2.1.0 (OASIS), which code hosts and editors show beside the lines.

use airlock_analysis::source::{RULES, Report, RuleInfo, SourceFinding};
use airlock_model::{Finding, Severity};
use serde_json::{Value, json};

use crate::output::Style;

/// Prints a report, and findings about packages, as one SARIF document.
pub fn print(report: &Report, packages: &[Finding]) -> anyhow::Result<()> {
    Style { json: true }.print(&document(report, packages), |_| Ok(()))
}

fn document(report: &Report, packages: &[Finding]) -> Value {
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "airlock check",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": RULES.iter().map(rule).collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "results": report.findings.iter().map(result).chain(packages.iter().map(of_package)).collect::<Vec<_>>(),
        }],
    })
}

fn rule(info: &RuleInfo) -> Value {
    json!({
        "id": info.id,
        "shortDescription": { "text": info.title },
        "help": { "text": info.help },
        "defaultConfiguration": { "level": level(info.severity) },
    })
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn result(finding: &SourceFinding) -> Value {
    json!({
        "ruleId": finding.rule,
        "level": level(finding.severity),
        "message": { "text": format!("{}\nFix: {}", finding.message, finding.fix) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": finding.file },
            "region": {
                "startLine": finding.line, "startColumn": finding.column,
                "endLine": finding.end_line, "endColumn": finding.end_column,
            },
        } }],
    })
}

/// A finding that knows its file, and its line if the file could be read so far.
fn of_package(finding: &Finding) -> Value {
    let (file, line) = finding.location.rsplit_once(':').unwrap_or((&finding.location, "1"));
    json!({
        "ruleId": finding.rule,
        "level": level(finding.severity),
        "message": { "text": format!("{}\nFix: {}", finding.message, finding.fix) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": file },
            "region": { "startLine": line.parse::<u32>().unwrap_or(1) },
        } }],
    })
}
