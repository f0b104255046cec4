//! Approvals as people and programs see them. What functions wrote is shown without control characters: it must not be able to
//! move the cursor of whoever decides.

use std::io::{Result, Write};

use airlock_proto::v1::{AffectedTable, Approval, PreviewResponse};
use anstyle::{AnsiColor, Style as Ansi};
use serde::Serialize;

use crate::output::plain;

const GONE: Ansi = AnsiColor::Red.on_default();
const NEW: Ansi = AnsiColor::Green.on_default();
const BAD: Ansi = AnsiColor::Red.on_default().bold();
/// Characters of a text in a list.
const LINE_CHARS_MAX: usize = 80;

/// An approval as printed.
#[derive(Serialize)]
pub struct Printed {
    pub id: String,
    state: String,
    scope: String,
    environment: String,
    function: String,
    resource: String,
    language: String,
    text: String,
    class: String,
    destructive: bool,
    tables: Vec<String>,
    columns: Vec<String>,
    authors: Vec<String>,
    revision: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    app: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    subject: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    actor: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    parameters: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    parameters_sha256: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    requested: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    expires: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows_max: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uses_left: Option<u32>,
    #[serde(skip_serializing_if = "String::is_empty")]
    decided_by: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    decided: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    follows_unknown: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub similar_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub diff: String,
}

impl From<Approval> for Printed {
    fn from(approval: Approval) -> Self {
        Self {
            id: approval.id,
            state: approval.state,
            scope: approval.scope,
            environment: approval.environment,
            function: approval.function,
            resource: approval.resource,
            language: approval.language,
            text: approval.text,
            class: approval.class,
            destructive: approval.destructive,
            tables: approval.tables,
            columns: approval.columns,
            authors: approval.authors,
            revision: approval.revision,
            app: approval.app,
            subject: approval.subject,
            actor: approval.actor,
            parameters: approval.parameters,
            parameters_sha256: approval.parameters_sha256,
            requested: approval.request_time.map(|time| time.to_string()).unwrap_or_default(),
            expires: approval.expire_time.map(|time| time.to_string()).unwrap_or_default(),
            rows_max: approval.rows_max,
            uses_left: approval.uses_left.filter(|_| !approval.decided_by.is_empty()),
            decided_by: approval.decided_by,
            decided: approval.decide_time.map(|time| time.to_string()).unwrap_or_default(),
            reason: approval.reason,
            outcome: approval.outcome,
            rows: approval.rows,
            follows_unknown: approval.follows_unknown,
            similar_id: String::new(),
            diff: String::new(),
        }
    }
}

impl Printed {
    /// For a list.
    pub fn line(&self, out: &mut dyn Write) -> Result<()> {
        let Self { id, state, scope, function, resource, .. } = self;
        let text: String = plain(&self.text).split_whitespace().collect::<Vec<_>>().join(" ");
        let text: String = text.chars().take(LINE_CHARS_MAX).collect();
        writeln!(out, "{id}  {state:<9} {scope:<9} {function} on {resource}: {text}")
    }

    /// Everything, for whoever decides.
    pub fn whole(&self, out: &mut dyn Write) -> Result<()> {
        writeln!(out, "{}  {} ({})", self.id, self.state, self.scope)?;
        self.asked(out)?;
        self.said(out)?;
        if self.destructive {
            writeln!(out, "  {BAD}changes a whole table or the schema{BAD:#}")?;
        }
        if !self.follows_unknown.is_empty() {
            writeln!(out, "  {BAD}nobody knows whether {} took effect{BAD:#}", self.follows_unknown)?;
        }
        writeln!(out)?;
        plain(&self.text).lines().try_for_each(|line| writeln!(out, "    {line}"))?;
        self.difference(out)
    }

    fn asked(&self, out: &mut dyn Write) -> Result<()> {
        row(out, "function", &format!("{} in {}", self.function, self.environment))?;
        row(out, "resource", &self.resource)?;
        row(out, "author", &self.authors.join(", "))?;
        row(out, "revision", &self.revision)?;
        row(out, "class", &self.class)?;
        row(out, "tables", &self.tables.join(", "))?;
        row(out, "columns", &self.columns.join(", "))?;
        row(out, "called by", [&self.app, &self.subject, &self.actor].map(String::as_str).join(" ").trim())?;
        row(out, "parameters", if self.parameters.is_empty() { &self.parameters_sha256 } else { &self.parameters })?;
        row(out, "requested", &self.requested)
    }

    fn said(&self, out: &mut dyn Write) -> Result<()> {
        row(out, "ends", &self.expires)?;
        row(out, "row cap", &self.rows_max.map(|rows| rows.to_string()).unwrap_or_default())?;
        row(out, "uses left", &self.uses_left.map(|uses| uses.to_string()).unwrap_or_default())?;
        row(out, "decided", [&self.decided_by, &self.decided].map(String::as_str).join(" ").trim())?;
        row(out, "reason", &self.reason)?;
        row(out, "outcome", &self.outcome)?;
        row(out, "rows", &self.rows.map(|rows| rows.to_string()).unwrap_or_default())
    }

    fn difference(&self, out: &mut dyn Write) -> Result<()> {
        if self.diff.is_empty() {
            return Ok(());
        }
        writeln!(out, "\n  against {}:", self.similar_id)?;
        for line in plain(&self.diff).lines() {
            match line.chars().next() {
                Some('-') => writeln!(out, "    {GONE}{line}{GONE:#}")?,
                Some('+') => writeln!(out, "    {NEW}{line}{NEW:#}")?,
                _ => writeln!(out, "    {line}")?,
            }
        }
        Ok(())
    }
}

/// A fact with its name, where there is one.
fn row(out: &mut dyn Write, name: &str, value: &str) -> Result<()> {
    if value.is_empty() { Ok(()) } else { writeln!(out, "  {name:<12} {}", plain(value)) }
}

/// A preview as printed.
#[derive(Serialize)]
pub struct PrintedPreview {
    affected: u64,
    tables: Vec<PrintedTable>,
    columns: Vec<String>,
    sample: Vec<Vec<String>>,
}

#[derive(Serialize)]
struct PrintedTable {
    name: String,
    inserted: u64,
    updated: u64,
    deleted: u64,
}

impl From<PreviewResponse> for PrintedPreview {
    fn from(seen: PreviewResponse) -> Self {
        let table =
            |AffectedTable { name, inserted, updated, deleted }| PrintedTable { name, inserted, updated, deleted };
        Self {
            affected: seen.affected,
            tables: seen.tables.into_iter().map(table).collect(),
            columns: seen.columns,
            sample: seen.sample.into_iter().map(|row| row.values).collect(),
        }
    }
}

impl PrintedPreview {
    /// Everything.
    pub fn whole(&self, out: &mut dyn Write) -> Result<()> {
        writeln!(out, "{} rows would change", self.affected)?;
        for PrintedTable { name, inserted, updated, deleted } in &self.tables {
            writeln!(out, "  {:<32} {inserted} new, {updated} changed, {deleted} gone", plain(name))?;
        }
        if self.sample.is_empty() {
            return Ok(());
        }
        writeln!(out, "some of them, as they are now and masked:\n  {}", plain(&self.columns.join(" | ")))?;
        self.sample.iter().try_for_each(|row| writeln!(out, "  {}", plain(&row.join(" | "))))
    }
}
