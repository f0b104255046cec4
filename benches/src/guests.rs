//! The functions that are measured, from source to component.

use std::path::{Path, PathBuf};

use airlock_toolchain::{BuildOptions, Built, Project, build};
use anyhow::Context;

use crate::args::Guest;

/// What every guest that greets is called with.
pub(crate) const INPUT: &[u8] = br#"{"name":"Ada"}"#;
/// What it must answer.
pub(crate) const OUTPUT: &[u8] = br#"{"greeting":"hello, Ada"}"#;

/// Makes host calls.
pub(crate) const HOST_CALLS: &str = "benches/guests/host-calls";
/// Keeps a processor busy.
pub(crate) const WORK: &str = "benches/guests/work";

impl Guest {
    /// As in the report and on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::RustArena => "rust-arena",
            Self::Rust => "rust",
            Self::Typescript => "typescript",
        }
    }

    /// Its project, from the workspace.
    pub(crate) const fn directory(self) -> &'static str {
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

impl Component {
    /// Its name on a server.
    pub(crate) fn name(&self) -> &str {
        self.project.name.as_str()
    }

    /// The same function under another name.
    pub(crate) fn manifest_named(&self, name: &str) -> String {
        let own = format!("name = \"{}\"", self.name());
        self.project.manifest_text.replacen(&own, &format!("name = \"{name}\""), 1)
    }
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

    /// A project of the workspace.
    pub(crate) fn project(&self, directory: &str) -> PathBuf {
        self.workspace.join(directory)
    }

    /// A new directory that is removed when it is dropped.
    pub(crate) fn fresh(&self, prefix: &str) -> anyhow::Result<tempfile::TempDir> {
        let made = tempfile::Builder::new().prefix(prefix).tempdir_in(self.bench());
        made.context("cannot make a directory under `target/bench`")
    }

    /// Builds one guest as `airlock build` does.
    pub(crate) fn build(&self, guest: Guest) -> anyhow::Result<Component> {
        self.build_project(guest.directory())
    }

    /// Builds any project of the workspace.
    pub(crate) fn build_project(&self, directory: &str) -> anyhow::Result<Component> {
        self.build_with_cache(&self.project(directory), &self.cache())
    }

    /// Builds any project, with compiled parts kept elsewhere.
    pub(crate) fn build_with_cache(&self, directory: &Path, cache: &Path) -> anyhow::Result<Component> {
        let project = Project::load(directory)?;
        let options = BuildOptions { cache_dir: cache.to_owned(), target_dir: self.workspace.join("target/guests") };
        let name = project.name.clone();
        let built = build(&project, &options, &mut |step| eprintln!("{name}: {}", step.label()))
            .with_context(|| format!("cannot build `{}`", directory.display()))?;
        Ok(Component { project, built })
    }
}
