//! A circuit breaker: a backend that cannot be reached is left alone for a while, and calls hear so at once.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use airlock_model::{HostError, ResourceName};
use tokio::time::Instant;

/// Failures in a row that open the circuit.
const FAILURES_MAX: u32 = 5;
/// How long it stays open. Then one failure is enough to open it again.
const OPEN_FOR: Duration = Duration::from_secs(5);

/// Counts failures to connect in a row.
#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    open_until: Option<Instant>,
}

impl Breaker {
    /// Whether a connection may be tried.
    ///
    /// # Errors
    /// `Unavailable` with the time to wait, while the circuit is open.
    pub(crate) fn check(&self, resource: &ResourceName, now: Instant) -> Result<(), HostError> {
        let until = self.lock().open_until;
        let left = until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        if left.is_zero() {
            return Ok(());
        }
        let text = format!("`{resource}` could not be reached {FAILURES_MAX} times in a row");
        Err(HostError::Unavailable(format!("{text}; it is tried again in {:.1} s", left.as_secs_f64())))
    }

    /// A connection was made: everything is forgotten.
    pub(crate) fn succeeded(&self) {
        *self.lock() = State::default();
    }

    /// No connection was made.
    pub(crate) fn failed(&self, now: Instant) {
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES_MAX {
            state.open_until = Some(now + OPEN_FOR);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_and_closes_again() {
        let (breaker, name): (_, ResourceName) = (Breaker::default(), "db".parse().expect("name"));
        let now = Instant::now();
        for _ in 1..FAILURES_MAX {
            breaker.failed(now);
        }
        assert_eq!(breaker.check(&name, now), Ok(()));
        breaker.succeeded();
        breaker.failed(now);
        assert_eq!(breaker.check(&name, now), Ok(()), "they were not in a row");
        for _ in 1..FAILURES_MAX {
            breaker.failed(now);
        }
        let refused = breaker.check(&name, now).expect_err("open").to_string();
        assert!(refused.contains("in 5.0 s"), "{refused}");
        let later = now + OPEN_FOR;
        assert_eq!(breaker.check(&name, later), Ok(()));
        breaker.failed(later);
        assert!(breaker.check(&name, later).is_err(), "one more failure is enough");
    }
}
