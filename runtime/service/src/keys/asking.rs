//! When a set is fetched because a token names a key that nobody has seen. Is told the time, and does nothing.
//!
//! Anybody can name any key, so nothing tells a stranger's token from an honest one before the fetch. But whoever asks, the fetch
//! brings every key: strangers who take all that may be asked for only see to it that the set is never older than [`EVERY`].

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use airlock_access::KeyName;
use tokio::time::Instant;

/// Fetches that may be asked for at once, so that a few unknown keys take nothing from an honest one.
const AT_ONCE: u32 = 3;
/// After so long another one may be asked for.
const EVERY: Duration = Duration::from_secs(10);
/// How long a key is not asked for again that was not there: no longer than anybody has to wait for a fetch. Whoever guesses the
/// name of the next key delays it by no more than that.
const VAIN: Duration = EVERY;
/// Keys that are remembered not to have been there.
const KEYS_MAX: usize = 256;

/// What may still be asked for.
#[derive(Debug)]
pub(super) struct Asking {
    left: u32,
    /// Since when `left` is what it is.
    since: Instant,
    /// Until when.
    vain: HashMap<KeyName, Instant>,
    /// The oldest first.
    order: VecDeque<KeyName>,
}

impl Asking {
    pub(super) fn new(now: Instant) -> Self {
        Self { left: AT_ONCE, since: now, vain: HashMap::new(), order: VecDeque::new() }
    }

    /// Whether the set may be fetched for this key now; then that is counted.
    pub(super) fn may_ask(&mut self, key: &KeyName, now: Instant) -> bool {
        if self.vain.get(key).is_some_and(|until| now < *until) {
            return false;
        }
        self.refill(now);
        let Some(left) = self.left.checked_sub(1) else { return false };
        self.left = left;
        true
    }

    /// A fetch that was asked for did not bring this key.
    pub(super) fn in_vain(&mut self, key: &KeyName, now: Instant) {
        // Of those who waited for the same fetch, the first has said so.
        if self.vain.get(key).is_some_and(|until| now < *until) {
            return;
        }
        if self.vain.insert(key.clone(), now + VAIN).is_none() {
            self.order.push_back(key.clone());
        }
        if self.order.len() > KEYS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.vain.remove(&oldest);
        }
    }

    fn refill(&mut self, now: Instant) {
        while self.left < AT_ONCE && now.saturating_duration_since(self.since) >= EVERY {
            (self.left, self.since) = (self.left + 1, self.since + EVERY);
        }
        if self.left == AT_ONCE {
            self.since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> KeyName {
        KeyName::Id(name.to_owned())
    }

    fn seconds(from: Instant, seconds: u64) -> Instant {
        from + Duration::from_secs(seconds)
    }

    #[test]
    fn a_few_at_once_and_then_one_every_ten_seconds_whoever_asks() {
        let now = Instant::now();
        let mut asking = Asking::new(now);
        let mut asked = Vec::new();
        for second in 0..60 {
            for number in 0..100 {
                if asking.may_ask(&key(&format!("{second}-{number}")), seconds(now, second)) {
                    asked.push(second);
                }
            }
        }
        assert_eq!(asked, [0, 0, 0, 10, 20, 30, 40, 50]);
        let later = seconds(now, 3_600);
        assert_eq!((0..10).filter(|n| asking.may_ask(&key(&n.to_string()), later)).count(), 3, "no more are saved up");
        let after = |s| seconds(later, s);
        assert!(!asking.may_ask(&key("x"), after(9)) && asking.may_ask(&key("x"), after(10)));
    }

    #[test]
    fn a_key_that_was_not_there_costs_nothing_for_a_while_and_is_never_kept_out_for_longer() {
        let mut now = Instant::now();
        let (mut asking, old) = (Asking::new(now), key("old"));
        for _ in 0..8 {
            assert!(asking.may_ask(&old, now));
            asking.in_vain(&old, now);
            asking.in_vain(&old, seconds(now, 5));
            assert!(!asking.may_ask(&old, seconds(now, 9)));
            now = seconds(now, 10);
        }
    }

    #[test]
    fn only_so_many_keys_are_remembered_and_a_name_is_no_tag() {
        let now = Instant::now();
        let mut asking = Asking::new(now);
        for number in 0..10_000 {
            asking.in_vain(&key(&number.to_string()), now);
        }
        assert!(asking.vain.len() <= KEYS_MAX && asking.order.len() <= KEYS_MAX);
        assert!(asking.vain.contains_key(&key("9999")) && !asking.vain.contains_key(&key("0")));
    }
}
