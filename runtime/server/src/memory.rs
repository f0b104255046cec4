//! Memory that nothing uses any more goes back to the system, in time.
//!
//! One large deploy must not leave the process larger for good: memory is what containers are killed for, and what tells an
//! operator that something leaks.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

/// Twice in the time after which mimalloc may return what was freed.
const EVERY: Duration = Duration::from_millis(500);

/// Gives back, again and again, what mimalloc holds of freed memory. Never ends.
///
/// mimalloc 3 does that only when it is asked to: freeing alone keeps the pages (`mi_arenas_try_purge` in its `arena.c`). In a
/// process with another allocator this does nothing.
pub(crate) async fn give_back() {
    let mut look = interval(EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        #[expect(unsafe_code, reason = "a C function without arguments that could be wrong")]
        unsafe {
            libmimalloc_sys::mi_collect(false);
        }
    }
}
