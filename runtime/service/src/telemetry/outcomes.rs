//! How something ended, as a label: the stable names that the trail uses, each with a place of its own.

use std::{
    collections::HashMap,
    sync::{LazyLock, OnceLock},
};

use airlock_model::Reason;
use prometheus::{IntCounter, IntCounterVec};

/// What is no name of ours. There is none; a label must stay bounded if there ever is.
const OTHER: &str = "other";
/// Outcomes that are no reason of [`Reason::ALL`].
const MORE: [&str; 8] = [
    OTHER,
    "ok",
    "function_error",
    "outcome_unknown",
    "backend_timeout",
    "backend_unavailable",
    "backend_error",
    "host_call_malformed",
];

static NAMES: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| MORE.into_iter().chain(Reason::ALL.iter().map(|reason| reason.as_str())).collect());
static PLACES: LazyLock<HashMap<&'static str, usize>> =
    LazyLock::new(|| NAMES.iter().enumerate().map(|(place, name)| (*name, place)).collect());

/// The label for an outcome's name.
pub(super) fn label(name: &str) -> &'static str {
    PLACES.get_key_value(name).map_or(OTHER, |(known, _)| known)
}

/// Counters of one thing by outcome. The first of each outcome makes its series; every other one is an addition.
pub(super) struct Outcomes {
    counters: IntCounterVec,
    /// The values of the labels before `outcome`.
    labels: Vec<String>,
    places: Box<[OnceLock<IntCounter>]>,
}

impl Outcomes {
    pub(super) fn new(counters: &IntCounterVec, labels: &[&str]) -> Self {
        let places = NAMES.iter().map(|_| OnceLock::new()).collect();
        Self { counters: counters.clone(), labels: labels.iter().map(|&label| label.to_owned()).collect(), places }
    }

    /// No lock, no allocation and no formatting, but for the first of each outcome.
    pub(super) fn count(&self, name: &str) {
        let place = PLACES.get(name).copied().unwrap_or_default();
        if let Some(counter) = self.places.get(place) {
            counter.get_or_init(|| self.series(place)).inc();
        }
    }

    fn series(&self, place: usize) -> IntCounter {
        let name = NAMES.get(place).copied().unwrap_or(OTHER);
        let labels: Vec<&str> = self.labels.iter().map(String::as_str).chain([name]).collect();
        self.counters.with_label_values(&labels)
    }
}

#[cfg(test)]
mod tests {
    use prometheus::Opts;

    use super::*;

    #[test]
    fn every_outcome_has_a_series_of_its_own_and_no_text_makes_another() {
        let counters = IntCounterVec::new(Opts::new("seen", "seen"), &["name", "outcome"]).expect("a counter");
        let outcomes = Outcomes::new(&counters, &["one"]);
        for name in ["ok", "ok", "not_granted", "made up", "made up too"] {
            outcomes.count(name);
        }
        let seen = |outcome: &str| counters.with_label_values(&["one", outcome]).get();
        assert_eq!([seen("ok"), seen("not_granted"), seen(OTHER)], [2, 1, 2]);
        assert_eq!(label("made up"), OTHER);
        assert!(Reason::ALL.iter().all(|reason| label(reason.as_str()) == reason.as_str()));
    }
}
