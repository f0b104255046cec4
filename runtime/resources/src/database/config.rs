//! From the operator's text to the settings of a server that hold.

use std::{num::NonZeroU64, path::Path, time::Duration};

use airlock_model::{Digest, Operation};
use ipnet::IpNet;
use serde::Deserialize;

use super::Tls;
use crate::{ConfigError, CredentialRef, Secret, Sources, address, config::amount};

/// A role of a database server: neither owner nor superuser. `airlock resources provision` prints the SQL that makes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleConfig {
    /// Name of the role.
    pub user: String,
    /// Its password.
    pub password: CredentialRef,
}

/// How a connection is protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// TLS with a certificate for `host` from an authority that is trusted.
    #[default]
    VerifyFull,
    /// TLS with whatever certificate the server shows. Only for addresses that `allow_private` lists.
    Require,
    /// No TLS. Only for addresses that `allow_private` lists.
    Disable,
}

/// The keys that the bindings of all database servers have.
pub(crate) struct ServerConfig<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) database: &'a str,
    pub(crate) read: &'a RoleConfig,
    pub(crate) write: Option<&'a RoleConfig>,
    pub(crate) operations: &'a [Operation],
    pub(crate) tls: TlsMode,
    pub(crate) ca_file: Option<&'a Path>,
    pub(crate) allow_private: &'a [String],
    pub(crate) connections_max: Option<NonZeroU64>,
    pub(crate) connections_per_tenant_max: Option<NonZeroU64>,
    pub(crate) connect_timeout_ms: Option<NonZeroU64>,
}

/// Those keys, checked.
#[derive(Debug)]
pub(crate) struct ServerSettings {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) database: String,
    pub(crate) read: Login,
    pub(crate) write: Option<Login>,
    pub(crate) tls: Tls,
    pub(crate) allow_private: Vec<IpNet>,
    pub(crate) connections_max: usize,
    pub(crate) connections_per_tenant_max: usize,
    pub(crate) connect_timeout: Duration,
}

/// What a role logs in with.
#[derive(Debug)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: Secret,
}

const CONNECTIONS_DEFAULT: NonZeroU64 = NonZeroU64::new(8).unwrap();
const CONNECTIONS_MAX: u64 = 1_000;
const TIMEOUT_MS_MAX: u64 = 10 * 60 * 1000;
/// Longest name that every server keeps whole, in bytes.
const NAME_BYTES_MAX: usize = 63;

impl ServerConfig<'_> {
    /// Whether the environment allows anything but reading.
    pub(crate) fn changes(&self) -> bool {
        self.operations.iter().any(|operation| matches!(operation, Operation::Write | Operation::Ddl))
    }
}

impl ServerSettings {
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
pub(crate) fn check(config: &ServerConfig<'_>, sources: &Sources<'_>) -> Result<ServerSettings, ConfigError> {
    let refuse = |key, rule| Err(ConfigError::Server { key, rule });
    if config.host.is_empty() || config.host.contains(|c: char| c == '/' || c == '@' || c.is_whitespace()) {
        return refuse(
            "host",
            "has to be a host name or an IP address alone: `port` and `database` are keys of their own",
        );
    }
    if !is_name(config.database) {
        return refuse("database", "has to be a name of 1 to 63 bytes without control characters");
    }
    let allow_private = address::parse_nets(config.allow_private)?;
    if config.tls != TlsMode::VerifyFull && allow_private.is_empty() {
        return refuse(
            "tls",
            "does not check who answers: list the server's address in `allow_private`, or use \"verify-full\"",
        );
    }
    let read = login("read", config.read, sources)?;
    let write = match config.write {
        _ if !config.changes() => None,
        None => return refuse("write", "is missing: `operations` allows changes, which need a role of their own"),
        Some(write) if write.user == config.read.user => {
            return refuse(
                "write",
                "is the role that reads: use another, or the database itself cannot tell them apart",
            );
        }
        Some(write) => Some(login("write", write, sources)?),
    };
    let connections_max = amount("connections_max", Some(connections_max(config)), 0, CONNECTIONS_MAX)?;
    let half = connections_max.div_ceil(2);
    let connections_per_tenant_max =
        amount("connections_per_tenant_max", config.connections_per_tenant_max, half, connections_max)?;
    Ok(ServerSettings {
        tls: Tls::new(config.tls, config.host, config.ca_file)?,
        host: config.host.to_owned(),
        port: config.port,
        database: config.database.to_owned(),
        read,
        write,
        allow_private,
        connections_max: usize::try_from(connections_max).unwrap_or(usize::MAX),
        connections_per_tenant_max: usize::try_from(connections_per_tenant_max).unwrap_or(usize::MAX),
        connect_timeout: amount("connect_timeout_ms", config.connect_timeout_ms, 3_000, TIMEOUT_MS_MAX)
            .map(Duration::from_millis)?,
    })
}

/// Most connections of one role.
pub(crate) fn connections_max(config: &ServerConfig<'_>) -> NonZeroU64 {
    config.connections_max.unwrap_or(CONNECTIONS_DEFAULT)
}

/// Whether every server takes a text as a name, and keeps it as it is.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control)
}

fn login(role: &'static str, config: &RoleConfig, sources: &Sources<'_>) -> Result<Login, ConfigError> {
    if !is_name(&config.user) {
        return Err(ConfigError::Server {
            key: role,
            rule: "has a `user` that is not 1 to 63 bytes without control characters",
        });
    }
    let password = config.password.resolve(sources).map_err(|source| ConfigError::Password { role, source })?;
    if password.expose().contains('\0') {
        return Err(ConfigError::Server { key: role, rule: "has a password with a NUL in it" });
    }
    Ok(Login { user: config.user.clone(), password })
}
