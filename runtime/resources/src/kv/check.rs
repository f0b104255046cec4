//! From the operator's text to settings that hold.

use std::{num::NonZeroU64, path::PathBuf, time::Duration};

use airlock_model::Digest;
use ipnet::IpNet;
use rustls::pki_types::ServerName;

use super::{EmbeddedConfig, RedisConfig, Sharing, StoreTls};
use crate::{ConfigError, RoleConfig, Secret, Sources, address, config::amount};

/// A checked binding of a key-value store.
#[derive(Debug)]
pub(crate) enum KvSettings {
    Embedded(EmbeddedSettings),
    Redis(Box<RedisSettings>),
}

/// A checked embedded store.
#[derive(Debug)]
pub(crate) struct EmbeddedSettings {
    pub(super) file: PathBuf,
    pub(super) sharing: Sharing,
    pub(super) value_bytes_max: u64,
    pub(super) tenant_bytes_max: u64,
    pub(super) file_bytes_max: u64,
}

/// A checked Redis binding.
#[derive(Debug)]
pub(crate) struct RedisSettings {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) database: u16,
    pub(super) login: Option<Login>,
    pub(super) prefix: Option<String>,
    pub(super) sharing: Sharing,
    /// How to speak TLS, and with whom; `None` for no TLS.
    pub(super) tls: Option<(rustls::ClientConfig, ServerName<'static>)>,
    pub(super) allow_private: Vec<IpNet>,
    pub(super) value_bytes_max: u64,
    pub(super) connections_max: usize,
    pub(super) connections_per_tenant_max: usize,
    pub(super) connect_timeout: Duration,
}

/// Who logs in.
#[derive(Debug)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: Secret,
}

const VALUE_BYTES_DEFAULT: u64 = 1 << 20;
const VALUE_BYTES_MAX: u64 = 16 << 20;
const TENANT_BYTES_DEFAULT: u64 = 64 << 20;
const FILE_BYTES_DEFAULT: u64 = 1 << 30;
const FILE_BYTES_MAX: u64 = 1 << 40;
const CONNECTIONS_DEFAULT: u64 = 8;
const CONNECTIONS_MAX: u64 = 1_000;
const TIMEOUT_MS_MAX: u64 = 10 * 60 * 1000;
const PREFIX_BYTES_MAX: usize = 128;

impl KvSettings {
    /// Tells two credentials apart without showing either.
    pub(crate) fn credential_mark(&self) -> Option<Digest> {
        match self {
            Self::Embedded(_) => None,
            Self::Redis(settings) => settings
                .login
                .as_ref()
                .map(|login| Digest::of_parts(&[login.user.as_bytes(), login.password.expose().as_bytes()])),
        }
    }
}

/// Checks what the operator wrote.
///
/// # Errors
/// When an amount is too large, or nobody has said where the state directory is.
pub(crate) fn check_embedded(config: &EmbeddedConfig) -> Result<KvSettings, ConfigError> {
    if config.file.as_os_str().is_empty() {
        return Err(ConfigError::Key { key: "engine", rule: "is \"embedded\", which needs a state directory" });
    }
    let file_bytes_max = amount("file_bytes_max", config.file_bytes_max, FILE_BYTES_DEFAULT, FILE_BYTES_MAX)?;
    let tenant_default = TENANT_BYTES_DEFAULT.min(file_bytes_max);
    Ok(KvSettings::Embedded(EmbeddedSettings {
        file: config.file.clone(),
        sharing: Sharing::of(config.shared),
        value_bytes_max: amount("value_bytes_max", config.value_bytes_max, VALUE_BYTES_DEFAULT, VALUE_BYTES_MAX)?,
        tenant_bytes_max: amount("tenant_bytes_max", config.tenant_bytes_max, tenant_default, file_bytes_max)?,
        file_bytes_max,
    }))
}

/// Checks what the operator wrote, and reads the password and the certificates.
///
/// # Errors
/// The first mistake found.
pub(crate) fn check_redis(config: &RedisConfig, sources: &Sources<'_>) -> Result<KvSettings, ConfigError> {
    let refuse = |key, rule| ConfigError::Key { key, rule };
    if config.host.is_empty() || config.host.contains(|c: char| "/@:[]".contains(c) || c.is_whitespace()) {
        // An IPv6 address is the one host with colons.
        config.host.parse::<std::net::Ipv6Addr>().map_err(|_| {
            refuse("host", "has to be a host name or an IP address alone: `port` and `login` are keys of their own")
        })?;
    }
    let allow_private = address::parse_nets(&config.allow_private)?;
    if config.tls == StoreTls::Disable && allow_private.is_empty() {
        let rule = "is \"disable\", which does not check who answers: list the server's address in `allow_private`";
        return Err(refuse("tls", rule));
    }
    let connections_max = amount("connections_max", config.connections_max, CONNECTIONS_DEFAULT, CONNECTIONS_MAX)?;
    let half = connections_max.div_ceil(2);
    let per_tenant = amount("connections_per_tenant_max", config.connections_per_tenant_max, half, connections_max)?;
    Ok(KvSettings::Redis(Box::new(RedisSettings {
        tls: tls(config)?,
        host: config.host.clone(),
        port: config.port.get(),
        database: config.database,
        login: config.login.as_ref().map(|written| login(written, sources)).transpose()?,
        prefix: prefix(config.prefix.as_deref())?,
        sharing: Sharing::of(config.shared),
        allow_private,
        value_bytes_max: amount("value_bytes_max", config.value_bytes_max, VALUE_BYTES_DEFAULT, VALUE_BYTES_MAX)?,
        connections_max: usize::try_from(connections_max).unwrap_or(usize::MAX),
        connections_per_tenant_max: usize::try_from(per_tenant).unwrap_or(usize::MAX),
        connect_timeout: timeout(config.connect_timeout_ms)?,
    })))
}

fn timeout(written: Option<NonZeroU64>) -> Result<Duration, ConfigError> {
    amount("connect_timeout_ms", written, 3_000, TIMEOUT_MS_MAX).map(Duration::from_millis)
}

fn tls(config: &RedisConfig) -> Result<Option<(rustls::ClientConfig, ServerName<'static>)>, ConfigError> {
    if config.tls == StoreTls::Disable {
        return Ok(None);
    }
    let name = ServerName::try_from(config.host.clone())
        .map_err(|_| ConfigError::Key { key: "host", rule: "is neither a host name nor an IP address" })?;
    Ok(Some((crate::tls::client(config.ca_file.as_deref())?, name)))
}

fn login(config: &RoleConfig, sources: &Sources<'_>) -> Result<Login, ConfigError> {
    if config.user.is_empty() {
        return Err(ConfigError::Key { key: "login", rule: "has an empty `user`: without a name it is `default`" });
    }
    let unread = |source| ConfigError::Password { role: "login", source };
    Ok(Login { user: config.user.clone(), password: config.password.resolve(sources).map_err(unread)? })
}

/// It ends in `:`, because the name of a tenant or a key follows: `shop` and `shopping` must not meet.
fn prefix(written: Option<&str>) -> Result<Option<String>, ConfigError> {
    let is_legal =
        |text: &str| text.ends_with(':') && text.len() <= PREFIX_BYTES_MAX && !text.contains(char::is_control);
    match written {
        Some(text) if !is_legal(text) => {
            let rule = "has to end in `:` and have at most 128 bytes without control characters";
            Err(ConfigError::Key { key: "prefix", rule })
        }
        written => Ok(written.map(str::to_owned)),
    }
}
