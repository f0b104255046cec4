//! Components built from small projects and really run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod building;
mod host;
mod running;

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::BuildError;
use crate::pipeline::{BuildOptions, Built, build};
use crate::project::Project;

/// What every test project declares.
pub(super) const MANIFEST: &str = "
name = \"under-test\"
language = \"typescript\"
[resources.orders-db]
kind = \"sql\"
operations = [\"read\", \"write\"]
[resources.crm]
kind = \"http\"
operations = [\"GET:/customers/*\", \"POST:/customers/*\"]
";

/// One cache for all test runs, in cargo's directory: the interpreter is compiled once.
pub(super) fn options() -> BuildOptions {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(target, PathBuf::from);
    BuildOptions { cache_dir: target.join("toolchain-tests"), target_dir: target }
}

/// Builds a project of these files, the first of which is the entry.
pub(super) fn build_files(files: &[(&str, &str)]) -> Result<Built, BuildError> {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("function.toml"), MANIFEST).unwrap();
    for (path, text) in files {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let project = Project::load(directory.path()).unwrap();
    build(&project, &options(), &mut |_| {})
}

/// Builds a project of one file.
pub(super) fn build_main(text: &str) -> Result<Built, BuildError> {
    build_files(&[("src/main.ts", text)])
}
