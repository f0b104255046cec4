//! One binding of a resource, as the operator writes it, and what is left of it once it has been checked.

use std::{
    num::NonZeroU64,
    path::{Path, PathBuf},
};

use airlock_model::{Digest, EnvironmentName, Operation, ResourceKind, ResourceName, UrlError};
use serde::Deserialize;

use crate::{
    HttpConfig, SecretError, Sources,
    blob::{self, BlobSettings, DirectoryConfig, S3Config},
    database::ServerSettings,
    graphql::{self, GraphqlConfig, GraphqlKeys, GraphqlSettings},
    http::{self, HttpSettings},
    kv::{self, EmbeddedConfig, KvSettings, RedisConfig},
    llm::{self, LlmConfig, LlmKeys, LlmSettings, Provider},
    mysql::{self, MysqlConfig},
    pace::Pace,
    postgres::{self, PostgresConfig, PostgresSettings},
    sqlite::{self, SqliteSettings},
};

/// `[resources.<name>.<environment>]` of the operator's configuration. Holds secret references, so it is not `Clone`.
#[derive(Debug, Deserialize)]
#[serde(tag = "engine", rename_all = "snake_case")]
pub enum BindingConfig {
    /// `engine = "sqlite"`.
    Sqlite(SqliteConfig),
    /// `engine = "http"`.
    Http(Box<HttpConfig>),
    /// `engine = "postgres"`.
    Postgres(Box<PostgresConfig>),
    /// `engine = "mysql"`: MySQL or MariaDB.
    Mysql(Box<MysqlConfig>),
    /// `engine = "embedded"`.
    Embedded(EmbeddedConfig),
    /// `engine = "redis"`.
    Redis(Box<RedisConfig>),
    /// `engine = "directory"`.
    Directory(DirectoryConfig),
    /// `engine = "s3"`.
    S3(Box<S3Config>),
    /// `engine = "graphql"`.
    Graphql(Box<GraphqlConfig>),
    /// `engine = "openai"`: OpenAI, and what speaks its protocol.
    Openai(Box<LlmConfig>),
    /// `engine = "anthropic"`.
    Anthropic(Box<LlmConfig>),
}

/// A SQLite database file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqliteConfig {
    /// The database file. It must exist when it is first used; it is never created.
    pub path: PathBuf,
    /// What the environment allows: `read`, `write`, `ddl`.
    pub operations: Vec<Operation>,
    /// Calls of all functions together in a second, spread evenly; as many as come unless set. Those beyond wait their turn.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub calls_per_second_max: Option<NonZeroU64>,
    /// Largest single value or row, in bytes; 1 MiB unless set. Larger values make single operations, which cannot be
    /// interrupted, quadratically slower.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub value_bytes_max: Option<NonZeroU64>,
}

impl BindingConfig {
    /// Takes every relative path of the binding from `base`, the directory of the configuration file.
    pub fn resolve_paths(&mut self, base: &Path) {
        match self {
            Self::Sqlite(sqlite) => sqlite.path = base.join(&sqlite.path),
            Self::Http(http) => http.resolve_paths(base),
            Self::Postgres(postgres) => postgres.resolve_paths(base),
            Self::Mysql(mysql) => mysql.resolve_paths(base),
            Self::Embedded(_) => {}
            Self::Redis(redis) => redis.resolve_paths(base),
            Self::Directory(directory) => directory.path = base.join(&directory.path),
            Self::S3(s3) => s3.resolve_paths(base),
            Self::Graphql(graphql) => graphql.resolve_paths(base),
            Self::Openai(llm) | Self::Anthropic(llm) => llm.resolve_paths(base),
        }
    }

    /// Gives the binding its place in the state directory, if it is one that keeps something there.
    pub fn keep_in(&mut self, state: &Path, resource: &ResourceName, environment: &EnvironmentName) {
        match self {
            // Names have no `.`, so no two bindings meet.
            Self::Embedded(store) => store.file = state.join("kv").join(format!("{resource}.{environment}.db")),
            Self::Sqlite(_)
            | Self::Http(_)
            | Self::Postgres(_)
            | Self::Mysql(_)
            | Self::Redis(_)
            | Self::Directory(_)
            | Self::S3(_)
            | Self::Graphql(_)
            | Self::Openai(_)
            | Self::Anthropic(_) => {}
        }
    }
}

