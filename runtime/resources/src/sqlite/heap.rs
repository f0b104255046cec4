//! SQLite's memory: one heap for the process, counted by thread.
//!
//! SQLite has no cap per connection or statement, only one for everything. A statement runs on one thread from its begin to its
//! end, so counting what a thread allocates tells who took how much: of several statements the one that fills the heap is
//! stopped, and not whichever looks first.

use std::{
    cell::Cell,
    ffi::{c_int, c_void},
    sync::LazyLock,
};

use libmimalloc_sys::{mi_free, mi_malloc, mi_realloc, mi_usable_size};
use rusqlite::ffi;

/// All SQLite connections of the process together, in bytes. As much as a guest has itself by default: a sort is not to be the way
/// to more memory.
const BYTES_MAX: i64 = 64 << 20;
/// What a statement may always take, however much the others have, in bytes: caches, and sorting a few thousand rows.
const SHARE_BYTES: i64 = 4 << 20;

thread_local! {
    /// Bytes that this thread allocated and did not free.
    static OWN: Cell<i64> = const { Cell::new(0) };
}

/// Whether SQLite allocates from us. Whoever opened a database before decided that it does not; then every statement counts
/// for all of them.
static IS_COUNTED: LazyLock<bool> = LazyLock::new(install);

/// Takes over SQLite's allocations, once, before the first database is opened.
pub(crate) fn claim() {
    if !*IS_COUNTED {
        tracing::debug!("SQLite was in use before its heap could be counted by thread");
    }
}

/// Begins a statement on this thread.
pub(super) fn begin_statement() {
    OWN.set(0);
}

/// Whether the statement that runs on this thread has to stop, because memory is short and it has much of it.
pub(super) fn is_exceeded() -> bool {
    bytes_used() > BYTES_MAX && (!*IS_COUNTED || OWN.get() > SHARE_BYTES)
}

fn bytes_used() -> i64 {
    #[expect(unsafe_code, reason = "no arguments, no preconditions: reads one counter under SQLite's own lock")]
    unsafe {
        ffi::sqlite3_memory_used()
    }
}

fn install() -> bool {
    let methods = ffi::sqlite3_mem_methods {
        xMalloc: Some(allocate),
        xFree: Some(free),
        xRealloc: Some(reallocate),
        xSize: Some(size),
        xRoundup: Some(round_up),
        xInit: Some(init),
        xShutdown: Some(shut_down),
        pAppData: std::ptr::null_mut(),
    };
    #[expect(
        unsafe_code,
        reason = "SQLite copies the table, refuses it once it is initialised, and all functions are there"
    )]
    let answer = unsafe { ffi::sqlite3_config(ffi::SQLITE_CONFIG_MALLOC, &raw const methods) };
    answer == ffi::SQLITE_OK
}

/// Adds to what the thread has. A thread that is ending counts no more.
fn count(bytes: i64) {
    let _ending = OWN.try_with(|own| own.set(own.get().wrapping_add(bytes)));
}

fn bytes_of(block: *const c_void) -> i64 {
    #[expect(unsafe_code, reason = "a block of mimalloc's, or null, whose size is 0")]
    let bytes = unsafe { mi_usable_size(block) };
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[expect(unsafe_code, reason = "SQLite's own signature; it never asks for nothing or less")]
unsafe extern "C" fn allocate(bytes: c_int) -> *mut c_void {
    let block = unsafe { mi_malloc(usize::try_from(bytes).unwrap_or(0)) };
    count(bytes_of(block));
    block
}

#[expect(unsafe_code, reason = "SQLite's own signature; the block is one of `allocate`'s")]
unsafe extern "C" fn free(block: *mut c_void) {
    count(-bytes_of(block));
    unsafe { mi_free(block) }
}

#[expect(
    unsafe_code,
    reason = "SQLite's own signature; the block is one of `allocate`'s, and stays when there is no room"
)]
unsafe extern "C" fn reallocate(block: *mut c_void, bytes: c_int) -> *mut c_void {
    let before = bytes_of(block);
    let moved = unsafe { mi_realloc(block, usize::try_from(bytes).unwrap_or(0)) };
    if !moved.is_null() {
        count(bytes_of(moved) - before);
    }
    moved
}

#[expect(unsafe_code, reason = "SQLite's own signature; the block is one of `allocate`'s")]
unsafe extern "C" fn size(block: *mut c_void) -> c_int {
    c_int::try_from(bytes_of(block)).unwrap_or(c_int::MAX)
}

#[expect(unsafe_code, reason = "SQLite's own signature")]
unsafe extern "C" fn round_up(bytes: c_int) -> c_int {
    bytes.saturating_add(7) & !7
}

#[expect(unsafe_code, reason = "SQLite's own signature")]
unsafe extern "C" fn init(_: *mut c_void) -> c_int {
    ffi::SQLITE_OK
}

#[expect(unsafe_code, reason = "SQLite's own signature")]
unsafe extern "C" fn shut_down(_: *mut c_void) {}
