//! `airlock token exchange`, `attenuate`, `revoke`, `revocations` and `lift`: what a server does with tokens.

use std::{collections::HashMap, io::Write, process::ExitCode};

use airlock_proto::v1::{
    AttenuateRequest, ExchangeRequest, LiftRevocationRequest, ListRevocationsRequest, Revocation,
    TokenServiceRevokeRequest,
};
use anyhow::Context as _;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    args::{AttenuateOptions, ControlOptions, ExchangeOptions, LiftOptions, RevokeTokenOptions, RevokedThing},
    client::{Client, Rejected, text_argument, token_argument},
    output::{self, Style},
};

/// Gets a scoped token for one of an identity provider, and prints it.
pub async fn exchange(options: &ExchangeOptions, style: Style) -> anyhow::Result<ExitCode> {
    let client = Client::without_token(&options.server, &options.tls).await?;
    let asked = ExchangeRequest {
        subject_token: token_argument(&options.subject_token)?,
        actor_token: options.actor_token.as_deref().map(token_argument).transpose()?.unwrap_or_default(),
        environment: options.environment.clone(),
        functions: options.functions.clone(),
        scope: options.scopes.join(" "),
        lifetime_s: options.lifetime_s.unwrap_or(0),
        ..ExchangeRequest::default()
    };
    let answer = client.tokens().exchange(asked).await.map_err(Rejected::from)?.into_inner();
    output::progress(
        "Granted",
        format!("`{}` for {} s by {}", answer.scope, answer.expires_in, answer.granted_by.join(", ")),
    );
    let printed = json!({
        "access_token": answer.access_token,
        "token_type": answer.token_type,
        "expires_in": answer.expires_in,
        "scope": answer.scope,
        "functions": answer.functions,
        "granted_by": answer.granted_by,
    });
    style.print(&printed, |out| writeln!(out, "{}", answer.access_token))?;
    Ok(ExitCode::SUCCESS)
}

/// Gets a token that allows less, and prints it.
pub async fn attenuate(options: &AttenuateOptions, style: Style) -> anyhow::Result<ExitCode> {
    let limits = options.limits.iter().map(|text| limit(text)).collect::<anyhow::Result<HashMap<_, _>>>()?;
    let client = Client::to_control(&options.control).await?;
    let asked = AttenuateRequest {
        functions: options.functions.clone(),
        scope: options.scopes.join(" "),
        lifetime_s: options.lifetime_s.unwrap_or(0),
        limits,
        calls: options.calls.unwrap_or(0),
    };
    let answer = client.tokens().attenuate(client.request(asked)).await.map_err(Rejected::from)?.into_inner();
    output::progress("Narrowed", format!("to `{}` for {} s", answer.scope, answer.expires_in));
    let printed = json!({
        "access_token": answer.access_token,
        "expires_in": answer.expires_in,
        "scope": answer.scope,
        "functions": answer.functions,
    });
    style.print(&printed, |out| writeln!(out, "{}", answer.access_token))?;
    Ok(ExitCode::SUCCESS)
}

fn limit(text: &str) -> anyhow::Result<(String, u64)> {
    let shape = || format!("`{text}` is no limit: write NAME=VALUE, for instance `result_rows=100`");
    let (name, value) = text.split_once('=').with_context(shape)?;
    Ok((name.to_owned(), value.parse().with_context(shape)?))
}

/// Ends something, and prints what lifts it and what was cut.
pub async fn revoke(options: &RevokeTokenOptions, style: Style) -> anyhow::Result<ExitCode> {
    let client = Client::to_control(&options.control).await?;
    let (kind, value) = named(options, &client.environment())?;
    let asked = TokenServiceRevokeRequest {
        environment: client.environment(),
        kind: kind.to_owned(),
        value,
        tenant: options.of_tenant.clone().unwrap_or_default(),
        everywhere: options.everywhere,
        until_lifted: options.until_lifted,
        reason: options.reason.clone(),
    };
    let answer = client.tokens().revoke(client.request(asked)).await.map_err(Rejected::from)?.into_inner();
    let printed = Printed::from(answer.revocation.unwrap_or_default());
    output::progress("Revoked", format!("{} `{}`; {} calls were cut", printed.kind, printed.value, answer.cut.len()));
    style.print(&json!({ "revocation": printed, "cut": answer.cut }), |out| {
        printed.line(out)?;
        answer.cut.iter().try_for_each(|invocation| writeln!(out, "  cut {invocation}"))
    })?;
    Ok(ExitCode::SUCCESS)
}

