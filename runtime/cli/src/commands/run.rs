//! `airlock run`: one call on the desk, by production's rules.

use std::{collections::BTreeMap, path::Path, process::ExitCode, time::Duration};

use airlock_access::{Algorithm, Claims, SigningKey, Validity, mint, public_jwks};
use airlock_model::{
    ControlScope, EffectiveLimits, EnvironmentName, FunctionError, FunctionManifest, Grant, InvokeRequest, Limit,
    LimitSource, Limits, LogLine, Principal, Scope, Usage,
};
use airlock_service::{Answer, App, Config, Holding, InvokeCall, Presented, Sender, Upload};
use airlock_toolchain::{Built, Project};
use anyhow::Context;
use serde::Serialize;
use tokio::sync::mpsc;

use super::{build, packages, said::Said, token::now_unix_s};
use crate::{
    args::RunOptions,
    client::{Rejected, text_argument},
    host, output,
    output::{EXIT_FUNCTION_ERROR, Style},
};

const ISSUER: &str = "airlock-run";
/// Part of a limit from which a developer should hear about it, in percent.
const WARN_FROM_PERCENT: u64 = 70;

/// A call as a document.
#[derive(Serialize)]
struct Ran<'a> {
    #[serde(flatten)]
    said: Said,
    usage: &'a Usage,
    percent_of_limit: BTreeMap<&'static str, u64>,
}

/// Builds, deploys to a throwaway state, calls once, and prints result and usage.
pub async fn run(options: RunOptions, style: Style) -> anyhow::Result<ExitCode> {
    let payload = text_argument(&options.input)?;
    let (project, built) = build::build(&options.project)?;
    let built = packages::with_files(&project, built)?;
    require_bindings(&options, &project)?;
    let state = tempfile::tempdir().context("cannot make a temporary directory")?;
    let key = SigningKey::generate(Algorithm::EdDsa, "run")?;
    let config = config(&options, state.path(), &key)?;
    let limits = limits(&config, &options.environment.parse()?, &project.manifest);
    let token = token(&key, &config.tokens.instance, &options.environment, &project.manifest)?;
    let app = host::open(config, &host::cache_dir(options.project.cache.cache_dir.as_deref())?, Vec::new()).await?;
    deploy(&app, &token, &options.environment, &project, built).await?;
    let request =
        InvokeRequest { function: project.name, environment: options.environment.parse()?, alias: None, payload };
    let (answer, usage) = call(&app, token, request).await?;
    show(&answer, &usage, &limits, style)?;
    Ok(match answer {
        Answer::Returned(_) => ExitCode::SUCCESS,
        Answer::FunctionError(_) => ExitCode::from(EXIT_FUNCTION_ERROR),
    })
}

/// Without a configuration nothing is bound, which the deploy would say in words meant for an operator.
fn require_bindings(options: &RunOptions, project: &Project) -> anyhow::Result<()> {
    let names: Vec<_> = project.manifest.resources.keys().map(|name| format!("`{name}`")).collect();
    anyhow::ensure!(
        options.config.is_some() || names.is_empty(),
        "`{}` uses {}, which a configuration binds to a backend: pass one with `--config airlock.toml`",
        project.name,
        names.join(", ")
    );
    Ok(())
}

/// The operator's configuration with a state and an issuer of our own; without one, an environment that binds nothing.
fn config(options: &RunOptions, state: &Path, key: &SigningKey) -> anyhow::Result<Config> {
    let jwks = state.join("run-keys.json");
    std::fs::write(&jwks, public_jwks(&[key]))?;
    let own = format!(
        "[isolation]\nlevel = \"L0\"\n[state]\ndir = {:?}\n[[tokens.issuer]]\niss = {ISSUER:?}\njwks = {{ file = {:?} }}\n[environments.{}]\nwrites = \"allow\"\n",
        state.join("state"),
        jwks,
        options.environment
    );
    let own = Config::parse(&own, "the runner's own configuration", &[], state)?;
    let Some(path) = &options.config else { return Ok(own) };
    let mut config = Config::load(path)?;
    config.state = own.state;
    config.isolation = own.isolation;
    config.tokens.issuer = own.tokens.issuer;
    // Nobody listens, and the one token is handed over in this process.
    config.tokens.sender_bound = own.tokens.sender_bound;
    (config.server.tls, config.server.control_tls) = (None, None);
    // One token for the whole run, by an issuer of its own.
    (config.tokens.max_lifetime_s, config.tokens.max_lifetime_write_s) = (LIFETIME_S, Some(LIFETIME_S));
    Ok(config)
}

