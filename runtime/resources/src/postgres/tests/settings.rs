//! What the operator writes, and what is wrong with it.

use crate::{Binding, BindingConfig, Sources};

const SOUND: &str = "engine = 'postgres'\nhost = 'db.example.com'\ndatabase = 'orders'\noperations = ['read', 'write']\n\
    read = { user = 'r', password = { env = 'R' } }\nwrite = { user = 'w', password = { env = 'W' } }\n";

fn resolve(text: &str) -> Result<Binding, String> {
    let read_env = |name: &str| matches!(name, "R" | "W").then(|| format!("canary-{name}"));
    let config: BindingConfig = toml::from_str(text).map_err(|why| why.message().to_owned())?;
    config.resolve(&Sources { read_env: &read_env, allow_inline: false }).map_err(|why| why.to_string())
}

#[test]
fn a_complete_binding_is_accepted_and_never_prints_its_passwords() {
    let full = "port = 6432\ntls = 'require'\nallow_private = ['10.0.0.0/8']\nconnections_max = 20\n\
        connections_per_tenant_max = 20\nconnect_timeout_ms = '2s'\nsearch_path = ['shop', 'we\"ird']";
    for extra in ["", full] {
        let binding = resolve(&format!("{SOUND}{extra}")).expect("sound");
        assert!(!format!("{binding:?}").contains("canary"));
    }
}

#[test]
fn mistakes_are_named_with_what_to_write() {
    let with = |extra: &str| format!("{SOUND}{extra}");
    let instead = |from: &str, to: &str| SOUND.replace(from, to);
    for (text, part) in [
        (with("sslmode = 'disable'"), "unknown field `sslmode`"),
        (with("tls = 'prefer'"), "verify-full"),
        (with("tls = 'disable'"), "allow_private"),
        (with("tls = 'require'"), "allow_private"),
        (with("port = 0"), "nonzero"),
        (with("connections_max = 1001"), "the most is 1000"),
        (with("connections_max = 4\nconnections_per_tenant_max = 5"), "the most is 4"),
        (with("search_path = ['pg_temp']"), "search_path"),
        (with("search_path = ['']"), "search_path"),
        (with("allow_private = ['x']"), "allow_private"),
        (with("ca_file = '/nonexistent'"), "ca_file"),
        (instead("db.example.com", "postgres://db"), "host name"),
        (instead("db.example.com", ""), "host name"),
        (instead("db.example.com", "a..b"), "host"),
        (instead("'orders'", "''"), "database"),
        (instead("user = 'w'", "user = 'r'"), "is the role that reads"),
        (instead("user = 'w'", "user = ''"), "user"),
        (instead("env = 'W'", "env = 'NONE'"), "NONE"),
        (instead("{ env = 'W' }", "'inline'"), "configuration itself"),
        (instead("write = { user = 'w', password = { env = 'W' } }", ""), "role of their own"),
        (instead("['read', 'write']", "['GET']"), "GET"),
    ] {
        let refused = resolve(&text).err().unwrap_or_else(|| "accepted".to_owned());
        assert!(refused.contains(part) && !refused.contains("canary"), "{text}: {refused}");
    }
}

#[test]
fn a_role_that_only_reads_needs_no_other() {
    let text = SOUND.replace("'read', 'write'", "'read'").replace("env = 'W'", "env = 'NOT SET'");
    assert!(resolve(&text).is_ok());
}

#[test]
fn the_script_for_the_roles_holds_no_secret_and_quotes_every_name() {
    let text = SOUND.replace("user = 'r'", "user = 'r\"; drop table x; --'").replace("'orders'", "\"it's\"");
    let config: BindingConfig = toml::from_str(&text).expect("syntax");
    let script = config.provisioning().expect("roles");
    assert!(script.contains("ALTER ROLE \"r\"\"; drop table x; --\" LOGIN NOSUPERUSER"), "{script}");
    assert!(script.contains("GRANT CONNECT ON DATABASE \"it's\""), "{script}");
    assert!(script.contains("--dbname='it''s'"), "{script}");
    assert!(script.contains("default_transaction_read_only = on"), "{script}");
    assert!(!script.contains("canary") && !script.contains("PASSWORD"), "{script}");
}
