//! What guests see of time: milliseconds, so that nobody measures a neighbour's cache misses with it.

use std::time::Duration;

use wasmtime_wasi::{
    HostMonotonicClock, HostWallClock,
    clocks::{MonotonicClock, WallClock},
};

const TICK: Duration = Duration::from_millis(1);

/// A clock of this host, cut to whole ticks.
pub(crate) struct Coarse<Clock>(pub(crate) Clock);

impl HostWallClock for Coarse<WallClock> {
    fn resolution(&self) -> Duration {
        TICK
    }

    fn now(&self) -> Duration {
        let now = self.0.now();
        now.saturating_sub(Duration::from_nanos(u64::from(now.subsec_nanos()) % in_nanoseconds(TICK)))
    }
}

impl HostMonotonicClock for Coarse<MonotonicClock> {
    fn resolution(&self) -> u64 {
        in_nanoseconds(TICK)
    }

    fn now(&self) -> u64 {
        let now = self.0.now();
        now - now % in_nanoseconds(TICK)
    }
}

const fn in_nanoseconds(tick: Duration) -> u64 {
    tick.subsec_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_tick_in_milliseconds() {
        let (wall, monotonic) = (Coarse(WallClock), Coarse(MonotonicClock::default()));
        std::thread::sleep(Duration::from_micros(1_100));
        assert_eq!(HostWallClock::now(&wall).subsec_nanos() % 1_000_000, 0);
        assert_eq!(HostMonotonicClock::now(&monotonic) % 1_000_000, 0);
        assert!(HostMonotonicClock::now(&monotonic) >= 1_000_000);
        assert_eq!(HostMonotonicClock::resolution(&monotonic), 1_000_000);
        assert_eq!(HostWallClock::resolution(&wall), TICK);
    }
}
