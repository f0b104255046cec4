//! What a run found, for people and for machines.

pub(crate) mod invoke;
pub(crate) mod machine;

use std::{fmt, io::Write as _, path::Path};

use anyhow::Context;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::goals::{Reached, Row};
use machine::Machine;

/// What one benchmark found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Figures beside their goals.
    pub(crate) rows: Vec<Row>,
    /// Everything else that was seen.
    pub(crate) details: Value,
    /// What to keep in mind.
    pub(crate) notes: Vec<String>,
}

/// The report of one or all benchmarks.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Figures beside their goals.
    pub(crate) rows: Vec<Row>,
    /// Everything else, by benchmark.
    pub(crate) details: Map<String, Value>,
    machine: Machine,
    /// What to keep in mind.
    pub(crate) notes: Vec<String>,
}

impl Report {
    /// An empty report of a run that begins now.
    pub(crate) fn begin() -> Self {
        Self { rows: Vec::new(), details: Map::new(), machine: Machine::look(), notes: Vec::new() }
    }

    /// Adds what a benchmark found.
    pub(crate) fn add(&mut self, name: &str, findings: Findings) {
        self.rows.extend(findings.rows);
        self.details.insert(name.to_owned(), findings.details);
        self.notes.extend(findings.notes);
    }

    /// Ends the run: writes the report for machines and prints it.
    pub(crate) fn conclude(mut self, path: &Path, as_json: bool) -> anyhow::Result<()> {
        self.machine.conclude();
        self.notes.extend(self.machine.doubts());
        write_and_print(&self, path, as_json)
    }
}

/// Writes a report for machines and prints it, for whoever asked.
pub(crate) fn write_and_print<R: Serialize + fmt::Display>(
    report: &R,
    path: &Path,
    as_json: bool,
) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(report)? + "\n";
    std::fs::write(path, &text).with_context(|| format!("cannot write `{}`", path.display()))?;
    let shown = if as_json { text } else { report.to_string() };
    std::io::stdout().lock().write_all(shown.as_bytes()).context("nobody reads the report")
}

/// A table for people.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Table(&self.rows))?;
        writeln!(f, "\n{}", self.machine)?;
        self.notes.iter().try_for_each(|note| writeln!(f, "* {note}"))
    }
}

/// Rows beside their goals.
pub(crate) struct Table<'a>(pub(crate) &'a [Row]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name_width = self.0.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).max(4);
        writeln!(f, "{:<name_width$}{:>10}{:>10}{:>12} {:<5} reached", "what", "floor", "goal", "measured", "")?;
        for row in self.0 {
            let [floor, goal, measured] = [row.floor, row.goal, row.measured].map(shown);
            let verdict = match row.reached {
                Reached::Goal => "goal",
                Reached::Floor => "floor",
                Reached::Missed => "MISSED",
                Reached::NotMeasured => "not measured",
                Reached::Unasked => "",
            };
            let why = row.why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
            let line =
                format!("{:<name_width$}{floor:>10}{goal:>10}{measured:>12} {:<5} {verdict}{why}", row.name, row.unit);
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

fn shown(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goals;

    #[test]
    fn a_table_shows_what_was_reached_and_why_not() {
        let rows =
            [goals::HOST_CALL.measured(3.0), goals::WORKERD.unmeasured("no workerd here"), Row::figure("a", "", 1.0)];
        let text = Table(&rows).to_string();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[1].ends_with("us    floor"), "{text}");
        assert!(lines[2].ends_with("not measured: no workerd here"), "{text}");
        assert!(lines[3].ends_with('1'), "{text}");
    }
}
