//! `airlock compile-child`: the disposable process that compiles one component.

use std::{path::Path, process::ExitCode};

use airlock_toolchain::EngineCache;

/// Bytes that compiled functions may take on disk.
const CACHE_BYTES_MAX: u64 = 512 << 20;

/// Runs the child. A cache that cannot be opened costs time and nothing else.
pub fn main(cache_dir: Option<&Path>) -> ExitCode {
    let cache = cache_dir.and_then(|dir| EngineCache::open(&dir.join("compiled"), CACHE_BYTES_MAX).ok());
    let status = airlock_sandbox::compile::child_main(cache.as_ref().map(EngineCache::store));
    if let Some(cache) = cache {
        cache.flush();
    }
    ExitCode::from(u8::try_from(status).unwrap_or(u8::MAX))
}
