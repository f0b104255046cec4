//! MySQL, against a real MariaDB.

mod bypasses;
mod caps;
mod roles;
mod stopping;
mod streams;
mod tls;
mod transactions;
mod trouble;
mod values;
