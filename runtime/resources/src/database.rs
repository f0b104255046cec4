//! What all database servers have in common: how they are reached, and how their sessions are lent.

mod config;
mod hidden;
mod lease;
mod pool;
mod server;
mod stop;
mod tls;

pub(crate) use config::{Login, ServerConfig, ServerSettings, check, connections_max, is_name};
pub use config::{RoleConfig, TlsMode};
pub(crate) use hidden::Hidden;
pub(crate) use lease::Lease;
pub(crate) use pool::{Backend, Pool, PooledSession};
pub(crate) use server::{NoSession, Server};
pub(crate) use stop::{Stage, Stopped, refused, timeout, timeout_committing, unavailable};
pub(crate) use tls::Tls;
