//! MySQL, against a real MariaDB.

mod bypasses;
mod caps;
mod roles;
mod stopping;
mod tls;
mod transactions;
mod trouble;
mod values;
