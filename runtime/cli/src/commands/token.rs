//! `airlock token`.

mod served;

use std::{io::Write, num::NonZeroU32, path::Path, process::ExitCode};

use airlock_access::{
    Algorithm, Claims, Confirmation, Expectations, KeySet, LIFETIME_MAX_S, LIFETIME_WRITE_MAX_S, Thumbprint, Validity,
    inspect, mint,
};
use airlock_model::{Principal, Scope};
use anyhow::Context;
use serde_json::json;

use crate::{
    args::{MintOptions, TokenCommand},
    client::text_argument,
    commands, keys,
    output::{self, EXIT_REFUSED, Style},
    tls,
};

/// Makes keys and tokens, and judges tokens.
pub async fn run(command: TokenCommand, style: Style) -> anyhow::Result<ExitCode> {
    match command {
        TokenCommand::Keygen(options) => commands::keys::new(&options, style),
        TokenCommand::Mint(options) => mint_one(&options, style),
        TokenCommand::Inspect { jwks, instance, issuer } => {
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

fn mint_one(options: &MintOptions, style: Style) -> anyhow::Result<ExitCode> {
    let key = keys::read(&options.key)?;
    let principal = Principal {
        tenant: options.tenant.parse()?,
        app: options.app.parse()?,
        subject: options.subject.clone(),
        actor: None,
    };
    let scopes = options.scopes.iter().map(|scope| scope.parse()).collect::<Result<Vec<Scope>, _>>()?;
    let writes = scopes.iter().any(|scope| matches!(scope, Scope::Resource(grant) if grant.operation.writes()));
    let (longest, setting) =
        if writes { (LIFETIME_WRITE_MAX_S, "max_lifetime_write_s") } else { (LIFETIME_MAX_S, "max_lifetime_s") };
    let lifetime_s = options.lifetime_s.unwrap_or(longest);
    if lifetime_s > longest {
        output::warning(format!(
            "servers refuse lifetimes above {longest} s unless `[tokens] {setting}` says otherwise"
        ));
    }
    let validity = Validity { issued_at_unix_s: now_unix_s(), lifetime_s };
    let environment = options.environment.parse()?;
    let claims = Claims::new(&options.issuer, principal, &options.instance, environment, validity);
    let claims = claims.scope(scopes).calls_max(options.calls.and_then(NonZeroU32::new)).bound_to(holder(options)?);
    let claims = if options.functions.iter().any(|name| name == "*") {
        claims.every_function()
    } else {
        claims.functions(options.functions.iter().map(|name| name.parse()).collect::<Result<Vec<_>, _>>()?)
    };
    let token = mint(&key, &claims)?;
    style.print(&json!({ "token": token }), |out| writeln!(out, "{token}"))?;
    Ok(ExitCode::SUCCESS)
}

/// Whom the token is bound to.
fn holder(options: &MintOptions) -> anyhow::Result<Option<Confirmation>> {
    let certificate = options.bind_certificate.as_deref().map(tls::certificate_thumbprint).transpose()?;
    let key = options.bind_key.as_deref().map(|argument| {
        let text = text_argument(argument)?;
        Thumbprint::of_public_key(&text).context("`--bind-key` is not an Ed25519 or P-256 public key as a JWK")
    });
    Ok(Confirmation::new(certificate, key.transpose()?))
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
