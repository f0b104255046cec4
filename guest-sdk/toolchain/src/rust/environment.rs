//! What a build sees of the environment: enough to find tools and the registry, and no more.
//!
//! Build scripts and macros of a guest project are other people's code. They get no secret of the caller, and two
//! machines with the same sources and tools make the same bytes.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

const NAMES: [&str; 14] = [
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "TERM",
    "TMPDIR",
    "CARGO_HOME",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "AIRLOCK_ARENA_BYTES",
];
/// `CARGO_REGISTRIES_` is left out: it may carry tokens. Cargo's own files do that better.
const PREFIXES: [&str; 4] = ["RUSTUP_", "CARGO_HTTP_", "CARGO_NET_", "CARGO_SOURCE_"];

/// Leaves the command only what a build may see.
pub(super) fn clean(command: &mut Command) {
    command.env_clear().envs(std::env::vars_os().filter(|(name, _)| passes(name)));
}

/// The directories in which programs are looked for.
pub(super) fn search_path() -> Vec<PathBuf> {
    let path = std::env::vars_os().find(|(name, _)| name == "PATH");
    path.map(|(_, value)| std::env::split_paths(&value).collect()).unwrap_or_default()
}

/// Cargo's own directory, where the sources of dependencies lie.
pub(super) fn cargo_home() -> Option<PathBuf> {
    let value = |wanted: &str| std::env::vars_os().find(|(name, _)| name == wanted).map(|(_, value)| value);
    value("CARGO_HOME").map(PathBuf::from).or_else(|| Some(PathBuf::from(value("HOME")?).join(".cargo")))
}

fn passes(name: &OsString) -> bool {
    let Some(name) = name.to_str() else { return false };
    // Proxy variables are common in lower case too.
    let upper = name.to_ascii_uppercase();
    NAMES.contains(&upper.as_str()) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_and_proxies_pass_secrets_and_flags_do_not() {
        for name in ["PATH", "CARGO_HOME", "https_proxy", "RUSTUP_TOOLCHAIN", "CARGO_NET_OFFLINE"] {
            assert!(passes(&name.into()), "{name}");
        }
        for name in ["AWS_SECRET_ACCESS_KEY", "CARGO_REGISTRY_TOKEN", "RUSTFLAGS", "LD_PRELOAD", "CARGO_TARGET_DIR"] {
            assert!(!passes(&name.into()), "{name}");
        }
    }
}
