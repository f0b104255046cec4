//! What the demo shows at the end.

use std::io::Write;

use airlock_model::Usage;
use serde::Serialize;
use serde_json::value::RawValue;

use super::cases::Refusal;
use crate::{
    commands::audit::{Printed, line},
    output::Style,
};

/// The one document of `airlock demo --json`.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) result: Box<RawValue>,
    pub(super) usage: Usage,
    /// Everything the call touched.
    pub(super) audit: Vec<Printed>,
    pub(super) refusals: Vec<Refusal>,
}

impl Report {
    pub(super) fn print(&self, style: Style) -> anyhow::Result<()> {
        style.print(self, |out| self.text(out))
    }

    fn text(&self, out: &mut dyn Write) -> std::io::Result<()> {
        writeln!(out, "\nResult\n  {}", self.result)?;
        writeln!(out, "\nUsage")?;
        let usage = serde_json::to_value(self.usage)?;
        for (name, value) in usage.as_object().into_iter().flatten() {
            writeln!(out, "  {name:<16} {value}")?;
        }
        writeln!(out, "\nAudit trail of this call")?;
        self.audit.iter().try_for_each(|record| line(out, record))?;
        writeln!(out, "\nRefused")?;
        for refusal in &self.refusals {
            writeln!(out, "  {:<24} {}", refusal.case, refusal.reason)?;
            writeln!(out, "  {:<24} {}", "", refusal.message)?;
        }
        Ok(())
    }
}
