//! What the operator writes, and what is wrong with it.

use crate::{Binding, BindingConfig, Sources};

const SOUND: &str = "engine = 'mysql'\nhost = 'db.example.com'\ndatabase = 'or_ders'\noperations = ['read', 'write', 'ddl']\n\
    read = { user = 'r', password = { env = 'R' } }\nwrite = { user = \"w'\", password = { env = 'W' } }\n";

fn parse(text: &str) -> Result<BindingConfig, String> {
    toml::from_str(text).map_err(|why| why.message().to_owned())
}

fn resolve(text: &str) -> Result<Binding, String> {
    let read_env = |name: &str| matches!(name, "R" | "W").then(|| format!("canary-{name}"));
    parse(text)?.resolve(&Sources { read_env: &read_env, allow_inline: false }).map_err(|why| why.to_string())
}

#[test]
fn a_complete_binding_is_accepted_and_never_prints_its_passwords() {
    let full = "port = 3307\ntls = 'require'\nallow_private = ['10.0.0.0/8']\nconnections_max = 20\n\
        connections_per_tenant_max = 20\nconnect_timeout_ms = '2s'";
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
        (with("search_path = ['a']"), "unknown field `search_path`"),
        (with("tls = 'disable'"), "allow_private"),
        (with("connections_max = 1001"), "the most is 1000"),
        (with("ca_file = '/nonexistent'"), "ca_file"),
        (instead("db.example.com", "mysql://db"), "host name"),
        (instead("'or_ders'", "''"), "database"),
        (instead("user = \"w'\"", "user = 'r'"), "is the role that reads"),
        (instead("user = 'r'", "user = 'a-name-of-more-than-32-characters'"), "32 bytes"),
        (instead("env = 'W'", "env = 'NONE'"), "NONE"),
    ] {
        let refused = resolve(&text).err().unwrap_or_else(|| "accepted".to_owned());
        assert!(refused.contains(part) && !refused.contains("canary"), "{text}: {refused}");
    }
}

#[test]
fn accounts_are_made_locked_and_with_no_more_than_they_need() {
    let script = parse(SOUND).expect("syntax").provisioning().expect("accounts");
    assert!(script.contains("CREATE USER IF NOT EXISTS 'w'''@'%' ACCOUNT LOCK;"), "{script}");
    assert!(
        script.contains("GRANT SELECT, SHOW VIEW ON `or\\_ders`.* TO 'r'@'%';"),
        "a `_` would be a pattern: {script}"
    );
    let grants: Vec<&str> = script.lines().filter(|line| line.starts_with("GRANT")).collect();
    for never in ["FILE", "SUPER", "PROCESS", "EXECUTE", "DROP", "LOCK TABLES", "TEMPORARY", "GRANT OPTION", "*.*"] {
        assert!(grants.iter().all(|grant| !grant.contains(never)), "{never}: {grants:?}");
    }
    let reader = parse(&SOUND.replace(", 'write', 'ddl'", "")).expect("syntax").provisioning().expect("accounts");
    assert!(!reader.contains("w''") && !reader.contains("INSERT"), "{reader}");
}