fn named(options: &RevokeTokenOptions, environment: &str) -> anyhow::Result<(&'static str, String)> {
    let RevokedThing { jti, subject, app, tenant, function, resource } = &options.what;
    if jti.as_deref() == Some("-") {
        return Ok(("token", token_id_of(text_argument("-")?.trim(), options, environment)?));
    }
    let given = [
        ("token", jti),
        ("subject", subject),
        ("app", app),
        ("tenant", tenant),
        ("function", function),
        ("resource", resource),
    ];
    let given = given.into_iter().find_map(|(kind, value)| Some((kind, value.clone()?)));
    given.context("say what ends: --jti, --subject, --app, --tenant, --function or --resource")
}

/// The `jti` of a token, which is not judged: whoever found a leaked token has only its text.
fn token_id_of(token: &str, options: &RevokeTokenOptions, asked: &str) -> anyhow::Result<String> {
    let claims = airlock_access::claims_unverified(token).context("this is no token")?;
    let its = claims.get("environment").and_then(Value::as_str);
    anyhow::ensure!(
        options.everywhere || its.is_none_or(|its| its == asked),
        "the token is for environment `{}`: end it with --environment {0}, or --everywhere",
        its.unwrap_or_default()
    );
    claims.get("jti").and_then(Value::as_str).map(str::to_owned).context("the token has no `jti`")
}

/// Lists what is ended.
pub async fn revocations(options: &ControlOptions, style: Style) -> anyhow::Result<ExitCode> {
    let client = Client::to_control(options).await?;
    let asked = ListRevocationsRequest { environment: client.environment() };
    let answer = client.tokens().list_revocations(client.request(asked)).await.map_err(Rejected::from)?.into_inner();
    let listed: Vec<_> = answer.revocations.into_iter().map(Printed::from).collect();
    style.print(&listed, |out| listed.iter().try_for_each(|one| one.line(out)))?;
    Ok(ExitCode::SUCCESS)
}

/// Takes a revocation back.
pub async fn lift(options: &LiftOptions, style: Style) -> anyhow::Result<ExitCode> {
    let client = Client::to_control(&options.control).await?;
    let environment = client.environment();
    let asked = LiftRevocationRequest { environment, id: options.id.clone() };
    let answer = client.tokens().lift_revocation(client.request(asked)).await.map_err(Rejected::from)?.into_inner();
    let printed = Printed::from(answer.revocation.unwrap_or_default());
    output::progress("Lifted", format!("{} `{}`", printed.kind, printed.value));
    style.print(&printed, |out| printed.line(out))?;
    Ok(ExitCode::SUCCESS)
}

/// A revocation as printed.
#[derive(Serialize)]
struct Printed {
    id: String,
    kind: String,
    value: String,
    tenant: String,
    environment: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_until_unix_s: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_unix_s: Option<i64>,
    revoked_by: String,
    reason: String,
}

impl From<Revocation> for Printed {
    fn from(made: Revocation) -> Self {
        Self {
            id: made.id,
            kind: made.kind,
            value: made.value,
            tenant: made.tenant,
            environment: made.environment,
            issued_until_unix_s: made.issued_until.map(|time| time.seconds),
            expires_unix_s: made.expires_at.map(|time| time.seconds),
            revoked_by: made.revoked_by,
            reason: made.reason,
        }
    }
}

impl Printed {
    fn line(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let or_all = |name: &str| if name.is_empty() { "*".to_owned() } else { name.to_owned() };
        let until = match (self.issued_until_unix_s, self.expires_unix_s) {
            (Some(_), _) => "tokens so far",
            (None, Some(_)) => "until it has expired",
            (None, None) => "until lifted",
        };
        let (tenant, environment) = (or_all(&self.tenant), or_all(&self.environment));
        let Self { id, kind, value, revoked_by, reason, .. } = self;
        if value.is_empty() {
            let withheld = "(whose name is told to operators)";
            return writeln!(out, "{id}  {kind:<8} {withheld}  of {tenant} in {environment}, {until}");
        }
        writeln!(out, "{id}  {kind:<8} {value}  of {tenant} in {environment}, {until}, by {revoked_by}: {reason}")
    }
}
