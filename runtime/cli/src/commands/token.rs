//! `airlock token`.

mod mint;
mod served;

use std::{io::Write, path::Path, process::ExitCode};

use airlock_access::{Algorithm, Expectations, KeySet, inspect};
use anyhow::Context;

use crate::{
    args::{InspectTokenOptions, TokenCommand},
    client::text_argument,
    commands,
    output::{EXIT_REFUSED, Style},
};

/// Makes keys and tokens, and judges tokens.
pub async fn run(command: TokenCommand, style: Style) -> anyhow::Result<ExitCode> {
    match command {
        TokenCommand::Keygen(options) => commands::keys::new(&options, style),
        TokenCommand::Mint(options) => mint::run(&options, style),
        TokenCommand::Inspect(InspectTokenOptions { jwks, instance, issuer }) => {
            let expectations = Expectations { instance, issuer, ..Expectations::default() };
            judge(&jwks, &expectations, style)
        }
        TokenCommand::Exchange(options) => served::exchange(&options, style).await,
        TokenCommand::Attenuate(options) => served::attenuate(&options, style).await,
        TokenCommand::Revoke(options) => served::revoke(&options, style).await,
        TokenCommand::Revocations(options) => served::revocations(&options, style).await,
        TokenCommand::Lift(options) => served::lift(&options, style).await,
    }
}

fn judge(jwks: &Path, expectations: &Expectations, style: Style) -> anyhow::Result<ExitCode> {
    let text = std::fs::read_to_string(jwks).with_context(|| format!("cannot read `{}`", jwks.display()))?;
    let keys = KeySet::parse_with(&text, Algorithm::ALL.into_iter().collect())
        .with_context(|| format!("`{}` is not a JWKS of public keys", jwks.display()))?;
    let given = text_argument("-")?;
    let token = given.strip_suffix('\n').map_or(given.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    let inspection = inspect(token, &keys, expectations, now_unix_s());
    let good = inspection.signature.valid && inspection.claims.valid;
    style.print(&inspection, |out| {
        verdict(out, "signature", &inspection.signature)?;
        verdict(out, "claims", &inspection.claims)?;
        bound(out, inspection.claims_json.as_ref())
    })?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(EXIT_REFUSED) })
}

fn verdict(out: &mut dyn Write, what: &str, verdict: &airlock_access::Verdict) -> std::io::Result<()> {
    match &verdict.reason {
        None => writeln!(out, "{what:<10} valid"),
        Some(reason) => writeln!(out, "{what:<10} not valid: {reason}"),
    }
}

/// Whom the token says it is bound to.
fn bound(out: &mut dyn Write, claims: Option<&serde_json::Value>) -> std::io::Result<()> {
    match claims.and_then(|claims| claims.get("cnf")) {
        None => Ok(()),
        Some(cnf) => writeln!(out, "{:<10} {cnf}", "cnf"),
    }
}

/// The wall clock, for minting and judging.
#[expect(clippy::disallowed_methods, reason = "the command line reads the clock once for each command")]
pub fn now_unix_s() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs()
}
