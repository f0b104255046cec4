//! Spans on their way: a bounded line that never makes anybody wait.

use opentelemetry_proto::tonic::trace::v1::Span;
use prometheus::{IntCounter, IntGauge};
use tokio::sync::{mpsc, oneshot};

use crate::telemetry::metrics::Metrics;

/// Spans that wait; at a few KiB each, some MiB. More are dropped and counted.
const WAITING_MAX: usize = 4_096;

/// What comes out of the line.
pub(super) enum Item {
    Span(Box<Span>),
    /// Everything before it is to be sent now, and then said so.
    Flush(oneshot::Sender<()>),
}

/// Where spans are put.
#[derive(Clone)]
pub(in crate::telemetry) struct SpanQueue {
    to: mpsc::Sender<Item>,
    dropped: IntCounter,
    queued: IntGauge,
}

/// Where they are taken.
pub(in crate::telemetry) struct Waiting {
    pub(super) from: mpsc::Receiver<Item>,
    queued: IntGauge,
}

impl SpanQueue {
    pub(in crate::telemetry) fn new(metrics: &Metrics) -> (Self, Waiting) {
        let (to, from) = mpsc::channel(WAITING_MAX);
        let (dropped, queued) =
            (metrics.spans_dropped.with_label_values(&["queue_full"]), metrics.now.spans_queued.clone());
        (Self { to, dropped, queued: queued.clone() }, Waiting { from, queued })
    }

    /// Takes a span, or drops and counts it. Never waits.
    pub(in crate::telemetry) fn push(&self, span: Span) {
        match self.to.try_send(Item::Span(Box::new(span))) {
            Ok(()) => self.queued.inc(),
            Err(_) => self.dropped.inc(),
        }
    }

    /// Resolves when everything that is in the line now was sent, or could not be.
    pub(in crate::telemetry) async fn flush(&self) {
        let (done, sent) = oneshot::channel();
        if self.to.send(Item::Flush(done)).await.is_ok() {
            // An error means that nobody sends any more.
            let _ = sent.await;
        }
    }
}

impl Waiting {
    /// Takes what comes next.
    pub(super) async fn next(&mut self) -> Option<Item> {
        let item = self.from.recv().await;
        if matches!(item, Some(Item::Span(_))) {
            self.queued.dec();
        }
        item
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Telemetry;

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let telemetry = Telemetry::new().expect("counters");
        let (queue, waiting) = SpanQueue::new(&telemetry.metrics);
        (0..WAITING_MAX + 10).for_each(|_| queue.push(Span::default()));
        let metrics = &telemetry.metrics;
        assert_eq!(metrics.spans_dropped.with_label_values(&["queue_full"]).get(), 10);
        assert_eq!(metrics.now.spans_queued.get(), i64::try_from(waiting.from.len()).expect("few"));
    }
}
