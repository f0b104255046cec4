//! Clients, egress and credentials: the only crate that dials out.
//!
//! The gate (in `airlock-service`) decides what a guest may do; this crate does it, and is the second wall: a SQLite
//! connection whose authorizer denies by default, and an HTTP client that only ever connects to an address it has
//! checked itself, and clients of PostgreSQL and MySQL with separate roles for reading and writing. It does not know the
//! analysis crate: the class of a statement is handed in.
//!
//! Life of a binding: [`BindingConfig`] (as written) -> [`Binding`] (checked, credential read) -> [`Resources`].

mod address;
mod breaker;
mod config;
mod database;
mod dial;
mod http;
mod log;
mod mysql;
mod needs;
mod postgres;
mod registry;
mod request;
mod secret;
mod sheet;
mod sqlite;
mod stream;
mod tls;
mod transaction;

pub use config::{Binding, BindingConfig, ConfigError, CredentialConfig, HttpConfig, SqliteConfig};
pub use database::{RoleConfig, TlsMode};
pub use mysql::MysqlConfig;
pub use needs::Needs;
pub use postgres::PostgresConfig;
pub use registry::{AddError, Dialect, Resources};
pub use request::{BeginRequest, HttpRequest, Performed, Permitted, SqlRequest, StreamRequest, TransactionMode};
pub use secret::{CredentialRef, ReadEnv, Secret, SecretError, Sources};
pub use stream::Stream;
pub use transaction::Transaction;
