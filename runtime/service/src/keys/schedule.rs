//! When a published set is fetched, and how long it may be used. Is told the time, and does nothing.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use tokio::time::Instant;

use crate::config::PublishedSource;

/// After the first failure; doubled with each that follows.
const RETRY: Duration = Duration::from_secs(10);
/// The longest wait between attempts while there are no keys at all.
const RETRY_WITHOUT_KEYS_MAX: Duration = Duration::from_secs(60);
/// The part of a wait that is left to chance, so that many servers do not ask at once.
const JITTER: f64 = 0.2;

/// The times of one set.
#[derive(Debug)]
pub(super) struct Schedule {
    refresh: Duration,
    max_age: Duration,
    /// When it is fetched next.
    pub(super) due: Instant,
    /// When the keys at hand are too old; `None` while there are none.
    pub(super) expires: Option<Instant>,
    failures: u32,
}

impl Schedule {
    /// Fetched at once; `age` is that of the keys at hand.
    pub(super) fn new(source: &PublishedSource, now: Instant, age: Option<Duration>) -> Self {
        let max_age = Duration::from_secs(source.max_age_s);
        Self {
            refresh: Duration::from_secs(source.refresh_s),
            max_age,
            due: now,
            expires: age.map(|age| now + max_age.saturating_sub(age)),
            failures: 0,
        }
    }

    /// Keys have come. Says how many attempts had failed before.
    pub(super) fn succeeded(&mut self, now: Instant, chance: f64) -> u32 {
        self.due = now + shortened(self.refresh, chance);
        self.expires = Some(now + self.max_age);
        std::mem::take(&mut self.failures)
    }

    /// No keys have come. Says how many attempts have failed now, this one included.
    pub(super) fn failed(&mut self, now: Instant, chance: f64) -> u32 {
        let doubled = RETRY.saturating_mul(1 << self.failures.min(16));
        let longest = if self.expires.is_some() { self.refresh } else { self.refresh.min(RETRY_WITHOUT_KEYS_MAX) };
        self.due = now + shortened(doubled.min(longest), chance);
        self.failures = self.failures.saturating_add(1);
        self.failures
    }

    /// Whether the keys at hand have become too old by now; then there are none any more.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        self.expires.take_if(|expires| *expires <= now).is_some()
    }

    /// When there is something to do next.
    pub(super) fn next(&self) -> Instant {
        self.expires.map_or(self.due, |expires| expires.min(self.due))
    }
}

/// A little less than asked for, so that what is due comes before it is late. `chance` is from 0 to 1.
fn shortened(time: Duration, chance: f64) -> Duration {
    time.mul_f64(1.0 - JITTER * chance.clamp(0.0, 1.0))
}

/// A number from 0 to 1 that differs between processes and moments. Nobody's secret.
pub(super) fn chance() -> f64 {
    f64::from(u16::try_from(RandomState::new().hash_one(0_u8) & 0xffff).unwrap_or_default()) / f64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use airlock_resources::DocumentConfig;

    use super::*;

    fn schedule(age: Option<u64>) -> (Schedule, Instant) {
        let source = PublishedSource { document: DocumentConfig::default(), refresh_s: 300, max_age_s: 3_600 };
        let now = Instant::now();
        (Schedule::new(&source, now, age.map(Duration::from_secs)), now)
    }

    fn seconds(from: Instant, to: Instant) -> f64 {
        to.saturating_duration_since(from).as_secs_f64()
    }

    #[test]
    fn a_set_is_fetched_at_once_and_then_before_its_time() {
        for chance in [0.0, 0.5, 1.0, 7.0] {
            let (mut schedule, now) = schedule(None);
            assert_eq!((schedule.due, schedule.expires, schedule.next()), (now, None, now));
            schedule.succeeded(now, chance);
            assert!((240.0..=300.0).contains(&seconds(now, schedule.due)), "{chance}");
            assert!((seconds(now, schedule.expires.unwrap()) - 3_600.0).abs() < 0.001);
            assert_eq!(schedule.next(), schedule.due);
        }
        assert!((0..100).map(|_| chance()).all(|chance| (0.0..=1.0).contains(&chance)));
    }

    #[test]
    fn failures_are_tried_again_ever_later_and_keep_the_keys_until_their_time() {
        let (mut schedule, now) = schedule(Some(3_000));
        let waits: Vec<_> = (0..40).map(|_| (schedule.failed(now, 0.0), seconds(now, schedule.due))).collect();
        let expected = [(1, 10.0), (2, 20.0), (3, 40.0), (4, 80.0), (5, 160.0), (6, 300.0), (7, 300.0)];
        assert_eq!(waits[..7], expected);
        assert_eq!(waits[39], (40, 300.0));
        let expires = schedule.expires.unwrap();
        assert!((seconds(now, expires) - 600.0).abs() < 0.001, "what was left of an hour");
        assert!(!schedule.expire(now) && schedule.expire(expires) && schedule.expires.is_none());
        assert!(!schedule.expire(expires), "once");
        assert_eq!(schedule.succeeded(now, 0.0), 40);
        assert_eq!(schedule.failed(now, 0.0), 1, "a new run");
    }

    #[test]
    fn without_keys_nobody_waits_for_long() {
        let (mut schedule, now) = schedule(None);
        for _ in 0..20 {
            schedule.failed(now, 0.0);
        }
        assert!(seconds(now, schedule.due) <= 60.0);
        let (stale, now) = self::schedule(Some(9_999));
        assert_eq!(stale.next(), now, "too old before the first fetch");
    }
}
