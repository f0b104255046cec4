//! Resources that keep data, against real servers.

mod bypasses;
mod caps;
mod mysql;
mod read_functions;
mod roles;
mod stopping;
mod streams;
mod tls;
mod transactions;
mod trouble;
mod values;
