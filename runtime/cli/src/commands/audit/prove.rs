//! `airlock audit prove`: whether a value is the one that a record is committed to.

use std::process::ExitCode;

use airlock_model::ValueField;
use airlock_store::Store;
use anyhow::{Context as _, bail};
use serde::Serialize;

use crate::{
    args::ProveOptions,
    client::text_argument,
    output::{EXIT_FAILURE, EXIT_TAMPERED, Style},
};

#[derive(Serialize)]
struct Proof {
    seq: u64,
    field: ValueField,
    verdict: Verdict,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Proven,
    Another,
    Erased,
    Tampered,
}

impl Verdict {
    const fn said(self) -> &'static str {
        match self {
            Self::Proven => "proven: it was this value",
            Self::Another => "not proven: it was another value, or other bytes of it",
            Self::Erased => {
                "nobody can tell any more: the salt is gone (`airlock audit verify` says whether it was erased)"
            }
            Self::Tampered => "what is kept beside the record is not what was written",
        }
    }

    fn code(self) -> ExitCode {
        match self {
            Self::Proven => ExitCode::SUCCESS,
            Self::Another | Self::Erased => ExitCode::from(EXIT_FAILURE),
            Self::Tampered => ExitCode::from(EXIT_TAMPERED),
        }
    }
}

/// Judges by what the state directory keeps. That the record itself is what was written, `verify` says.
pub async fn run(options: &ProveOptions, style: Style) -> anyhow::Result<ExitCode> {
    let (seq, field) = (options.seq, ValueField::from(options.field));
    let value = text_argument(&options.value)?;
    let reader = Store::open_read_only(&options.state.state)?;
    let (record, values) = reader
        .record_with_salts(seq)
        .await?
        .with_context(|| format!("there is no record {seq}: `airlock audit query` shows which there are"))?;
    let Some(commitment) = record.event.commitment(field) else {
        bail!("record {seq} has no commitment to its {}: look for the intent of a host call", field.as_str());
    };
    let verdict = match values.iter().find(|value| value.field == field) {
        None => Verdict::Erased,
        Some(kept) if kept.commitment() != commitment => Verdict::Tampered,
        Some(kept) if kept.opens_to(value.as_bytes()) => Verdict::Proven,
        Some(_) => Verdict::Another,
    };
    style.print(&Proof { seq, field, verdict }, |out| writeln!(out, "{}", verdict.said()))?;
    Ok(verdict.code())
}
