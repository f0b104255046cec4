//! The SQL that makes the roles of a binding: what they may do, and what nobody may do any more. Holds no password.

use std::fmt::Write as _;

use airlock_model::Operation;

use super::{
    PostgresConfig,
    sql::{literal, quoted},
};
use crate::database::{RoleConfig, connections_max};

/// A backstop behind the limits that every call sets for itself.
const TIMEOUTS: [(&str, &str); 3] =
    [("statement_timeout", "10min"), ("lock_timeout", "1min"), ("idle_in_transaction_session_timeout", "1min")];

/// Functions that every role may call and that reach beyond its own transaction. READ ONLY stops none of them.
const REACHING: [(&str, &str); 10] = [
    ("ends other sessions of the role", "pg_terminate_backend(integer, bigint)"),
    ("ends other sessions' statements", "pg_cancel_backend(integer)"),
    ("writes to the log, past a rollback", "pg_logical_emit_message(boolean, text, text)"),
    ("writes to the log, past a rollback", "pg_logical_emit_message(boolean, text, bytea)"),
    ("uses up transaction numbers", "txid_current()"),
    ("uses up transaction numbers", "pg_current_xact_id()"),
    ("leaves a file", "pg_export_snapshot()"),
    ("speaks to other sessions", "pg_notify(text, text)"),
    ("opens large objects, which have no table's grants", "lo_open(oid, integer)"),
    ("shows other sessions' statements", "pg_stat_get_activity(integer)"),
];

const LARGE_OBJECTS: [&str; 9] = [
    "lo_creat(integer)",
    "lo_create(oid)",
    "lo_from_bytea(oid, bytea)",
    "lo_put(oid, bigint, bytea)",
    "lo_truncate(integer, integer)",
    "lo_truncate64(integer, bigint)",
    "lo_unlink(oid)",
    "lowrite(integer, bytea)",
    "loread(integer, integer)",
];

const LOCKS: [&str; 10] = [
    "pg_advisory_lock",
    "pg_advisory_lock_shared",
    "pg_advisory_xact_lock",
    "pg_advisory_xact_lock_shared",
    "pg_try_advisory_lock",
    "pg_try_advisory_lock_shared",
    "pg_try_advisory_xact_lock",
    "pg_try_advisory_xact_lock_shared",
    "pg_advisory_unlock",
    "pg_advisory_unlock_shared",
];

/// The script, for `psql`.
pub(super) fn script(config: &PostgresConfig) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_script(&mut text, config);
    text
}

fn write_script(out: &mut String, config: &PostgresConfig) -> std::fmt::Result {
    let database = quoted(&config.database);
    writeln!(out, "-- Roles of Airlock. Run it with psql, connected to the database, as a superuser or as its owner:")?;
    writeln!(out, "--   psql --dbname={} --file=THIS", literal(&config.database))?;
    writeln!(out, "-- It holds no password. Set them afterwards, as in the secrets that the configuration names:")?;
    for role in roles(config) {
        writeln!(out, "--   \\password {}", quoted(&role.0.user))?;
    }
    writeln!(out, "\\set ON_ERROR_STOP on\nBEGIN;")?;
    writeln!(out, "REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC;")?;
    for schema in &config.search_path {
        writeln!(out, "REVOKE CREATE ON SCHEMA {} FROM PUBLIC;", quoted(schema))?;
    }
    for (role, tables) in roles(config) {
        write_role(out, config, &role.user, tables)?;
    }
    if let Some(write) = config.write.as_ref().filter(|_| config.operations.contains(&Operation::Ddl)) {
        for schema in &config.search_path {
            writeln!(out, "GRANT CREATE ON SCHEMA {} TO {};", quoted(schema), quoted(&write.user))?;
        }
    }
    writeln!(out, "COMMIT;")?;
    write_functions(out)
}

fn roles(config: &PostgresConfig) -> impl Iterator<Item = (&RoleConfig, &'static str)> {
    let write = config.write.iter().filter(|_| config.server().changes());
    std::iter::once((&config.read, "SELECT")).chain(write.map(|role| (role, "SELECT, INSERT, UPDATE, DELETE")))
}

fn write_role(out: &mut String, config: &PostgresConfig, user: &str, tables: &str) -> std::fmt::Result {
    let (role, name) = (quoted(user), literal(user));
    let is_reader = tables == "SELECT";
    writeln!(out, "\nSELECT format('CREATE ROLE %I', {name})")?;
    writeln!(out, "WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {name}) \\gexec")?;
    writeln!(
        out,
        "ALTER ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT CONNECTION LIMIT {};",
        connections_max(&config.server()).get().saturating_mul(2)
    )?;
    if is_reader {
        writeln!(out, "ALTER ROLE {role} SET default_transaction_read_only = on;")?;
    }
    for (setting, value) in TIMEOUTS {
        writeln!(out, "ALTER ROLE {role} SET {setting} = {};", literal(value))?;
    }
    writeln!(out, "GRANT CONNECT ON DATABASE {} TO {role};", quoted(&config.database))?;
    for schema in config.search_path.iter().map(|schema| quoted(schema)) {
        writeln!(out, "GRANT USAGE ON SCHEMA {schema} TO {role};")?;
        writeln!(out, "GRANT {tables} ON ALL TABLES IN SCHEMA {schema} TO {role};")?;
        writeln!(out, "-- For tables that are made later, once for each role that makes them (FOR ROLE ..):")?;
        writeln!(out, "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT {tables} ON TABLES TO {role};")?;
        if !is_reader {
            writeln!(out, "GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role};")?;
            writeln!(out, "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT USAGE ON SEQUENCES TO {role};")?;
        }
    }
    Ok(())
}

fn write_functions(out: &mut String) -> std::fmt::Result {
    writeln!(
        out,
        "\n-- Functions that reach beyond a transaction, taken from every role of this database that is no superuser."
    )?;
    writeln!(out, "-- Needs a superuser. Whoever else needs one gets it back with GRANT EXECUTE ON FUNCTION .. TO ..")?;
    writeln!(out, "BEGIN;")?;
    for (why, function) in REACHING {
        writeln!(out, "REVOKE EXECUTE ON FUNCTION pg_catalog.{function} FROM PUBLIC; -- {why}")?;
    }
    writeln!(out, "-- Large objects: before PostgreSQL 16 these write in a READ ONLY transaction.")?;
    for function in LARGE_OBJECTS {
        writeln!(out, "REVOKE EXECUTE ON FUNCTION pg_catalog.{function} FROM PUBLIC;")?;
    }
    writeln!(out, "-- Advisory locks: one function could make another application wait.")?;
    for function in LOCKS {
        writeln!(out, "REVOKE EXECUTE ON FUNCTION pg_catalog.{function}(bigint) FROM PUBLIC;")?;
        writeln!(out, "REVOKE EXECUTE ON FUNCTION pg_catalog.{function}(integer, integer) FROM PUBLIC;")?;
    }
    writeln!(out, "COMMIT;")
}
