//! The SQL that makes the accounts of a binding, and what they may do. Holds no password.

use std::fmt::Write as _;

use airlock_model::Operation;

use super::{
    MysqlConfig,
    sql::{granted, literal, quoted},
};
use crate::database::{RoleConfig, connections_max};

const READS: &str = "SELECT, SHOW VIEW";
const WRITES: &str = "SELECT, SHOW VIEW, INSERT, UPDATE, DELETE";
/// Without DROP: no statement drops a table, and where analysis cannot see it the account may not.
const CHANGES_SCHEMA: &str = "CREATE, ALTER, INDEX, REFERENCES, CREATE VIEW, TRIGGER";

/// The script, for `mysql` or `mariadb`.
pub(super) fn script(config: &MysqlConfig) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_script(&mut text, config);
    text
}

fn write_script(out: &mut String, config: &MysqlConfig) -> std::fmt::Result {
    writeln!(out, "-- Accounts of Airlock. Run it as an administrator: mysql < THIS (or: mariadb < THIS)")?;
    writeln!(
        out,
        "-- It holds no password: the accounts are made locked. Unlock them with the passwords that are in the secrets"
    )?;
    writeln!(out, "-- which the configuration names:")?;
    for role in roles(config) {
        writeln!(out, "--   ALTER USER {} IDENTIFIED BY '<password>' ACCOUNT UNLOCK;", account(&role.0.user))?;
    }
    writeln!(out, "-- '%' is every host: write the address of Airlock's machine instead where you can.")?;
    writeln!(out, "-- With the server's `partial_revokes` on, take the backslashes out of the database's name.")?;
    for (role, privileges) in roles(config) {
        write_role(out, config, role, privileges)?;
    }
    if let Some(write) = config.write.as_ref().filter(|_| config.operations.contains(&Operation::Ddl)) {
        let database = granted(&config.database);
        writeln!(out, "GRANT {CHANGES_SCHEMA} ON {database}.* TO {};", account(&write.user))?;
    }
    writeln!(
        out,
        "\n-- Functions and procedures run with their owner's rights: name those that functions may call, one by one."
    )?;
    writeln!(
        out,
        "--   GRANT EXECUTE ON FUNCTION {}.<name> TO {};",
        quoted(&config.database),
        account(&config.read.user)
    )
}

fn roles(config: &MysqlConfig) -> impl Iterator<Item = (&RoleConfig, &'static str)> {
    let write = config.write.iter().filter(|_| config.server().changes());
    std::iter::once((&config.read, READS)).chain(write.map(|role| (role, WRITES)))
}

fn write_role(out: &mut String, config: &MysqlConfig, role: &RoleConfig, privileges: &str) -> std::fmt::Result {
    let account = account(&role.user);
    // Statements are ended from a second connection, so there are twice as many.
    let connections = connections_max(&config.server()).get().saturating_mul(2);
    writeln!(out, "\nCREATE USER IF NOT EXISTS {account} ACCOUNT LOCK;")?;
    writeln!(out, "ALTER USER {account} WITH MAX_USER_CONNECTIONS {connections};")?;
    writeln!(
        out,
        "-- No FILE, SUPER, PROCESS, EXECUTE, LOCK TABLES, CREATE TEMPORARY TABLES, nor anything of another database."
    )?;
    writeln!(out, "REVOKE ALL PRIVILEGES, GRANT OPTION FROM {account};")?;
    writeln!(out, "GRANT {privileges} ON {}.* TO {account};", granted(&config.database))
}

fn account(user: &str) -> String {
    format!("{}@'%'", literal(user))
}
