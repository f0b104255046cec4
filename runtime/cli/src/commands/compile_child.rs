//! `airlock compile-child`: the disposable process that compiles one component.

use std::{path::Path, process::ExitCode};

use airlock_sandbox::compile::{ChildTerms, child_main};
use airlock_toolchain::EngineCache;

/// Bytes that compiled functions may take on disk.
const CACHE_BYTES_MAX: u64 = 512 << 20;

/// Runs the child. A cache that cannot be opened costs time and nothing else.
pub fn main(terms: ChildTerms<'_>) -> ExitCode {
    let cache_dir = terms.cache_dir.map(|dir| dir.join("compiled"));
    let cache_dir: Option<&Path> = cache_dir.as_deref();
    let cache = cache_dir.and_then(|dir| EngineCache::open(dir, CACHE_BYTES_MAX).ok());
    let status = child_main(ChildTerms { cache_dir, ..terms }, cache.as_ref().map(EngineCache::store));
    if let Some(cache) = cache {
        cache.flush();
    }
    ExitCode::from(u8::try_from(status).unwrap_or(u8::MAX))
}
