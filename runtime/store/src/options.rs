//! How a store is opened.

use std::num::NonZeroUsize;

/// When SQLite waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncMode {
    /// Every commit waits until its records are on disk. What a server uses.
    Full,
    /// No commit waits: a power cut loses acknowledged records. For benchmarks only; a server warns at start.
    OffForBenchmarksOnly,
}

impl SyncMode {
    pub(crate) const fn pragma(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::OffForBenchmarksOnly => "OFF",
        }
    }
}

/// Settings of a [`crate::Store`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreOptions {
    /// When commits wait for the disk.
    pub sync: SyncMode,
    /// Below this many free bytes [`crate::Store::ready`] turns new calls away; open calls still write their records.
    pub free_bytes_min: u64,
    /// Bytes kept on the disk, where it can promise them, for the records of calls that are open when it is full all the same.
    pub reserve_bytes: u64,
    /// Threads that serve reads and artifact files.
    pub readers: NonZeroUsize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        let readers = NonZeroUsize::MIN.saturating_add(1);
        Self { sync: SyncMode::Full, free_bytes_min: 64 << 20, reserve_bytes: 16 << 20, readers }
    }
}
