//! How guests are kept apart from the host besides Wasm: which level is asked for, what a configuration needs of the
//! second wall, and whether the wall that stands gives it.

use std::{
    fmt, fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use airlock_resources::Needs;
use airlock_sandbox::wall::{self, Wall};
use serde::{Deserialize, Serialize};

use crate::config::{Config, ConfigError};

/// `isolation.level`: the level below which the server refuses to start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub enum IsolationLevel {
    /// Guests in the server's own process, inside Wasm and nothing else: for development.
    L0,
    /// The process around them is held by the kernel too: Landlock and seccomp.
    #[default]
    L1,
}

impl fmt::Display for IsolationLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::L0 => "L0",
            Self::L1 => "L1",
        })
    }
}

/// The level of this process.
#[must_use]
pub fn reached() -> IsolationLevel {
    if wall::raised().is_some() { IsolationLevel::L1 } else { IsolationLevel::L0 }
}

/// The best level that this kernel has.
#[must_use]
pub fn offered() -> IsolationLevel {
    if wall::offered_abi() >= Some(wall::ABI_NEEDED) { IsolationLevel::L1 } else { IsolationLevel::L0 }
}

/// The level of this process, with what it is made of.
#[must_use]
pub fn described() -> String {
    wall::raised().map_or_else(|| "L0 (Wasm only)".to_owned(), ToString::to_string)
}

/// What a server with this configuration must be allowed, besides being the program it is.
#[must_use]
pub fn wall_for(config: &Config, config_file: &Path) -> Wall {
    let mut wall = Wall::new();
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    wall.read_replaceable(&absolute(config_file));
    for file in judges(config) {
        wall.read_replaceable(&absolute(file));
    }
    crate::tls::files(config).for_each(|file| wall.read_replaceable(&absolute(file)));
    wall.write(&absolute(&config.state.dir));
    for needs in
        bindings(config).chain(key_sources(config)).chain(config.audit.needs()).chain([config.telemetry.needs()])
    {
        needs.files.iter().for_each(|file| wall.read_replaceable(&absolute(file)));
        if let Some((file, is_changed)) = &needs.database {
            allow_database(&mut wall, &absolute(file), *is_changed);
        }
        if let Some(directory) = &needs.directory {
            wall.write(&absolute(directory));
        }
        needs.ports.iter().for_each(|port| wall.connect(*port));
        if needs.resolves_names {
            allow_names(&mut wall);
            config.egress.resolver.iter().for_each(|resolver| wall.connect(resolver.port()));
        }
    }
    wall
}

/// Files that deploys are judged by, and the keys that the server signs with: public keys of signers, release times of
/// packages.
fn judges(config: &Config) -> impl Iterator<Item = &PathBuf> {
    let policies = config.environments.values().filter_map(|environment| environment.packages.as_ref());
    let indexes = policies.filter_map(|policy| policy.index.as_ref());
    let own_keys = [&config.identity.key, &config.audit.key].into_iter().flatten().map(|key| &key.file);
    config.signers.values().map(|signer| &signer.public_key.file).chain(indexes).chain(own_keys)
}

/// Where the keys of issuers are.
fn key_sources(config: &Config) -> impl Iterator<Item = Needs> {
    config.key_sources().map(|(_, issuer)| issuer.jwks.needs())
}

fn bindings(config: &Config) -> impl Iterator<Item = Needs> {
    config.resources.values().flat_map(crate::config::ResourceConfig::bindings).map(|(_, binding)| binding.needs())
}

/// SQLite makes and removes a journal beside the database, so it needs the directory. Readers of a database with a
/// write-ahead log write its index.
fn allow_database(wall: &mut Wall, file: &Path, is_changed: bool) {
    let Some(dir) = file.parent() else { return };
    if is_changed || has_write_ahead_log(file) { wall.write(dir) } else { wall.read(dir) }
}

/// Bytes 18 and 19 of the file say which journal it uses: 2 is the write-ahead log.
fn has_write_ahead_log(database: &Path) -> bool {
    let mut header = [0; 20];
    let read = fs::File::open(database).and_then(|mut file| file.read_exact(&mut header));
    read.is_ok() && header.ends_with(&[2, 2])
}

/// What the C library reads to resolve a name; it asks over UDP, and over TCP when an answer is long.
fn allow_names(wall: &mut Wall) {
    for file in ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf"] {
        wall.read_replaceable(Path::new(file));
    }
    wall.connect(53);
}

/// Whether this process, walled as it is, can serve another configuration.
///
/// # Errors
/// What a restart is needed for.
pub fn check_standing(config: &Config, config_file: &Path) -> Result<(), ConfigError> {
    let (asked, reached) = (config.isolation.level, reached());
    if asked != reached {
        let message = format!("this process runs at {reached}, and a wall is never moved: restart the server");
        return Err(ConfigError::value("isolation.level", message));
    }
    let Some(standing) = wall::raised() else { return Ok(()) };
    let more = wall_for(config, config_file).beyond(standing.wall());
    if more.is_empty() {
        return Ok(());
    }
    let message = format!("the wall that was raised at start does not allow {}: restart the server", more.join(", "));
    Err(ConfigError::value("isolation.level", message))
}

