//! The arena as the allocator of the component.
#![expect(unsafe_code, reason = "an allocator cannot be written without; the arithmetic is safe code in `bump`")]

use std::alloc::{GlobalAlloc, Layout};
use std::arch::wasm32;
use std::cell::UnsafeCell;
use std::ptr;

use super::ARENA_BYTES;
use super::bump::{Block, Bump};

const PAGE_BYTES: usize = 64 * 1024;
/// Pages of one growth: the call costs far more than the pages.
const GROWTH_PAGES: usize = 16;

#[global_allocator]
static ARENA: Arena = Arena { bump: UnsafeCell::new(Bump::empty()), first: UnsafeCell::new(First([0; ARENA_BYTES])) };

/// All zero, so that it lies in memory the module starts with and adds nothing to the file.
#[repr(align(16))]
struct First(#[expect(dead_code, reason = "reached by address only")] [u8; ARENA_BYTES]);

struct Arena {
    bump: UnsafeCell<Bump>,
    first: UnsafeCell<First>,
}

// SAFETY: a component instance has one thread, and neither method below calls out while it holds the state.
unsafe impl Sync for Arena {}

impl Arena {
    #[inline]
    fn with<R>(&self, act: impl FnOnce(&mut Bump) -> R) -> R {
        // SAFETY: one thread (see `Sync`), and no `act` in this file reaches the allocator again.
        act(unsafe { &mut *self.bump.get() })
    }

    /// The built-in block for the first request that it holds, then grown memory.
    #[cold]
    fn more(&self, first: bool, bytes: usize) -> Option<Block> {
        if first && bytes <= ARENA_BYTES {
            let start = self.first.get().expose_provenance();
            return Some(Block { start, end: start + ARENA_BYTES });
        }
        let needed = bytes.div_ceil(PAGE_BYTES);
        let (pages, old) = [needed.max(GROWTH_PAGES), needed].into_iter().find_map(|pages| {
            let old = wasm32::memory_grow::<0>(pages);
            (old != usize::MAX).then_some((pages, old))
        })?;
        let start = old.checked_mul(PAGE_BYTES)?;
        // The last page of a 4 GiB memory ends where the address wraps: its last byte stays unused.
        let end = start.saturating_add(pages.checked_mul(PAGE_BYTES)?);
        Some(Block { start, end })
    }

    #[inline]
    fn address(&self, layout: Layout) -> Option<usize> {
        self.with(|bump| {
            let first = bump.touched() == 0;
            bump.allocate(layout.size(), layout.align(), |bytes| self.more(first, bytes))
        })
    }
}

// SAFETY: `Bump` hands out addresses that are aligned, inside a block that belongs to the arena alone (the static, or
// pages that `memory.grow` just made), and disjoint until `release` or `resize` gives the latest one back. Nothing panics.
unsafe impl GlobalAlloc for Arena {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.address(layout).map_or(ptr::null_mut(), ptr::with_exposed_provenance_mut)
    }

    #[inline]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        self.with(|bump| bump.release(pointer.addr(), layout.size()));
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let touched = self.with(|bump| bump.touched());
        let Some(address) = self.address(layout) else { return ptr::null_mut() };
        let pointer: *mut u8 = ptr::with_exposed_provenance_mut(address);
        // Fresh memory is zero: only what an earlier allocation may have written needs work.
        let used = touched.saturating_sub(address).min(layout.size());
        // SAFETY: `used` is at most the size of the allocation that starts at `pointer`.
        unsafe { pointer.write_bytes(0, used) };
        pointer
    }

    #[inline]
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if self.with(|bump| bump.resize(pointer.addr(), layout.size(), new_size)) {
            return pointer;
        }
        // SAFETY: the caller promises that `new_size`, rounded up to the alignment, is a valid size.
        let moved = unsafe { self.alloc(Layout::from_size_align_unchecked(new_size, layout.align())) };
        if !moved.is_null() {
            // SAFETY: both are live, at least as long as the shorter of the two sizes, and disjoint.
            unsafe { ptr::copy_nonoverlapping(pointer, moved, layout.size().min(new_size)) };
        }
        moved
    }
}
