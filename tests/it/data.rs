//! Resources that keep data, against real servers.

mod bypasses;
mod caps;
mod mysql;
mod roles;
mod schemas;
mod stopping;
mod tls;
mod transactions;
mod trouble;
mod values;
