//! Tokens that a server gives, narrows and ends.

use std::path::PathBuf;

use clap::Args;

use super::{ControlOptions, TlsOptions};

#[derive(Args)]
pub struct MintOptions {
    /// For the server that `airlock serve --dev` starts here: by its key; for every function unless --function says otherwise,
    /// and for everything but writes unless --scope does.
    #[arg(long)]
    pub dev: bool,
    /// With --dev: the configuration file of that server [default: airlock.toml].
    #[arg(long, requires = "dev")]
    pub config: Option<PathBuf>,
    /// Private key made by `airlock keys new`.
    #[arg(long, required_unless_present = "dev", conflicts_with = "dev")]
    pub key: Option<PathBuf>,
    /// The `iss` claim, as `[[tokens.issuer]] iss` says it.
    #[arg(long, required_unless_present = "dev", conflicts_with = "dev")]
    pub issuer: Option<String>,
    /// Who pays [with --dev: dev].
    #[arg(long, required_unless_present = "dev")]
    pub tenant: Option<String>,
    /// Which application calls [with --dev: desk].
    #[arg(long, required_unless_present = "dev")]
    pub app: Option<String>,
    /// Who acts [with --dev: you].
    #[arg(long, required_unless_present = "dev")]
    pub subject: Option<String>,
    /// `[tokens] instance` of the server [default: airlock; with --dev as configured].
    #[arg(long, conflicts_with = "dev")]
    pub instance: Option<String>,
    /// Which environment.
    #[arg(short, long, default_value = "dev")]
    pub environment: String,
    /// A function it may call; repeatable; `*` for all [with --dev: *].
    #[arg(long = "function")]
    pub functions: Vec<String>,
    /// A scope such as `orders-db:read`, `crm:GET:/customers/*`, `function:deploy`; repeatable.
    #[arg(long = "scope")]
    pub scopes: Vec<String>,
    /// How many calls it is good for; any number when missing.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub calls: Option<u32>,
    /// Lifetime in seconds [default: 300, and 60 with a scope that allows writes].
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub lifetime_s: Option<u64>,
    /// Bind it to this client certificate, PEM: good only on TLS connections that show it (`cnf` with `x5t#S256`).
    #[arg(long, value_name = "FILE")]
    pub bind_certificate: Option<PathBuf>,
    /// Bind it to this public key, a JWK or a JWK set of one key, as itself, `@file` or `-`: good only with a proof for
    /// each request (`cnf` with `jkt`, DPoP).
    #[arg(long, value_name = "JWK")]
    pub bind_key: Option<String>,
}

#[derive(Args)]
pub struct InspectTokenOptions {
    /// Public keys. Without them the token is shown and not verified.
    #[arg(long)]
    pub jwks: Option<PathBuf>,
    /// Expected instance; when missing, any.
    #[arg(long)]
    pub instance: Option<String>,
    /// Expected issuer; when missing, any.
    #[arg(long)]
    pub issuer: Option<String>,
}

#[derive(Args)]
pub struct ExchangeOptions {
    /// The ID token or access token of the identity provider: text, `@file`, or `-` for standard input.
    #[arg(long, env = "AIRLOCK_SUBJECT_TOKEN", hide_env_values = true)]
    pub subject_token: String,
    /// The token of whoever acts for that person, likewise.
    #[arg(long, env = "AIRLOCK_ACTOR_TOKEN", hide_env_values = true)]
    pub actor_token: Option<String>,
    /// A function it is to be for; repeatable; `*` for all. Everything there are rights for when missing.
    #[arg(long = "function")]
    pub functions: Vec<String>,
    /// A scope it is to have; repeatable. All there are rights for when missing.
    #[arg(long = "scope")]
    pub scopes: Vec<String>,
    /// Lifetime in seconds; as long as may be when missing.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub lifetime_s: Option<u64>,
    /// Which environment.
    #[arg(short, long, default_value = "dev")]
    pub environment: String,
    /// The server's control address.
    #[arg(long, env = "AIRLOCK_CONTROL", default_value = "http://127.0.0.1:7071")]
    pub server: String,
    #[command(flatten)]
    pub tls: TlsOptions,
}

#[derive(Args)]
pub struct AttenuateOptions {
    /// A function that stays; repeatable. All stay when missing.
    #[arg(long = "function")]
    pub functions: Vec<String>,
    /// A scope that stays, maybe with a narrower path: `crm:GET:/customers/7`; repeatable. All stay when missing.
    #[arg(long = "scope")]
    pub scopes: Vec<String>,
    /// Lifetime in seconds, at most what is left.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub lifetime_s: Option<u64>,
    /// A limit, for instance `result_rows=100`; repeatable.
    #[arg(long = "limit", value_name = "NAME=VALUE")]
    pub limits: Vec<String>,
    /// How many calls it is good for.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub calls: Option<u32>,
    #[command(flatten)]
    pub control: ControlOptions,
}

#[derive(Args)]
pub struct RevokeTokenOptions {
    /// What ends.
    #[command(flatten)]
    pub what: RevokedThing,
    /// Why, in one line: shown to whoever is refused.
    #[arg(long, default_value = "")]
    pub reason: String,
    /// For a subject, app or tenant: not only the tokens issued so far, but all until it is lifted.
    #[arg(long)]
    pub until_lifted: bool,
    /// Of another tenant, or `*` for all. Needs `operator:write` too.
    #[arg(long, value_name = "NAME")]
    pub of_tenant: Option<String>,
    /// In every environment. Needs `operator:write` too.
    #[arg(long)]
    pub everywhere: bool,
    #[command(flatten)]
    pub control: ControlOptions,
}

/// One of them.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct RevokedThing {
    /// The token with this `jti`, and all that were derived from it. `-` reads a token from standard input.
    #[arg(long, value_name = "JTI")]
    pub jti: Option<String>,
    /// Tokens of this `sub`, also where it acts for somebody.
    #[arg(long, value_name = "SUB")]
    pub subject: Option<String>,
    /// Tokens of this app.
    #[arg(long, value_name = "NAME")]
    pub app: Option<String>,
    /// Tokens of this tenant.
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
    /// Calls of this function, until it is lifted.
    #[arg(long, value_name = "NAME")]
    pub function: Option<String>,
    /// Calls to this resource, until it is lifted.
    #[arg(long, value_name = "NAME")]
    pub resource: Option<String>,
}

#[derive(Args)]
pub struct LiftOptions {
    /// As `airlock token revoke` or `airlock token revocations` printed it.
    pub id: String,
    #[command(flatten)]
    pub control: ControlOptions,
}
