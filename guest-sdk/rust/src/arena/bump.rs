//! The arithmetic of the arena: addresses only, no memory is touched here.

/// A block of fresh zeroed memory, from its first address to the one after its last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Where the next allocation goes.
#[derive(Debug)]
pub(crate) struct Bump {
    next: usize,
    end: usize,
    /// INVARIANT: nothing from here to `end` was ever handed out, so it is still zero.
    touched: usize,
}

impl Bump {
    /// Without memory; the first allocation asks for a block.
    pub(crate) const fn empty() -> Self {
        Self { next: 0, end: 0, touched: 0 }
    }

    /// An address for `size` bytes, or nothing when no memory is left. `size` is not zero, `align` is a power of two.
    ///
    /// `more` gets a number of bytes and gives a block with at least as many.
    pub(crate) fn allocate(
        &mut self,
        size: usize,
        align: usize,
        more: impl FnOnce(usize) -> Option<Block>,
    ) -> Option<usize> {
        if let Some(address) = self.fit(size, align) {
            return Some(address);
        }
        self.extend(more(size.checked_add(align)?)?);
        self.fit(size, align)
    }

    /// Takes memory back when it is the latest allocation; otherwise it stays used until the instance ends.
    pub(crate) fn release(&mut self, address: usize, size: usize) {
        if self.is_latest(address, size) {
            self.next = address;
        }
    }

    /// Changes the size of an allocation where it stands. False: it must move.
    pub(crate) fn resize(&mut self, address: usize, old: usize, new: usize) -> bool {
        if !self.is_latest(address, old) {
            return new <= old;
        }
        match address.checked_add(new) {
            Some(end) if end <= self.end => {
                self.next = end;
                self.touched = self.touched.max(end);
                true
            }
            _ => false,
        }
    }

    /// The first address that certainly was never handed out. Asked before an allocation, it tells what is zero in it.
    pub(crate) fn touched(&self) -> usize {
        self.touched
    }

    fn fit(&mut self, size: usize, align: usize) -> Option<usize> {
        let address = self.next.checked_next_multiple_of(align)?;
        let end = address.checked_add(size)?;
        if end > self.end {
            return None;
        }
        self.next = end;
        self.touched = self.touched.max(end);
        Some(address)
    }

    /// Continues in a new block. What is left of the old one is lost, unless the new one follows it directly.
    fn extend(&mut self, block: Block) {
        if block.start != self.end {
            self.next = block.start;
            self.touched = block.start;
        }
        self.end = block.end;
    }

    fn is_latest(&self, address: usize, size: usize) -> bool {
        address.checked_add(size) == Some(self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: usize = 0x1_0000;

    fn block(start: usize, bytes: usize) -> Option<Block> {
        Some(Block { start, end: start + bytes })
    }

    fn bump(bytes: usize) -> Bump {
        let mut bump = Bump::empty();
        bump.extend(Block { start: BASE, end: BASE + bytes });
        bump
    }

    #[test]
    fn addresses_are_aligned_and_do_not_overlap() {
        let mut bump = bump(1024);
        let first = bump.allocate(3, 1, |_| None).expect("fits");
        let second = bump.allocate(8, 8, |_| None).expect("fits");
        assert_eq!((first, second), (BASE, BASE + 8));
    }

    #[test]
    fn latest_allocation_is_undone_and_others_are_kept() {
        let mut bump = bump(1024);
        let first = bump.allocate(16, 8, |_| None).expect("fits");
        let second = bump.allocate(16, 8, |_| None).expect("fits");
        bump.release(first, 16);
        assert_eq!(bump.allocate(16, 8, |_| None), Some(second + 16));
        bump.release(second + 16, 16);
        assert_eq!(bump.allocate(16, 8, |_| None), Some(second + 16));
    }

    #[test]
    fn latest_allocation_grows_in_place_up_to_the_end() {
        let mut bump = bump(64);
        let address = bump.allocate(16, 8, |_| None).expect("fits");
        assert!(bump.resize(address, 16, 64));
        assert!(!bump.resize(address, 64, 65));
    }

    #[test]
    fn earlier_allocation_shrinks_in_place_but_does_not_grow() {
        let mut bump = bump(1024);
        let first = bump.allocate(16, 8, |_| None).expect("fits");
        bump.allocate(16, 8, |_| None).expect("fits");
        assert!(bump.resize(first, 16, 8));
        assert!(!bump.resize(first, 16, 17));
    }

    #[test]
    fn adjacent_block_is_joined_and_a_distant_one_replaces() {
        let mut joined = bump(64);
        assert_eq!(joined.allocate(128, 8, |_| block(BASE + 64, 128)), Some(BASE));
        let mut replaced = bump(64);
        assert_eq!(replaced.allocate(128, 8, |_| block(BASE + 4096, 256)), Some(BASE + 4096));
    }

    #[test]
    fn no_memory_and_overflow_are_refusals() {
        let mut bump = bump(64);
        assert_eq!(bump.allocate(65, 1, |_| None), None);
        assert_eq!(bump.allocate(usize::MAX, 8, |_| None), None);
        assert!(bump.allocate(64, 1, |_| None).is_some(), "a refusal uses nothing");
    }

    #[test]
    fn memory_above_the_mark_was_never_handed_out() {
        let mut bump = bump(1024);
        let address = bump.allocate(100, 1, |_| None).expect("fits");
        bump.release(address, 100);
        assert_eq!(bump.touched(), BASE + 100);
    }
}
