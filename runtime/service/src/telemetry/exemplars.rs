//! Exemplars: for each bucket of a histogram the last traced call that fell into it, which leads from a slow bucket to a trace.

use std::{collections::HashMap, sync::Mutex};

use prometheus::proto::{LabelPair, Metric};

use super::trace::{SpanId, TraceContext, TraceId};
use crate::clock;

/// One traced call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Exemplar {
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
    /// In the unit of the histogram.
    pub(super) value: f64,
    pub(super) time_ns: u64,
}

/// Those of one series.
pub(super) struct Exemplars {
    bounds: &'static [f64],
    /// One for each bound, and one for what is beyond the last.
    places: Box<[Mutex<Option<Exemplar>>]>,
}

impl Exemplars {
    pub(super) fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, places: (0..=bounds.len()).map(|_| Mutex::default()).collect() }
    }

    /// Keeps a traced call. Whoever meets another there goes on: one of the two is as good as the other.
    pub(super) fn keep(&self, value: f64, at: &TraceContext) {
        let bucket = self.bounds.iter().position(|bound| value <= *bound).unwrap_or(self.bounds.len());
        if let Some(Ok(mut place)) = self.places.get(bucket).map(Mutex::try_lock) {
            *place = Some(Exemplar { trace: at.trace, span: at.span, value, time_ns: clock::now_unix_ns() });
        }
    }

    fn read(&self) -> Vec<Option<Exemplar>> {
        self.places.iter().map(|place| place.try_lock().ok().and_then(|place| *place)).collect()
    }
}

/// Those of all series, by the metric and the values of its labels in the order of their names.
#[derive(Default)]
pub(crate) struct AllExemplars(HashMap<String, Vec<Option<Exemplar>>>);

impl AllExemplars {
    pub(super) fn add(&mut self, metric: &str, labels: [&str; 2], exemplars: &Exemplars) {
        self.0.insert(key(metric, &mut labels.into_iter()), exemplars.read());
    }

    /// The last of one bucket.
    pub(super) fn find(&self, metric: &str, series: &Metric, bucket: usize) -> Option<&Exemplar> {
        let labels = key(metric, &mut series.get_label().iter().map(LabelPair::value));
        self.0.get(&labels)?.get(bucket)?.as_ref()
    }
}

/// No name has a line break.
fn key(metric: &str, labels: &mut dyn Iterator<Item = &str>) -> String {
    labels.fold(metric.to_owned(), |key, label| format!("{key}\n{label}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bucket_keeps_its_last_traced_call() {
        let exemplars = Exemplars::new(&[0.1, 1.0]);
        let (first, second) = (TraceContext::begin(|_| true), TraceContext::begin(|_| true));
        exemplars.keep(0.1, &first);
        exemplars.keep(7.0, &first);
        exemplars.keep(0.05, &second);
        let kept = exemplars.read();
        let seen = |bucket: usize| kept[bucket].map(|one| (one.trace, one.value));
        assert_eq!([seen(0), seen(1), seen(2)], [Some((second.trace, 0.05)), None, Some((first.trace, 7.0))]);
    }
}
