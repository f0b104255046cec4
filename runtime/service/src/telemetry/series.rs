//! Handles of labelled series, by the names that they are labelled with. Bounded, so that no caller makes series.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use arc_swap::ArcSwap;

/// Label of everything beyond the bound.
pub(super) const OTHER: &str = "other";

type ByName<T> = HashMap<Box<str>, HashMap<Box<str>, Arc<T>>>;

/// Makes the handle of two names.
type Make<T> = dyn Fn(&str, &str) -> T + Send + Sync;

/// What is counted for each pair of names, `max` pairs at most; all others are counted together.
pub(super) struct Series<T> {
    known: ArcSwap<ByName<T>>,
    adding: Mutex<()>,
    other: OnceLock<Arc<T>>,
    max: usize,
    make: Box<Make<T>>,
}

impl<T> Series<T> {
    pub(super) fn new(max: usize, make: impl Fn(&str, &str) -> T + Send + Sync + 'static) -> Self {
        let known = ArcSwap::from_pointee(HashMap::new());
        Self { known, adding: Mutex::default(), other: OnceLock::new(), max, make: Box::new(make) }
    }

    /// The handle for these names. Takes no lock for names that were seen before.
    pub(super) fn get(&self, first: &str, second: &str) -> Arc<T> {
        let found = find(&self.known.load(), first, second);
        found.unwrap_or_else(|| self.add(first, second))
    }

    /// Shows each handle with its names.
    pub(super) fn each(&self, mut show: impl FnMut(&str, &str, &T)) {
        for (first, seconds) in &**self.known.load() {
            seconds.iter().for_each(|(second, handle)| show(first, second, handle));
        }
        if let Some(other) = self.other.get() {
            show(OTHER, OTHER, other);
        }
    }

    fn add(&self, first: &str, second: &str) -> Arc<T> {
        // A panic while it is held leaves a whole map: it is replaced in one step.
        let _turn = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.known.load_full();
        if let Some(found) = find(&known, first, second) {
            return found;
        }
        if known.values().map(HashMap::len).sum::<usize>() >= self.max {
            return Arc::clone(self.other.get_or_init(|| Arc::new((self.make)(OTHER, OTHER))));
        }
        let made = Arc::new((self.make)(first, second));
        let mut more = ByName::clone(&known);
        more.entry(first.into()).or_default().insert(second.into(), Arc::clone(&made));
        self.known.store(Arc::new(more));
        made
    }
}

fn find<T>(known: &ByName<T>, first: &str, second: &str) -> Option<Arc<T>> {
    known.get(first)?.get(second).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_bound_share_one_handle() {
        let series = Series::new(2, |first, second| format!("{first}/{second}"));
        let one = series.get("dev", "a");
        assert!(Arc::ptr_eq(&one, &series.get("dev", "a")));
        assert_eq!(*series.get("prod", "a"), "prod/a");
        for number in 0..10_000 {
            assert_eq!(*series.get("dev", &format!("n{number}")), "other/other");
        }
        assert!(Arc::ptr_eq(&one, &series.get("dev", "a")), "who came first stays");
    }
}