/// The limits that `call` will have in force.
fn limits(config: &Config, environment: &EnvironmentName, manifest: &FunctionManifest) -> EffectiveLimits {
    let operator: Limits = config.limits.operator();
    let mut limits = EffectiveLimits::new(operator);
    if let Some(environment) = config.environments.get(environment) {
        limits.tighten(&environment.limits, LimitSource::Environment);
    }
    limits.tighten(&manifest.limits, LimitSource::Function);
    limits
}

/// Of the token of a run, in seconds.
const LIFETIME_S: u64 = 300;

/// A token for everything the function declares, and for deploying it.
fn token(key: &SigningKey, instance: &str, environment: &str, manifest: &FunctionManifest) -> anyhow::Result<String> {
    let principal = Principal {
        tenant: "local".parse()?,
        app: "airlock-run".parse()?,
        subject: "developer".to_owned(),
        actor: None,
    };
    let validity = Validity { issued_at_unix_s: now_unix_s(), lifetime_s: LIFETIME_S };
    let grants = manifest.grants();
    let scopes = grants.iter().cloned().map(|grant: Grant| Scope::Resource(grant));
    // Whoever runs a function on their own desk may also deploy it there, whatever it names.
    let scopes = scopes.chain([ControlScope::FunctionDeploy, ControlScope::ResourceEdit].map(Scope::Control));
    let claims = Claims::new(ISSUER, principal, instance, environment.parse()?, validity)
        .functions([manifest.name.clone()])
        .scope(scopes);
    Ok(mint(key, &claims)?)
}

async fn deploy(app: &App, token: &str, environment: &str, project: &Project, built: Built) -> anyhow::Result<()> {
    let upload = Upload {
        environment: environment.parse()?,
        manifest_toml: project.manifest_text.clone(),
        component: built.component,
        sources: built.sources.into_iter().collect(),
        signature: None,
    };
    let deployment = app.deploy(Presented::bearer(Some(token)), upload).await.map_err(Rejected::from)?;
    for finding in &deployment.findings {
        output::warning(&finding.message);
    }
    Ok(())
}

async fn call(app: &App, token: String, request: InvokeRequest) -> anyhow::Result<(Answer, Usage)> {
    let (logs, mut lines) = mpsc::channel::<LogLine>(64);
    let printer = tokio::spawn(async move {
        while let Some(line) = lines.recv().await {
            output::progress(line.level.as_str(), &line.message);
        }
    });
    let call = InvokeCall {
        bearer: Some(token),
        sender: Sender::default(),
        request,
        remaining: None::<Duration>,
        logs: Some(logs),
        request_id: None,
        begun: None,
        holding: Holding::default(),
        trace: None,
    };
    let ended = app.invoke(call).await;
    printer.await?;
    let reply = ended.map_err(|error| Rejected::from(error.failure))?;
    Ok((reply.answer, reply.usage))
}

fn show(answer: &Answer, usage: &Usage, limits: &EffectiveLimits, style: Style) -> anyhow::Result<()> {
    let shares = shares(usage, limits);
    for (limit, used, percent) in &shares {
        let text = format!("{limit}: {used} of {} ({percent} %)", limits.get(*limit));
        if *percent >= WARN_FROM_PERCENT { output::warning(text) } else { output::progress("Used", text) }
    }
    let said = match answer {
        Answer::Returned(output) => Said::result(output.as_bytes()),
        Answer::FunctionError(FunctionError { code, message, details }) => {
            Said::function_error(code.clone(), message.clone(), details.as_bytes())
        }
    };
    let text = said.text()?;
    let percent_of_limit = shares.iter().map(|(limit, _, percent)| (limit.name(), *percent)).collect();
    style.print(&Ran { said, usage, percent_of_limit }, |out| writeln!(out, "{text}"))
}

/// What was used of each limit that usage is known for: limit, used, percent.
fn shares(usage: &Usage, limits: &EffectiveLimits) -> Vec<(Limit, u64, u64)> {
    let used = [
        (Limit::Fuel, usage.fuel),
        (Limit::MemoryBytes, usage.memory_bytes),
        (Limit::WallTimeMs, usage.wall_us.div_ceil(1_000)),
        (Limit::HostCalls, usage.host_calls),
        (Limit::HostBytes, usage.host_bytes),
        (Limit::LogBytes, usage.log_bytes),
        (Limit::EgressBytes, usage.egress_bytes),
    ];
    let share = |(limit, used): (Limit, u64)| (limit, used, used.saturating_mul(100) / limits.get(limit));
    used.into_iter().map(share).filter(|(_, used, _)| *used > 0).collect()
}
