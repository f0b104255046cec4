//! Clients, egress and credentials: the only crate that dials out.
//!
//! The gate (in `airlock-service`) decides what a guest may do; this crate does it, and is the second wall: a SQLite
//! connection whose authorizer denies by default, and an HTTP client that only ever connects to an address it has
//! checked itself, and clients of PostgreSQL and MySQL with separate roles for reading and writing. It does not know the
//! analysis crate: the class of a statement is handed in.
//!
//! Life of a binding: [`BindingConfig`] (as written) -> [`Binding`] (checked, credential read) -> [`Resources`].

mod address;
mod blob;
mod breaker;
mod config;
mod database;
mod dial;
mod egress;
mod failed;
mod graphql;
mod http;
mod known;
mod kv;
mod llm;
mod log;
mod mysql;
mod needs;
mod network;
mod over_http;
mod pace;
mod places;
mod postgres;
mod redact;
mod registry;
mod request;
mod schema;
mod secret;
mod server_tls;
mod sheet;
mod sign;
mod sqlite;
mod stop;
mod stream;
mod thread;
mod tls;
mod transaction;

pub use blob::{DirectoryConfig, S3Config, S3Credential};
pub use config::{Binding, BindingConfig, ConfigError, SqliteConfig};
pub use database::{RoleConfig, TlsMode};
pub use egress::EgressBudget;
pub use graphql::{GraphqlConfig, GraphqlKeys};
pub use http::{
    AuditPath, ClientCertificateConfig, CollectorAnswer, CollectorClient, CollectorConfig, CredentialConfig,
    DocumentClient, DocumentConfig, DocumentError, EgressDecision, EgressVerdict, HttpConfig, HttpExchange, Passing,
};
pub use kv::{EmbeddedConfig, RedisConfig, StoreTls};
pub use llm::{Begun, Completed, CompletionStream, LlmConfig, LlmKeys, Price, RecordPolicy, Took};
pub use mysql::MysqlConfig;
pub use needs::Needs;
pub use network::Network;
pub use over_http::OverHttp;
pub use postgres::PostgresConfig;
pub use redact::{RedactError, Redactor};
pub use registry::{AddError, Dialect, Probe, Resources};
pub use request::{
    BeginRequest, BlobRequest, GraphqlRequest, HttpRequest, KvRequest, LlmRequest, Performed, Permitted, SqlRequest,
    StreamRequest, TraceHeaders, Traffic, TransactionMode,
};
pub use schema::{Column, Schema, Table};
pub use secret::{CredentialRef, ReadEnv, Secret, SecretError, Sources};
pub use server_tls::{CertificateFile, ClientAuth, ServerTls, ServerTlsConfig, ServerTlsError};
pub use stop::StopNotice;
pub use stream::Stream;
pub use transaction::Transaction;
