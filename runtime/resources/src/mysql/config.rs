//! `engine = "mysql"` as the operator writes it.

use std::{
    num::{NonZeroU16, NonZeroU64},
    path::{Path, PathBuf},
};

use airlock_model::Operation;
use serde::Deserialize;

use crate::database::{RoleConfig, ServerConfig, TlsMode};

/// A database on a MySQL or MariaDB server. Holds secret references, so it is not `Clone`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MysqlConfig {
    /// Host name or IP address of the server.
    pub host: String,
    /// TCP port; 3306 unless set.
    #[serde(default = "port_default")]
    pub port: NonZeroU16,
    /// Name of the database.
    pub database: String,
    /// The account that reads.
    pub read: RoleConfig,
    /// The account that writes; needed where `operations` has `write` or `ddl`.
    #[serde(default)]
    pub write: Option<RoleConfig>,
    /// What the environment allows: `read`, `write`, `ddl`.
    pub operations: Vec<Operation>,
    /// Calls of all functions together in a second, spread evenly; as many as come unless set. Those beyond wait their turn.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub calls_per_second_max: Option<NonZeroU64>,
    /// How the connection is protected; `verify-full` unless set.
    #[serde(default)]
    pub tls: TlsMode,
    /// PEM certificates to trust instead of the public ones.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Address ranges that are allowed although they are not global: `["10.0.0.0/8"]`.
    #[serde(default)]
    pub allow_private: Vec<String>,
    /// Functions of the database's own that only read: `name` or `database.name`, as statements call them.
    #[serde(default)]
    pub read_functions: Vec<String>,
    /// Most connections of one role; 8 unless set.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub connections_max: Option<NonZeroU64>,
    /// Most connections of one role that one tenant's calls hold at a time; half of `connections_max` unless set.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub connections_per_tenant_max: Option<NonZeroU64>,
    /// Longest time to resolve, connect and log in, in milliseconds; 3 s unless set.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub connect_timeout_ms: Option<NonZeroU64>,
}

impl MysqlConfig {
    /// Takes every relative path from `base`.
    pub(crate) fn resolve_paths(&mut self, base: &Path) {
        self.ca_file = self.ca_file.take().map(|file| base.join(file));
        self.read.password.resolve_path(base);
        if let Some(write) = &mut self.write {
            write.password.resolve_path(base);
        }
    }

    /// The SQL that makes the accounts, for the server's own client. Holds no secret.
    #[must_use]
    pub fn provisioning(&self) -> String {
        super::provision::script(self)
    }

    /// What every database server's binding has.
    pub(crate) fn server(&self) -> ServerConfig<'_> {
        ServerConfig {
            host: &self.host,
            port: self.port.get(),
            database: &self.database,
            read: &self.read,
            write: self.write.as_ref(),
            operations: &self.operations,
            tls: self.tls,
            ca_file: self.ca_file.as_deref(),
            allow_private: &self.allow_private,
            connections_max: self.connections_max,
            connections_per_tenant_max: self.connections_per_tenant_max,
            connect_timeout_ms: self.connect_timeout_ms,
        }
    }
}

fn port_default() -> NonZeroU16 {
    const PORT: NonZeroU16 = NonZeroU16::new(3306).unwrap();
    PORT
}
