//! `airlock compile-child`: the disposable process that compiles one component.

use std::{path::Path, process::ExitCode};

use airlock_toolchain::EngineCache;

/// Bytes that compiled functions may take on disk.
const CACHE_BYTES_MAX: u64 = 512 << 20;

/// Neither compiled nor refused: the server reports it as its own fault.
const EXIT_UNLIMITED: u8 = 4;

/// Runs the child. A cache that cannot be opened costs time and nothing else; limits that cannot be set end it.
pub fn main(cache_dir: Option<&Path>, memory_bytes: u64, cpu_s: u64) -> ExitCode {
    if let Err(error) = airlock_sandbox::compile::limit_this_process(memory_bytes, cpu_s) {
        anstream::eprintln!("cannot limit the compile process: {error}");
        return ExitCode::from(EXIT_UNLIMITED);
    }
    let cache = cache_dir.and_then(|dir| EngineCache::open(&dir.join("compiled"), CACHE_BYTES_MAX).ok());
    let status = airlock_sandbox::compile::child_main(cache.as_ref().map(EngineCache::store));
    if let Some(cache) = cache {
        cache.flush();
    }
    ExitCode::from(u8::try_from(status).unwrap_or(u8::MAX))
}
