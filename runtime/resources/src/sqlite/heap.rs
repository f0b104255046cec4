//! The heap that all SQLite connections of the process share.

/// What statements together may have taken, in bytes, before what they freed is given back to the system at once.
#[cfg(target_env = "gnu")]
const KEPT_BYTES_MAX: i64 = 8 << 20;

/// What all connections use now, in bytes.
pub(super) fn bytes_used() -> i64 {
    #[expect(unsafe_code, reason = "no arguments, no preconditions: reads one counter under SQLite's own lock")]
    unsafe {
        rusqlite::ffi::sqlite3_memory_used()
    }
}

/// Gives freed memory back after a statement that took much. glibc, from which SQLite allocates, would keep it for good: it trims
/// only the end of a heap, and less and less of it (mallopt(3), `M_MMAP_THRESHOLD`).
#[cfg(target_env = "gnu")]
pub(super) fn give_back() {
    #[expect(unsafe_code, reason = "no preconditions: reads and resets one counter, and asks the allocator to tidy up")]
    unsafe {
        if rusqlite::ffi::sqlite3_memory_highwater(1) > KEPT_BYTES_MAX {
            libc::malloc_trim(0);
        }
    }
}

/// Other libraries of C give it back by themselves, or not at all.
#[cfg(not(target_env = "gnu"))]
pub(super) fn give_back() {}
