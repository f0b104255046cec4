//! Room for the records of calls that are already open.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use crate::StoreError;

/// How long one look at the file system is good for.
const FRESH_MS: u64 = 1_000;

/// Watches the free space of the state directory, looking at most once a second.
pub(crate) struct SpaceWatch {
    dir: PathBuf,
    needed: u64,
    free: AtomicU64,
    started: Instant,
    looked_ms: AtomicU64,
}

impl SpaceWatch {
    pub(crate) fn new(dir: &Path, needed: u64) -> Self {
        let watch = Self {
            dir: dir.into(),
            needed,
            free: AtomicU64::new(u64::MAX),
            started: Instant::now(),
            looked_ms: AtomicU64::new(0),
        };
        watch.look();
        watch
    }

    /// Whether a new call may start.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let looked = self.looked_ms.load(Ordering::Relaxed);
        let stale = now.saturating_sub(looked) >= FRESH_MS;
        if stale && self.looked_ms.compare_exchange(looked, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.look();
        }
        let free = self.free.load(Ordering::Relaxed);
        if free < self.needed { Err(StoreError::DiskLow { free, needed: self.needed }) } else { Ok(()) }
    }

    /// Free bytes as of the last look; `None` where the file system does not tell.
    pub(crate) fn free(&self) -> Option<u64> {
        Some(self.free.load(Ordering::Relaxed)).filter(|free| *free < u64::MAX)
    }

    /// A file system that does not tell is taken as having room: a write that fails is still caught where it fails.
    fn look(&self) {
        let free = rustix::fs::statvfs(&self.dir).map_or(u64::MAX, |fs| fs.f_bavail.saturating_mul(fs.f_frsize));
        self.free.store(free, Ordering::Relaxed);
    }
}
