//! Counts allocations of one thread, when asked to.

use std::{
    alloc::{GlobalAlloc, Layout},
    cell::Cell,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use mimalloc::MiMalloc;

/// The allocator of `airlock` itself, with a counter that is off unless [`during`] runs: then all that it costs is the
/// reading of one flag that nobody writes.
pub(crate) struct Counting;

static IS_COUNTING: AtomicBool = AtomicBool::new(false);

thread_local! {
    // Without a destructor and without allocation, so that the allocator itself may use it.
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    if IS_COUNTING.load(Relaxed) {
        // A thread that is ending counts no more.
        let _ended = COUNT.try_with(|count| count.set(count.get() + 1));
    }
}

#[expect(
    unsafe_code,
    reason = "only a global allocator sees every allocation; each call goes on to mimalloc as it came"
)]
// SAFETY: all four functions hand their arguments to `MiMalloc` unchanged and return what it returns.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are those that `MiMalloc` asks for.
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { MiMalloc.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count();
        // SAFETY: as above; every pointer that we gave out is `MiMalloc`'s.
        unsafe { MiMalloc.realloc(pointer, layout, new_size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { MiMalloc.dealloc(pointer, layout) }
    }
}

/// How many allocations, growths included, this thread made while `work` ran.
pub(crate) fn during<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let now = || COUNT.try_with(Cell::get).unwrap_or_default();
    let before = now();
    IS_COUNTING.store(true, Relaxed);
    let done = work();
    IS_COUNTING.store(false, Relaxed);
    (done, now() - before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_thread_and_only_now_is_counted() {
        let ((), none) = during(|| ());
        assert_eq!(none, 0);
        let (kept, some) = during(|| (Box::new(1_u64), vec![1_u8; 100]));
        assert_eq!(some, 2);
        drop(kept);
        let (_, others) = during(|| std::thread::scope(|scope| scope.spawn(|| drop(vec![0_u8; 100])).join().is_ok()));
        let (_, empty) = during(|| std::thread::scope(|scope| scope.spawn(|| ()).join().is_ok()));
        assert_eq!(others, empty);
    }
}
