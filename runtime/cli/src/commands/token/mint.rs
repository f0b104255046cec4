//! `airlock token mint`: by the key of a platform, or by that of a desk.

use std::{num::NonZeroU32, process::ExitCode};

use airlock_access::{
    Claims, Confirmation, LIFETIME_MAX_S, LIFETIME_WRITE_MAX_S, SigningKey, Thumbprint, Validity, mint,
};
use airlock_model::{ControlScope, EnvironmentName, Grant, Principal, Scope};
use airlock_service::Config;
use anyhow::Context;
use serde_json::json;

use super::now_unix_s;
use crate::{
    args::MintOptions,
    client::text_argument,
    desk::{self, Desk},
    keys,
    output::{self, Style},
    tls,
};

/// By whom, and for which server.
struct Issuer {
    key: SigningKey,
    iss: String,
    instance: String,
    /// The caps on lifetimes there: of tokens, and of those that let anything be written.
    lifetimes_max_s: (u64, u64),
}

impl Issuer {
    fn of_platform(options: &MintOptions) -> anyhow::Result<Self> {
        let key = options.key.as_deref().context("say --key, or --dev")?;
        Ok(Self {
            key: keys::read(key)?,
            iss: options.issuer.clone().context("say --issuer, or --dev")?,
            instance: options.instance.clone().unwrap_or_else(|| "airlock".to_owned()),
            lifetimes_max_s: (LIFETIME_MAX_S, LIFETIME_WRITE_MAX_S),
        })
    }

    fn of_desk(Desk { config, key, .. }: Desk) -> Self {
        let tokens = &config.tokens;
        let lifetimes_max_s = (tokens.max_lifetime_s, tokens.lifetime_write_max_s());
        Self { iss: key.key_id().to_owned(), key, instance: tokens.instance.clone(), lifetimes_max_s }
    }

    /// As long as may be, unless somebody says how long.
    fn lifetime_s(&self, asked: Option<u64>, scopes: &[Scope]) -> u64 {
        let writes = scopes.iter().any(|scope| matches!(scope, Scope::Resource(grant) if grant.operation.writes()));
        let (usual, of_writes) = self.lifetimes_max_s;
        let (longest, setting) = if writes { (of_writes, "max_lifetime_write_s") } else { (usual, "max_lifetime_s") };
        let lifetime_s = asked.unwrap_or(longest);
        if lifetime_s > longest {
            output::warning(format!(
                "servers refuse lifetimes above {longest} s unless `[tokens] {setting}` says otherwise"
            ));
        }
        lifetime_s
    }
}

/// Mints one and prints it.
pub fn run(options: &MintOptions, style: Style) -> anyhow::Result<ExitCode> {
    let environment: EnvironmentName = options.environment.parse()?;
    let mut scopes = options.scopes.iter().map(|scope| scope.parse()).collect::<Result<Vec<Scope>, _>>()?;
    let mut functions = options.functions.clone();
    let issuer = if options.dev {
        let desk = desk::open(options.config.as_deref())?;
        if scopes.is_empty() {
            scopes = scopes_of_desk(&desk.config, &environment);
        }
        if functions.is_empty() {
            functions.push("*".to_owned());
        }
        Issuer::of_desk(desk)
    } else {
        Issuer::of_platform(options)?
    };
    let validity =
        Validity { issued_at_unix_s: now_unix_s(), lifetime_s: issuer.lifetime_s(options.lifetime_s, &scopes) };
    let claims = Claims::new(&issuer.iss, principal(options)?, &issuer.instance, environment, validity);
    let claims = claims.scope(scopes).calls_max(options.calls.and_then(NonZeroU32::new)).bound_to(holder(options)?);
    let claims = if functions.iter().any(|name| name == "*") {
        claims.every_function()
    } else {
        claims.functions(functions.iter().map(|name| name.parse()).collect::<Result<Vec<_>, _>>()?)
    };
    let token = mint(&issuer.key, &claims)?;
    style.print(&json!({ "token": token }), |out| writeln!(out, "{token}"))?;
    Ok(ExitCode::SUCCESS)
}

/// Who calls: as said, and at a desk whoever sits there.
fn principal(options: &MintOptions) -> anyhow::Result<Principal> {
    let said = |given: &Option<String>, at_desk: &str| given.clone().unwrap_or_else(|| at_desk.to_owned());
    Ok(Principal {
        tenant: said(&options.tenant, "dev").parse()?,
        app: said(&options.app, "desk").parse()?,
        subject: said(&options.subject, &desk::user()),
        actor: None,
    })
}

/// Every right on the control plane, and every use of a resource that writes nothing: writes make a token live shorter, so
/// whoever wants them says so.
fn scopes_of_desk(config: &Config, environment: &EnvironmentName) -> Vec<Scope> {
    let bound = config.resources.iter().flat_map(|(name, resource)| resource.bindings().map(move |one| (name, one)));
    let uses = bound.filter(|(_, (of, _))| *of == environment).flat_map(|(name, (_, binding))| {
        let operations = binding.operations().iter().filter(|operation| !operation.writes());
        operations.map(|operation| Grant { resource: name.clone(), operation: operation.clone() })
    });
    let rights = ControlScope::ALL.into_iter().map(Scope::Control);
    rights.chain(uses.map(Scope::Resource)).collect()
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
