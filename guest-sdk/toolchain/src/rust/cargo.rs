//! One run of `cargo build` and what it gave.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::RustBuildError;
use super::diagnostic::{Diagnostic, Message};
use super::environment;
use super::tools::{StandardLibrary, TARGET, Tools};

/// Separates flags in `CARGO_ENCODED_RUSTFLAGS`.
const SEPARATOR: &str = "\u{1f}";

/// What a successful run gave.
pub(super) struct Output {
    /// The core module of the project itself.
    pub(super) module: Option<PathBuf>,
    pub(super) warnings: Vec<Diagnostic>,
}

/// Builds the project in release mode. Cargo writes into `target` only.
pub(super) fn build(project: &Path, target: &Path, tools: &Tools) -> Result<Output, RustBuildError> {
    let mut command = command(project, target, tools);
    tracing::info!(project = %project.display(), %tools, "building with cargo");
    let start = |source| RustBuildError::Start { program: "cargo".into(), source };
    let output = command.output().map_err(start)?;
    let mut found = Found::default();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        found.take(Message::parse(line), project);
    }
    if output.status.success() {
        return Ok(Output { module: found.module, warnings: found.warnings });
    }
    if found.errors.is_empty() {
        return Err(RustBuildError::Cargo(String::from_utf8_lossy(&output.stderr).trim_end().to_owned()));
    }
    Err(RustBuildError::Compile(found.errors))
}

fn command(project: &Path, target: &Path, tools: &Tools) -> Command {
    let mut command = Command::new("cargo");
    environment::clean(&mut command);
    command
        .current_dir(project)
        .args(["build", "--release", "--lib", "--target", TARGET, "--message-format", "json"])
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags())
        .env("RUSTC", &tools.rustc);
    if let Some(linker) = &tools.linker {
        command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
    }
    match tools.standard_library {
        StandardLibrary::Installed => {}
        StandardLibrary::FromSource => {
            // `-Z` is for nightly compilers; the variable lets a stable one do what Debian packages it for.
            command.env("RUSTC_BOOTSTRAP", "1").arg("-Zbuild-std=std,panic_abort");
        }
    }
    command
}

/// Keeps this machine's directories out of panic messages. The same for all projects, so that they share what is built.
fn rustflags() -> OsString {
    let mut flags = OsString::new();
    if let Some(home) = environment::cargo_home() {
        flags.push("--remap-path-prefix");
        flags.push(SEPARATOR);
        flags.push(home);
        flags.push("=/cargo");
    }
    flags
}

#[derive(Default)]
struct Found {
    module: Option<PathBuf>,
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl Found {
    fn take(&mut self, message: Message, project: &Path) {
        match message {
            Message::Error(diagnostic) => self.errors.push(diagnostic),
            Message::Warning(diagnostic) => self.warnings.push(diagnostic),
            Message::Module { package_manifest, files } => {
                if package_manifest == project.join("Cargo.toml") {
                    self.module = files.into_iter().find(|file| file.extension().is_some_and(|e| e == "wasm"));
                }
            }
            Message::Other => {}
        }
    }
}
