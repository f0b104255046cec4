//! Memory for an instance that serves one call: a bump allocator in a fixed first block.
//!
//! Growing linear memory is an `mprotect` under the process-wide map lock, and one instance per call means that freed
//! memory is rarely wanted again. So the first [`ARENA_BYTES`] stand in the module's initial memory, an allocation is an
//! addition, and a free is nothing unless it undoes the latest allocation. A function that allocates and frees without
//! end for a long time does better without the feature `arena`.

#[cfg(any(test, all(feature = "arena", target_arch = "wasm32")))]
mod bump;
#[cfg(all(feature = "arena", target_arch = "wasm32"))]
mod global;

/// Bytes of the arena that need no `memory.grow`: 1 MiB, or what `AIRLOCK_ARENA_BYTES` said at build time.
pub const ARENA_BYTES: usize = match option_env!("AIRLOCK_ARENA_BYTES") {
    Some(text) => decimal(text),
    None => 1 << 20,
};

/// A whole number from text, in a constant. Digits only: anything else stops the build.
#[expect(clippy::panic, reason = "evaluated by the compiler: it stops the build, not the function")]
const fn decimal(text: &str) -> usize {
    match usize::from_str_radix(text, 10) {
        Ok(number) => number,
        Err(_) => panic!("AIRLOCK_ARENA_BYTES is not a whole number of bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_is_read_as_decimal() {
        assert_eq!(decimal("65536"), 65_536);
    }
}