/// Writable directories that hold what nobody but the operator should change, for a warning.
#[must_use]
pub fn exposed_files(config: &Config, config_file: &Path) -> Vec<PathBuf> {
    let wall = wall_for(config, config_file);
    let mut files: Vec<PathBuf> = vec![config_file.to_owned()];
    files.extend(judges(config).cloned());
    files.extend(crate::tls::files(config).map(Path::to_owned));
    let needs =
        key_sources(config).chain(bindings(config)).chain(config.audit.needs()).chain([config.telemetry.needs()]);
    files.extend(needs.flat_map(|needs| needs.files));
    files.retain(|file| wall.may_write(file));
    files.dedup();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"
        [isolation]
        level = "L0"
        [state]
        dir = "state"
        [[tokens.issuer]]
        iss = "https://platform.example"
        jwks = { file = "keys/keys.json" }
        [environments.dev]
        [resources.orders-db]
        kind = "sql"
        [resources.orders-db.dev]
        engine = "sqlite"
        path = "data/orders.db"
        operations = ["read"]
    "#;
    const FILE: &str = "/srv/airlock/airlock.toml";

    fn config(text: &str) -> Config {
        Config::parse(text, FILE, &[], Path::new("/srv/airlock")).expect("valid")
    }

    #[test]
    fn a_configuration_that_needs_more_is_told_what() {
        let standing = wall_for(&config(SMALL), Path::new(FILE));
        let same = wall_for(&config(&SMALL.replace("[\"read\"]", "[\"read\"]\nvalue_bytes_max = 9")), Path::new(FILE));
        assert!(same.beyond(&standing).is_empty());
        let api = "[resources.crm]\nkind = \"http\"\n[resources.crm.dev]\nengine = \"http\"\n\
                   base_url = \"https://198.51.100.7:8443\"\noperations = [\"GET\"]";
        let more = config(&format!("{}\n{api}", SMALL.replace("[\"read\"]", "[\"read\", \"write\"]")));
        let beyond = wall_for(&more, Path::new(FILE)).beyond(&standing);
        assert_eq!(beyond, ["writing to `/srv/airlock/data`", "connecting to port 8443"]);
    }

    #[test]
    fn a_name_to_resolve_opens_the_port_of_name_servers() {
        let api = "[resources.crm]\nkind = \"http\"\n[resources.crm.dev]\nengine = \"http\"\n\
                   base_url = \"https://api.example.com\"\noperations = [\"GET\"]";
        let named = wall_for(&config(&format!("{SMALL}\n{api}")), Path::new(FILE));
        let beyond = named.beyond(&wall_for(&config(SMALL), Path::new(FILE)));
        assert!(
            ["connecting to port 53", "connecting to port 443"].iter().all(|port| beyond.contains(&(*port).to_owned()))
        );
        assert!(beyond.iter().any(|text| text.contains("hosts")), "{beyond:?}");
    }

    #[test]
    fn keys_at_a_url_open_their_port_and_no_file() {
        let url = "{ url = \"https://198.51.100.7:8443/keys\", ca_file = \"/c/ca.pem\" }";
        let published = config(&SMALL.replace("{ file = \"keys/keys.json\" }", url));
        let beyond = wall_for(&published, Path::new(FILE)).beyond(&wall_for(&config(SMALL), Path::new(FILE)));
        assert!(beyond.contains(&"connecting to port 8443".to_owned()), "{beyond:?}");
        assert!(beyond.iter().any(|text| text.contains("ca.pem")) && beyond.len() == 2, "{beyond:?}");
    }

    #[test]
    fn a_process_without_a_wall_serves_no_configuration_that_wants_one() {
        assert!(check_standing(&config(SMALL), Path::new(FILE)).is_ok());
        let why = check_standing(&config(&SMALL.replace("L0", "L1")), Path::new(FILE)).expect_err("refused");
        assert!(why.to_string().contains("restart"), "{why}");
    }

    #[test]
    fn a_write_ahead_log_is_seen_in_the_file_itself() {
        let dir = std::env::temp_dir().join(format!("airlock-isolation-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory");
        let header = |journal: u8| [&b"SQLite format 3\0\x10\0"[..], &[journal, journal]].concat();
        for (name, journal, expected) in [("rollback.db", 1, false), ("log.db", 2, true)] {
            fs::write(dir.join(name), header(journal)).expect("a file");
            assert_eq!(has_write_ahead_log(&dir.join(name)), expected, "{name}");
        }
        assert!(!has_write_ahead_log(&dir.join("none.db")));
        fs::remove_dir_all(&dir).expect("removed");
    }
}