/// Why a binding is not accepted. Names the key and what to do, never a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Nothing may be done.
    #[error("`operations` is empty: list what the environment allows, for instance {example}")]
    NoOperations {
        /// A list that would do.
        example: &'static str,
    },
    /// An operation of another kind of resource.
    #[error("`operations` has `{operation}`, which a resource of kind `{kind}` does not know")]
    Operation {
        /// As written.
        operation: Operation,
        /// Kind of the binding.
        kind: ResourceKind,
    },
    /// Not a database file.
    #[error("`path` is `{path}`: {rule}")]
    Path {
        /// As written.
        path: PathBuf,
        /// What it has to be.
        rule: &'static str,
    },
    /// Not a base URL. The value is not repeated: it may hold a password.
    #[error("`base_url` {0}")]
    BaseUrl(&'static str),
    /// A credential in clear text over the network.
    #[error(
        "`base_url` uses http:// to `{host}`: use https://, list the host's address in `allow_private` (an IP address \
         or `localhost`), or set `allow_plaintext = true`"
    )]
    Plaintext {
        /// The host.
        host: String,
    },
    /// Not an address range.
    #[error("`allow_private` has `{0}`: write a range such as `127.0.0.1/32` or `fd00::/8`")]
    AllowPrivate(String),
    /// A credential that cannot travel this way.
    #[error("`credential` {0}")]
    Credential(&'static str),
    /// The secret cannot be had.
    #[error("`credential`: {0}")]
    Secret(#[from] SecretError),
    /// A certificate file that cannot be used.
    #[error("`ca_file` `{path}` {rule}")]
    CaFile {
        /// As written.
        path: PathBuf,
        /// What it has to be.
        rule: &'static str,
    },
    /// A certificate to show that cannot be used.
    #[error("`client_certificate` `{path}` {rule}")]
    ClientCertificate {
        /// As written.
        path: PathBuf,
        /// What it has to be.
        rule: &'static str,
    },
    /// Not an origin.
    #[error("`origins` has `{text}`: {why}")]
    Origin {
        /// As written.
        text: String,
        /// What it has to be.
        why: UrlError,
    },
    /// An amount that does not fit.
    #[error("`{key}` is {value}: the most is {max}")]
    TooLarge {
        /// Key.
        key: &'static str,
        /// As written.
        value: u64,
        /// The largest value accepted.
        max: u64,
    },
    /// A key of a database server's binding.
    #[error("`{key}` {rule}")]
    Server {
        /// Key.
        key: &'static str,
        /// What it has to be.
        rule: &'static str,
    },
    /// A key of a store's binding.
    #[error("`{key}` {rule}")]
    Key {
        /// Key.
        key: &'static str,
        /// What it has to be.
        rule: &'static str,
    },
    /// The password of a login cannot be had.
    #[error("`password` of `{role}`: {source}")]
    Password {
        /// `read` or `write` of PostgreSQL, `login` of Redis.
        role: &'static str,
        /// Why not.
        source: SecretError,
    },
    /// The TLS library refused its configuration.
    #[error("tls cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

impl ConfigError {
    /// The key of the binding that is wrong, where there is one.
    #[must_use]
    pub const fn key(&self) -> Option<&'static str> {
        match self {
            Self::NoOperations { .. } | Self::Operation { .. } => Some("operations"),
            Self::Path { .. } => Some("path"),
            Self::BaseUrl(_) | Self::Plaintext { .. } => Some("base_url"),
            Self::AllowPrivate(_) => Some("allow_private"),
            Self::Credential(_) | Self::Secret(_) => Some("credential"),
            Self::CaFile { .. } => Some("ca_file"),
            Self::ClientCertificate { .. } => Some("client_certificate"),
            Self::Origin { .. } => Some("origins"),
            Self::TooLarge { key, .. } | Self::Server { key, .. } | Self::Key { key, .. } => Some(key),
            Self::Password { role, .. } => Some(role),
            Self::Tls(_) => None,
        }
    }
}

/// A checked binding with its credential, ready for [`crate::Resources::add`].
#[derive(Debug)]
pub struct Binding {
    pub(crate) operations: Vec<Operation>,
    pub(crate) engine: Engine,
    pub(crate) pace: Pace,
    /// Tells whether two bindings are the same, secrets included; `None` when that is not known.
    pub(crate) fingerprint: Option<Digest>,
}

/// What a binding is made of.
#[derive(Debug)]
pub(crate) enum Engine {
    Sqlite(SqliteSettings),
    Http(Box<HttpSettings>),
    Postgres(Box<PostgresSettings>),
    Mysql(Box<ServerSettings>),
    Kv(KvSettings),
    Blob(BlobSettings),
    Graphql(Box<GraphqlSettings>),
    Llm(Box<LlmSettings>),
}

impl BindingConfig {
    /// The kind of resource that this can be a binding of.
    #[must_use]
    pub const fn kind(&self) -> ResourceKind {
        match self {
            Self::Sqlite(_) | Self::Postgres(_) | Self::Mysql(_) => ResourceKind::Sql,
            Self::Http(_) => ResourceKind::Http,
            Self::Embedded(_) | Self::Redis(_) => ResourceKind::Kv,
            Self::Directory(_) | Self::S3(_) => ResourceKind::Blob,
            Self::Graphql(_) => ResourceKind::Graphql,
            Self::Openai(_) | Self::Anthropic(_) => ResourceKind::Llm,
        }
    }

    /// What the environment allows, as written.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        match self {
            Self::Sqlite(config) => &config.operations,
            Self::Http(config) => &config.operations,
            Self::Postgres(config) => &config.operations,
            Self::Mysql(config) => &config.operations,
            Self::Embedded(config) => &config.operations,
            Self::Redis(config) => &config.operations,
            Self::Directory(config) => &config.operations,
            Self::S3(config) => &config.operations,
            Self::Graphql(config) => &config.http.operations,
            Self::Openai(config) | Self::Anthropic(config) => &config.http.operations,
        }
    }

    /// Calls in a second, as written.
    const fn calls_per_second_max(&self) -> Option<NonZeroU64> {
        match self {
            Self::Sqlite(config) => config.calls_per_second_max,
            Self::Http(config) => config.calls_per_second_max,
            Self::Graphql(config) => config.http.calls_per_second_max,
            Self::Openai(config) | Self::Anthropic(config) => config.http.calls_per_second_max,
            Self::Postgres(config) => config.calls_per_second_max,
            Self::Mysql(config) => config.calls_per_second_max,
            Self::Embedded(config) => config.calls_per_second_max,
            Self::Redis(config) => config.calls_per_second_max,
            Self::Directory(config) => config.calls_per_second_max,
            Self::S3(config) => config.calls_per_second_max,
        }
    }

    /// Functions that the operator says only read, as written; who classifies statements checks them.
    #[must_use]
    pub fn read_functions(&self) -> &[String] {
        match self {
            Self::Postgres(config) => &config.read_functions,
            Self::Mysql(config) => &config.read_functions,
            Self::Sqlite(_)
            | Self::Http(_)
            | Self::Embedded(_)
            | Self::Redis(_)
            | Self::Directory(_)
            | Self::S3(_)
            | Self::Graphql(_)
            | Self::Openai(_)
            | Self::Anthropic(_) => &[],
        }
    }

    /// What a GraphQL binding says about documents; who judges documents checks it.
    #[must_use]
    pub fn graphql(&self) -> Option<&GraphqlKeys> {
        if let Self::Graphql(config) = self { Some(&config.own) } else { None }
    }

    /// What a binding of language models says about models and budgets.
    #[must_use]
    pub fn llm(&self) -> Option<&LlmKeys> {
        if let Self::Openai(config) | Self::Anthropic(config) = self { Some(&config.own) } else { None }
    }

    /// The SQL that makes the database roles of the binding; `None` where there are none to make. Holds no secret.
    #[must_use]
    pub fn provisioning(&self) -> Option<String> {
        match self {
            Self::Postgres(config) => Some(config.provisioning()),
            Self::Mysql(config) => Some(config.provisioning()),
            Self::Sqlite(_)
            | Self::Http(_)
            | Self::Embedded(_)
            | Self::Redis(_)
            | Self::Directory(_)
            | Self::S3(_)
            | Self::Graphql(_)
            | Self::Openai(_)
            | Self::Anthropic(_) => None,
        }
    }

    /// Checks everything and reads the credential and the certificates. Opens no database and no connection.
    ///
    /// # Errors
    /// The first mistake found.
    pub fn resolve(&self, sources: &Sources<'_>) -> Result<Binding, ConfigError> {
        let kind = self.kind();
        let operations = self.operations().to_vec();
        if operations.is_empty() {
            let example = match kind {
                ResourceKind::Sql | ResourceKind::Kv | ResourceKind::Blob => "`[\"read\"]`",
                ResourceKind::Http => "`[\"GET:/customers/*\"]`",
                ResourceKind::Graphql => "`[\"query\"]`",
                ResourceKind::Llm => "`[\"complete\"]`",
            };
            return Err(ConfigError::NoOperations { example });
        }
        if let Some(stray) = operations.iter().find(|operation| !operation.is_known_to(kind)) {
            return Err(ConfigError::Operation { operation: stray.clone(), kind });
        }
        let engine = match self {
            Self::Sqlite(config) => Engine::Sqlite(sqlite::check(config)?),
            Self::Http(config) => Engine::Http(Box::new(http::check(config, sources)?)),
            Self::Postgres(config) => Engine::Postgres(Box::new(postgres::check(config, sources)?)),
            Self::Mysql(config) => Engine::Mysql(Box::new(mysql::check(config, sources)?)),
            Self::Embedded(config) => Engine::Kv(kv::check_embedded(config)?),
            Self::Redis(config) => Engine::Kv(kv::check_redis(config, sources)?),
            Self::Directory(config) => Engine::Blob(blob::check_directory(config)?),
            Self::S3(config) => Engine::Blob(blob::check_s3(config, sources)?),
            Self::Graphql(config) => Engine::Graphql(Box::new(graphql::check(config, sources)?)),
            Self::Openai(config) => Engine::Llm(Box::new(llm::check(config, Provider::Openai, sources)?)),
            Self::Anthropic(config) => Engine::Llm(Box::new(llm::check(config, Provider::Anthropic, sources)?)),
        };
        let fingerprint = self.fingerprint(&engine);
        let pace = Pace::new(self.calls_per_second_max())?;
        Ok(Binding { operations, engine, fingerprint, pace })
    }

    /// Of what is written (references to secrets, not secrets, are in it) and of the secret. Certificates are not looked
    /// at, so a binding that names a file of them has none.
    fn fingerprint(&self, engine: &Engine) -> Option<Digest> {
        let mark = match (self, engine) {
            (Self::Http(config), Engine::Http(settings))
                if config.ca_file.is_none() && config.client_certificate.is_none() =>
            {
                settings.credential_mark()
            }
            (Self::Postgres(config), Engine::Postgres(settings)) if config.ca_file.is_none() => {
                Some(settings.server.credential_mark())
            }
            (Self::Mysql(config), Engine::Mysql(settings)) if config.ca_file.is_none() => {
                Some(settings.credential_mark())
            }
            (Self::Redis(config), Engine::Kv(settings)) if config.ca_file.is_none() => settings.credential_mark(),
            (Self::S3(config), Engine::Blob(settings)) if config.ca_file.is_none() => settings.credential_mark(),
            (Self::Graphql(config), Engine::Graphql(settings)) if config.http.ca_file.is_none() => {
                settings.credential_mark()
            }
            (Self::Openai(config) | Self::Anthropic(config), Engine::Llm(settings))
                if config.http.ca_file.is_none() =>
            {
                settings.credential_mark()
            }
            (
                Self::Http(_)
                | Self::Postgres(_)
                | Self::Mysql(_)
                | Self::Redis(_)
                | Self::S3(_)
                | Self::Graphql(_)
                | Self::Openai(_)
                | Self::Anthropic(_),
                _,
            ) => return None,
            (Self::Sqlite(_) | Self::Embedded(_) | Self::Directory(_), _) => None,
        };
        let secret = mark.as_ref().map(|mark| mark.as_bytes().as_slice()).unwrap_or_default();
        Some(Digest::of_parts(&[format!("{self:?}").as_bytes(), secret]))
    }
}

impl Binding {
    /// The kind of resource this is a binding of.
    #[must_use]
    pub const fn kind(&self) -> ResourceKind {
        match self.engine {
            Engine::Sqlite(_) | Engine::Postgres(_) | Engine::Mysql(_) => ResourceKind::Sql,
            Engine::Http(_) => ResourceKind::Http,
            Engine::Kv(_) => ResourceKind::Kv,
            Engine::Blob(_) => ResourceKind::Blob,
            Engine::Graphql(_) => ResourceKind::Graphql,
            Engine::Llm(_) => ResourceKind::Llm,
        }
    }
}

/// Takes an amount or its default, and refuses what is beyond `max`.
pub(crate) fn amount(key: &'static str, value: Option<NonZeroU64>, default: u64, max: u64) -> Result<u64, ConfigError> {
    match value.map_or(default, NonZeroU64::get) {
        value if value > max => Err(ConfigError::TooLarge { key, value, max }),
        value => Ok(value),
    }
}

#[cfg(test)]
mod tests;
