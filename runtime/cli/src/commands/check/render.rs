//! Findings for people: the lines in question, why, and the fix as a diff.

use std::io::Write;

use airlock_analysis::source::{Report, SourceFinding};
use airlock_model::Severity;
use annotate_snippets::{AnnotationKind, Group, Level, Patch, Renderer, Snippet};

/// Prints every finding; `text_of` gives the text of a file.
pub fn print<'t>(report: &Report, text_of: impl Fn(&str) -> Option<&'t str>) -> std::io::Result<()> {
    let mut out = anstream::stdout().lock();
    for finding in &report.findings {
        writeln!(out, "{}\n", rendered(finding, text_of(&finding.file).unwrap_or_default()))?;
    }
    Ok(())
}

fn rendered(finding: &SourceFinding, text: &str) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let [(start, end), (from, to)] = finding.spans;
    let mut snippet = Snippet::source(text).path(finding.file.as_str());
    snippet = snippet.annotation(AnnotationKind::Primary.span(start..end.max(start)));
    if (from, to) != (start, end) {
        snippet = snippet.annotation(AnnotationKind::Context.span(from..to.max(from)).label("comes from here"));
    }
    let title = level.primary_title(finding.message.as_str()).id(finding.rule.as_str());
    let mut groups = vec![Group::with_title(title).element(snippet)];
    let help = Level::HELP.secondary_title(finding.edits.advice.as_str());
    if finding.edits.edits.is_empty() {
        groups.push(Group::with_title(help));
    } else {
        let patches = finding.edits.edits.iter().map(|edit| Patch::new(edit.start..edit.end, edit.text.as_str()));
        let snippet = patches.fold(Snippet::source(text).path(finding.file.as_str()), Snippet::patch);
        groups.push(Group::with_title(help).element(snippet));
    }
    Renderer::styled().render(&groups).to_string()
}
