//! `engine = "embedded"` and `engine = "redis"` as the operator writes them.

use std::{
    num::{NonZeroU16, NonZeroU64},
    path::{Path, PathBuf},
};

use airlock_model::Operation;
use serde::Deserialize;

use crate::RoleConfig;

/// A store in a file of the state directory.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddedConfig {
    /// What the environment allows: `read`, `write`.
    pub operations: Vec<Operation>,
    /// Calls of all functions together in a second, spread evenly; as many as come unless set. Those beyond wait their turn.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub calls_per_second_max: Option<NonZeroU64>,
    /// Whether all tenants have the same keys; each has its own unless set.
    #[serde(default)]
    pub shared: bool,
    /// Largest value, in bytes; 1 MiB unless set.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub value_bytes_max: Option<NonZeroU64>,
    /// Most bytes of one tenant, keys and values and 64 for each entry; 64 MiB unless set.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub tenant_bytes_max: Option<NonZeroU64>,
    /// Largest file, in bytes; 1 GiB unless set.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub file_bytes_max: Option<NonZeroU64>,
    /// The file. Nobody writes it: it follows from the names of the resource and its environment.
    #[serde(skip)]
    pub(crate) file: PathBuf,
}

/// A Redis server, or one that speaks its protocol. Holds a secret reference, so it is not `Clone`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisConfig {
    /// Host name or IP address of the server.
    pub host: String,
    /// TCP port; 6379 unless set.
    #[serde(default = "port_default")]
    pub port: NonZeroU16,
    /// Number of the database; 0 unless set.
    #[serde(default)]
    pub database: u16,
    /// Who logs in; nobody unless set. A server with one password for all has the user `default`.
    #[serde(default)]
    pub login: Option<RoleConfig>,
    /// What the environment allows: `read`, `write`.
    pub operations: Vec<Operation>,
    /// Calls of all functions together in a second, spread evenly; as many as come unless set. Those beyond wait their turn.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub calls_per_second_max: Option<NonZeroU64>,
    /// What all keys begin with, up to a `:`; `airlock:<resource>:<environment>:` unless set.
    #[serde(default)]
    pub prefix: Option<String>,
    /// Whether all tenants have the same keys; each has its own, behind its name, unless set.
    #[serde(default)]
    pub shared: bool,
    /// How the connection is protected; `verify-full` unless set.
    #[serde(default)]
    pub tls: StoreTls,
    /// PEM certificates to trust instead of the public ones.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Address ranges that are allowed although they are not global: `["10.0.0.0/8"]`.
    #[serde(default)]
    pub allow_private: Vec<String>,
    /// Largest value, in bytes; 1 MiB unless set.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub value_bytes_max: Option<NonZeroU64>,
    /// Most connections; 8 unless set.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub connections_max: Option<NonZeroU64>,
    /// Most connections that one tenant's calls hold at a time; half of `connections_max` unless set.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub connections_per_tenant_max: Option<NonZeroU64>,
    /// Longest time to resolve, connect and log in, in milliseconds; 3 s unless set.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub connect_timeout_ms: Option<NonZeroU64>,
}

/// How a connection to a store is protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreTls {
    /// TLS with a certificate for `host` from an authority that is trusted.
    #[default]
    VerifyFull,
    /// No TLS. Only for addresses that `allow_private` lists.
    Disable,
}

impl RedisConfig {
    /// Takes every relative path from `base`.
    pub(crate) fn resolve_paths(&mut self, base: &Path) {
        self.ca_file = self.ca_file.take().map(|file| base.join(file));
        if let Some(login) = &mut self.login {
            login.password.resolve_path(base);
        }
    }
}

fn port_default() -> NonZeroU16 {
    const PORT: NonZeroU16 = NonZeroU16::new(6379).unwrap();
    PORT
}
