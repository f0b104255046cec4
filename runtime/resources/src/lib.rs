//! Clients, egress and credentials: the only crate that dials out.
//!
//! The gate (in `airlock-service`) decides what a guest may do; this crate does it, and is the second wall: a SQLite
//! connection whose authorizer denies by default, and an HTTP client that only ever connects to an address it has
//! checked itself, and a PostgreSQL client with separate roles for reading and writing. It does not know the analysis crate: the class of a statement is handed in.
//!
//! Life of a binding: [`BindingConfig`] (as written) -> [`Binding`] (checked, credential read) -> [`Resources`].

mod address;
mod blob;
mod breaker;
mod config;
mod dial;
mod http;
mod kv;
mod log;
mod needs;
mod places;
mod postgres;
mod registry;
mod request;
mod secret;
mod sheet;
mod sqlite;
mod thread;
mod tls;

pub use blob::{DirectoryConfig, S3Config, S3Credential};
pub use config::{Binding, BindingConfig, ConfigError, CredentialConfig, HttpConfig, SqliteConfig};
pub use kv::{EmbeddedConfig, RedisConfig, StoreTls};
pub use needs::Needs;
pub use postgres::{PostgresConfig, RoleConfig, TlsMode};
pub use registry::{AddError, Dialect, Resources};
pub use request::{BlobRequest, HttpRequest, KvRequest, Performed, Permitted, SqlRequest};
pub use secret::{CredentialRef, ReadEnv, Secret, SecretError, Sources};
