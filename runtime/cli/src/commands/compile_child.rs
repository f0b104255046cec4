//! `airlock compile-child`: the disposable process that compiles one component.

use std::{path::Path, process::ExitCode};

use airlock_sandbox::compile::{Lockdown, child_main};
use airlock_toolchain::EngineCache;

/// Bytes that compiled functions may take on disk.
const CACHE_BYTES_MAX: u64 = 512 << 20;

/// Runs the child. A cache that cannot be opened costs time and nothing else.
pub fn main(cache_dir: Option<&Path>, required: bool) -> ExitCode {
    let cache_dir = cache_dir.map(|dir| dir.join("compiled"));
    let cache = cache_dir.as_deref().and_then(|dir| EngineCache::open(dir, CACHE_BYTES_MAX).ok());
    let lockdown = Lockdown { cache_dir: cache_dir.as_deref(), required };
    let status = child_main(lockdown, cache.as_ref().map(EngineCache::store));
    if let Some(cache) = cache {
        cache.flush();
    }
    ExitCode::from(u8::try_from(status).unwrap_or(u8::MAX))
}
