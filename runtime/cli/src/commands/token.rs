//! `airlock token`.

use std::{io::Write, path::Path, process::ExitCode};

use airlock_access::{
    Claims, Confirmation, Expectations, KeySet, LIFETIME_MAX_S, SigningKey, Thumbprint, Validity, inspect, mint,
    public_jwks,
};
use airlock_model::Principal;
use anyhow::Context;
use serde_json::json;

use crate::{
    args::{MintOptions, TokenCommand},
    client::text_argument,
    keys,
    output::{self, EXIT_REFUSED, Style},
    tls,
};

/// Makes keys and tokens, and judges tokens.
pub fn run(command: TokenCommand, style: Style) -> anyhow::Result<ExitCode> {
    match command {
        TokenCommand::Keygen { key, jwks, algorithm, kid } => keygen(&key, &jwks, &algorithm, &kid),
        TokenCommand::Mint(options) => mint_one(&options, style),
        TokenCommand::Inspect { jwks, instance, issuer } => {
            let expectations = Expectations { instance, issuer, ..Expectations::default() };
            judge(&jwks, &expectations, style)
        }
    }
}

fn keygen(key_path: &Path, jwks_path: &Path, algorithm: &str, kid: &str) -> anyhow::Result<ExitCode> {
    let algorithm = algorithm.parse().map_err(|_| anyhow::anyhow!("`{algorithm}` is not `EdDSA` or `ES256`"))?;
    let key = SigningKey::generate(algorithm, kid)?;
    keys::write(key_path, &key)?;
    std::fs::write(jwks_path, public_jwks(&[&key]))
        .with_context(|| format!("cannot write `{}`", jwks_path.display()))?;
    output::progress("Created", format!("{} and {}", key_path.display(), jwks_path.display()));
    Ok(ExitCode::SUCCESS)
}

fn mint_one(options: &MintOptions, style: Style) -> anyhow::Result<ExitCode> {
    let key = keys::read(&options.key)?;
    let principal = Principal {
        tenant: options.tenant.parse()?,
        app: options.app.parse()?,
        subject: options.subject.clone(),
        actor: None,
    };
    if options.lifetime_s > LIFETIME_MAX_S {
        output::warning(format!(
            "servers refuse lifetimes above {LIFETIME_MAX_S} s unless `[tokens] max_lifetime_s` says otherwise"
        ));
    }
    let validity = Validity { issued_at_unix_s: now_unix_s(), lifetime_s: options.lifetime_s };
    let environment = options.environment.parse()?;
    let claims = Claims::new(&options.issuer, principal, &options.instance, environment, validity);
    let scopes = options.scopes.iter().map(|scope| scope.parse()).collect::<Result<Vec<_>, _>>()?;
    let claims = claims.scope(scopes).bound_to(holder(options)?);
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
    let keys = KeySet::parse(&text).with_context(|| format!("`{}` is not a JWKS of public keys", jwks.display()))?;
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
