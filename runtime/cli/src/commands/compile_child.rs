//! `airlock compile-child`: the disposable process that compiles one component.

use std::{path::Path, process::ExitCode};

use airlock_sandbox::compile::{ChildTerms, child_main};
use airlock_toolchain::EngineCache;

/// Runs the child.
pub fn main(terms: ChildTerms<'_>) -> ExitCode {
    let cache_dir = terms.cache_dir.map(|dir| dir.join("compiled"));
    let cache_dir: Option<&Path> = cache_dir.as_deref();
    let status = EngineCache::lend(cache_dir, |cache| child_main(ChildTerms { cache_dir, ..terms }, cache));
    ExitCode::from(u8::try_from(status).unwrap_or(u8::MAX))
}
