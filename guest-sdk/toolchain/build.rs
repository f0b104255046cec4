//! Copies the QuickJS runtime out of the source of `componentize-qjs`, a crate that is locked but never built.
//!
//! The crate is a dependency for a target that never matches, so `Cargo.lock` pins it and cargo neither builds nor
//! downloads it. This script looks for its source, asks cargo to download it when it is absent, and accepts the bytes only
//! when they have the digest written below.

#![allow(clippy::disallowed_methods, reason = "cargo talks to build scripts through the environment")]

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

const CRATE: &str = "componentize-qjs";
const VERSION: &str = "0.4.5";
const RUNTIME: &str = "prebuilt/runtime.wasm";
const RUNTIME_SHA256: &str = "6ad50dc7de20ea42379dc9d5cfc1737fbf8f7549f37851b77a83027106d8f95d";
/// Names a file that is used instead of the crate's, for builds that may not download. The digest is checked all the same.
const OVERRIDE: &str = "AIRLOCK_QUICKJS_RUNTIME";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={OVERRIDE}");
    let source = locate().ok_or_else(|| {
        format!(
            "the QuickJS runtime is missing: run `cargo fetch --locked` with network access once, \
             or set `{OVERRIDE}` to the `{RUNTIME}` of {CRATE} {VERSION}"
        )
    })?;
    let bytes = fs::read(&source)?;
    let digest = hex::encode(Sha256::digest(&bytes));
    if digest != RUNTIME_SHA256 {
        let found = source.display();
        return Err(format!("`{found}` has sha256 `{digest}`, expected `{RUNTIME_SHA256}`").into());
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("quickjs-runtime.wasm"), bytes)?;
    fs::write(out.join("quickjs-runtime.sha256"), digest)?;
    Ok(())
}

/// Cheapest way first; each later one costs a cargo process or a download.
fn locate() -> Option<PathBuf> {
    if let Some(path) = env::var_os(OVERRIDE) {
        return Some(PathBuf::from(path));
    }
    in_registry()
        .or_else(in_metadata)
        .or_else(|| after_cargo(&["info", &format!("{CRATE}@{VERSION}"), "--quiet"]))
        .or_else(|| after_cargo(&["fetch", "--locked", "--quiet"]))
}

/// `<cargo home>/registry/src/<registry>/<crate>-<version>`.
fn in_registry() -> Option<PathBuf> {
    let home =
        env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| env::home_dir().map(|home| home.join(".cargo")))?;
    let registries = fs::read_dir(home.join("registry/src")).ok()?;
    registries
        .flatten()
        .map(|registry| registry.path().join(format!("{CRATE}-{VERSION}")).join(RUNTIME))
        .find(|path| path.is_file())
}

/// Asks cargo itself: finds vendored sources, whose directory only cargo's configuration knows.
fn in_metadata() -> Option<PathBuf> {
    let output = cargo(&["metadata", "--locked", "--offline", "--format-version", "1"])?;
    let marker = format!("{CRATE}-{VERSION}/Cargo.toml\"");
    let vendored = format!("{CRATE}/Cargo.toml\"");
    let text = String::from_utf8(output).ok()?;
    let end = text.find(&marker).map(|at| at + marker.len());
    let end = end.or_else(|| text.find(&vendored).map(|at| at + vendored.len()))?;
    let manifest = text.get(..end - 1)?.rsplit('"').next()?;
    let path = Path::new(manifest).parent()?.join(RUNTIME);
    path.is_file().then_some(path)
}

/// Runs a cargo command that downloads the crate as a side effect, then looks again.
fn after_cargo(arguments: &[&str]) -> Option<PathBuf> {
    cargo(arguments)?;
    in_registry()
}

fn cargo(arguments: &[&str]) -> Option<Vec<u8>> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(arguments).current_dir(env::var_os("CARGO_MANIFEST_DIR")?).output().ok()?;
    output.status.success().then_some(output.stdout)
}
