//! `airlock token inspect`: what a token says, in words.

mod told;

use std::{path::Path, process::ExitCode};

use airlock_access::{Algorithm, Expectations, Inspection, KeySet, inspect, inspect_unverified};
use anyhow::Context;
use serde::Serialize;

use super::now_unix_s;
use crate::{
    args::InspectTokenOptions,
    client::text_argument,
    output::{EXIT_REFUSED, Style},
};
use told::Kind;

/// What is known of a token.
#[derive(Serialize)]
struct Seen {
    kind: Kind,
    /// Whether anybody looked at the signature.
    verified: bool,
    #[serde(flatten)]
    inspection: Inspection,
}

/// Shows a token, and judges it when there are keys to judge it by.
pub fn run(options: InspectTokenOptions, style: Style) -> anyhow::Result<ExitCode> {
    let InspectTokenOptions { jwks, instance, issuer } = options;
    let expectations = Expectations { instance, issuer, ..Expectations::default() };
    let given = text_argument("-")?;
    let token = given.strip_suffix('\n').map_or(given.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    let now = now_unix_s();
    let inspection = match &jwks {
        Some(file) => inspect(token, &keys(file)?, &expectations, now),
        None => inspect_unverified(token, &expectations, now),
    };
    let is_good = match jwks {
        Some(_) => inspection.signature.valid && inspection.claims.valid,
        // Nobody asked whether it is good.
        None => inspection.claims_json.is_some(),
    };
    let seen = Seen { kind: Kind::of(&inspection), verified: jwks.is_some(), inspection };
    style.print(&seen, |out| told::write(out, seen.kind, &seen.inspection, now))?;
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::from(EXIT_REFUSED) })
}

fn keys(file: &Path) -> anyhow::Result<KeySet> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    KeySet::parse_with(&text, Algorithm::ALL.into_iter().collect())
        .with_context(|| format!("`{}` is not a JWKS of public keys", file.display()))
}
