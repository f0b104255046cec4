//! From the operator's text to settings that hold.

use std::{num::NonZeroU64, time::Duration};

use airlock_model::Digest;
use ipnet::IpNet;

use super::{
    RoleConfig, TlsMode,
    config::PostgresConfig,
    sql::{is_name, quoted},
    tls::Tls,
};
use crate::{ConfigError, Secret, Sources, address, config::amount};

/// A checked PostgreSQL binding.
#[derive(Debug)]
pub(crate) struct PostgresSettings {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) database: String,
    pub(super) read: Login,
    pub(super) write: Option<Login>,
    pub(super) tls: Tls,
    pub(super) allow_private: Vec<IpNet>,
    /// As the setting of that name takes it.
    pub(super) search_path: String,
    pub(super) connections_max: usize,
    pub(super) connections_per_tenant_max: usize,
    pub(super) connect_timeout: Duration,
}

/// What a role logs in with.
#[derive(Debug)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: Secret,
}

const CONNECTIONS_DEFAULT: NonZeroU64 = NonZeroU64::new(8).unwrap();
const CONNECTIONS_MAX: u64 = 1_000;
const TIMEOUT_MS_MAX: u64 = 10 * 60 * 1000;

impl PostgresSettings {
    /// Tells two sets of passwords apart without showing any.
    pub(crate) fn credential_mark(&self) -> Digest {
        let password = |login: &Login| Digest::of_parts(&[login.user.as_bytes(), login.password.expose().as_bytes()]);
        let marks: Vec<_> = [&self.read].into_iter().chain(&self.write).map(password).collect();
        Digest::of_parts(&marks.iter().map(|mark| mark.as_bytes().as_slice()).collect::<Vec<_>>())
    }
}

/// Checks what the operator wrote, and reads the passwords and the certificates.
///
/// # Errors
/// The first mistake found.
pub(crate) fn check(config: &PostgresConfig, sources: &Sources<'_>) -> Result<PostgresSettings, ConfigError> {
    let refuse = |key, rule| Err(ConfigError::Postgres { key, rule });
    if config.host.is_empty() || config.host.contains(|c: char| c == '/' || c == '@' || c.is_whitespace()) {
        return refuse(
            "host",
            "has to be a host name or an IP address alone: `port` and `database` are keys of their own",
        );
    }
    if !is_name(&config.database) {
        return refuse("database", "has to be a name of 1 to 63 bytes without control characters");
    }
    let allow_private = address::parse_nets(&config.allow_private)?;
    if config.tls != TlsMode::VerifyFull && allow_private.is_empty() {
        return refuse(
            "tls",
            "does not check who answers: list the server's address in `allow_private`, or use \"verify-full\"",
        );
    }
    let read = login("read", &config.read, sources)?;
    let write = match &config.write {
        _ if !config.changes() => None,
        None => return refuse("write", "is missing: `operations` allows changes, which need a role of their own"),
        Some(write) if write.user == config.read.user => {
            return refuse("write", "is the role that reads: use another, or PostgreSQL itself cannot tell them apart");
        }
        Some(write) => Some(login("write", write, sources)?),
    };
    let connections_max = amount("connections_max", Some(connections_max(config)), 0, CONNECTIONS_MAX)?;
    let half = connections_max.div_ceil(2);
    let connections_per_tenant_max =
        amount("connections_per_tenant_max", config.connections_per_tenant_max, half, connections_max)?;
    Ok(PostgresSettings {
        tls: Tls::new(config.tls, &config.host, config.ca_file.as_deref())?,
        host: config.host.clone(),
        port: config.port.get(),
        database: config.database.clone(),
        read,
        write,
        allow_private,
        search_path: search_path(&config.search_path)?,
        connections_max: usize::try_from(connections_max).unwrap_or(usize::MAX),
        connections_per_tenant_max: usize::try_from(connections_per_tenant_max).unwrap_or(usize::MAX),
        connect_timeout: amount("connect_timeout_ms", config.connect_timeout_ms, 3_000, TIMEOUT_MS_MAX)
            .map(Duration::from_millis)?,
    })
}

/// Most connections of one role.
pub(super) fn connections_max(config: &PostgresConfig) -> NonZeroU64 {
    config.connections_max.unwrap_or(CONNECTIONS_DEFAULT)
}

fn login(role: &'static str, config: &RoleConfig, sources: &Sources<'_>) -> Result<Login, ConfigError> {
    if !is_name(&config.user) {
        return Err(ConfigError::Postgres {
            key: role,
            rule: "has a `user` that is not 1 to 63 bytes without control characters",
        });
    }
    let password = config.password.resolve(sources).map_err(|source| ConfigError::Password { role, source })?;
    if password.expose().contains('\0') {
        return Err(ConfigError::Postgres { key: role, rule: "has a password with a NUL in it" });
    }
    Ok(Login { user: config.user.clone(), password })
}

/// `pg_catalog` first, so that nothing shadows it, and temporary tables last.
fn search_path(schemas: &[String]) -> Result<String, ConfigError> {
    let is_own = |schema: &String| is_name(schema) && !schema.starts_with("pg_");
    if !schemas.iter().all(is_own) {
        let rule = "takes names of schemas of your own: `pg_catalog` comes first by itself";
        return Err(ConfigError::Postgres { key: "search_path", rule });
    }
    let own = schemas.iter().map(|schema| quoted(schema));
    let all = std::iter::once("pg_catalog".to_owned()).chain(own).chain(["pg_temp".to_owned()]);
    Ok(all.collect::<Vec<_>>().join(", "))
}
