//! The functions that are measured, from source to component.

use std::path::{Path, PathBuf};

use airlock_toolchain::{BuildOptions, Built, Project, build};
use anyhow::Context;

use crate::args::Guest;

/// What every guest is called with.
pub(crate) const INPUT: &[u8] = br#"{"name":"Ada"}"#;
/// What every guest must answer.
pub(crate) const OUTPUT: &[u8] = br#"{"greeting":"hello, Ada"}"#;

impl Guest {
    /// As in the report and on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::RustArena => "rust-arena",
            Self::Rust => "rust",
            Self::Typescript => "typescript",
        }
    }

    const fn directory(self) -> &'static str {
        match self {
            Self::RustArena => "tests/guests/hello-arena",
            Self::Rust => "tests/guests/hello-plain",
            Self::Typescript => "benches/guests/hello-typescript",
        }
    }
}

/// A guest that can be deployed.
pub(crate) struct Component {
    /// Its project.
    pub(crate) project: Project,
    /// The component and its sources.
    pub(crate) built: Built,
}

/// The directories of a run, all under the workspace's `target`.
pub(crate) struct Places {
    workspace: PathBuf,
}

impl Places {
    /// Finds the workspace that this program was built from, and makes `target/bench`.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        let workspace = own.parent().context("the crate has no workspace above it")?.to_owned();
        let places = Self { workspace };
        std::fs::create_dir_all(places.bench()).context("cannot make `target/bench`")?;
        Ok(places)
    }

    /// Reports and state, on the disk that holds the workspace.
    pub(crate) fn bench(&self) -> PathBuf {
        self.workspace.join("target/bench")
    }

    /// Compiled parts, kept from run to run.
    pub(crate) fn cache(&self) -> PathBuf {
        self.bench().join("cache")
    }

    /// Builds one guest as `airlock build` does.
    pub(crate) fn build(&self, guest: Guest) -> anyhow::Result<Component> {
        let project = Project::load(&self.workspace.join(guest.directory()))?;
        let options = BuildOptions { cache_dir: self.cache(), target_dir: self.workspace.join("target/guests") };
        let built = build(&project, &options, &mut |step| eprintln!("{}: {}", guest.name(), step.label()))
            .with_context(|| format!("cannot build `{}`", guest.directory()))?;
        Ok(Component { project, built })
    }
}
