//! What the whole server counts, and the one cap that all workers share.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use airlock_service::telemetry::TransportNumbers;

/// Numbers since the start, and of this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Invocations running now.
    pub in_flight: usize,
    /// Connections open now.
    pub connections: usize,
    /// Invocations shed with `overloaded`.
    pub shed: u64,
    /// Connections that were closed for what they sent, or did not send, or did not read.
    pub connections_cut: u64,
    /// Handlers that panicked. Anything but 0 is a bug.
    pub panics: u64,
}

#[derive(Debug)]
pub(crate) struct Tally {
    in_flight: AtomicUsize,
    in_flight_max: usize,
    connections: AtomicUsize,
    shed: AtomicU64,
    cut: AtomicU64,
    panics: AtomicU64,
}

impl Tally {
    pub(crate) fn new(in_flight_max: usize) -> Arc<Self> {
        Arc::new(Self {
            in_flight: AtomicUsize::new(0),
            in_flight_max,
            connections: AtomicUsize::new(0),
            shed: AtomicU64::new(0),
            cut: AtomicU64::new(0),
            panics: AtomicU64::new(0),
        })
    }

    /// Takes a place for one invocation, or none when all are taken.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<InFlight> {
        let place = InFlight(Arc::clone(self));
        // Counted first, so that two callers cannot both take the last place; dropping `place` gives it back.
        if self.in_flight.fetch_add(1, Relaxed) < self.in_flight_max {
            return Some(place);
        }
        self.shed.fetch_add(1, Relaxed);
        None
    }

    /// Whether `enter` would fail now. Lets a full server refuse before it reads the request.
    pub(crate) fn is_full(&self) -> bool {
        self.in_flight.load(Relaxed) >= self.in_flight_max
    }

    pub(crate) fn count_shed(&self) {
        self.shed.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_cut(&self) {
        self.cut.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_panic(&self) {
        self.panics.fetch_add(1, Relaxed);
    }

    pub(crate) fn connect(self: &Arc<Self>) -> Connected {
        self.connections.fetch_add(1, Relaxed);
        Connected(Arc::clone(self))
    }

    /// As operators see them.
    pub(crate) fn numbers(&self) -> TransportNumbers {
        let Counters { in_flight, connections, shed, connections_cut, panics } = self.read();
        TransportNumbers { in_flight, in_flight_max: self.in_flight_max, connections, shed, connections_cut, panics }
    }

    pub(crate) fn read(&self) -> Counters {
        Counters {
            in_flight: self.in_flight.load(Relaxed),
            connections: self.connections.load(Relaxed),
            shed: self.shed.load(Relaxed),
            connections_cut: self.cut.load(Relaxed),
            panics: self.panics.load(Relaxed),
        }
    }
}

/// One taken place. Dropping it gives the place back.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Tally>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

/// One open connection.
#[derive(Debug)]
pub(crate) struct Connected(Arc<Tally>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_capped_counted_and_given_back() {
        let tally = Tally::new(2);
        let held = [tally.enter(), tally.enter()];
        assert!(held.iter().all(Option::is_some) && tally.is_full());
        assert!(tally.enter().is_none());
        assert_eq!((tally.read().in_flight, tally.read().shed), (2, 1));
        drop(held);
        assert!(tally.enter().is_some());
        assert_eq!(tally.read().in_flight, 0);
    }
}
