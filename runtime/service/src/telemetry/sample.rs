//! What is read when somebody asks for numbers.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use airlock_access::{Admission, Holdings};
use airlock_sandbox::Engine;
use arc_swap::ArcSwap;
use prometheus::{IntCounter, proto::MetricFamily};
use tokio::time::timeout;

use super::{Telemetry, TransportNumbers, process};
use crate::{app::Backends, clock, settings::Settings};

/// A scrape waits for the readers of the store no longer.
const COUNT_TIME_MAX: Duration = Duration::from_secs(1);

/// Reads the gauges of one application. Does not keep its state open.
#[derive(Clone)]
pub(crate) struct Sampler {
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) backends: Weak<Backends>,
    pub(crate) settings: Arc<ArcSwap<Settings>>,
    pub(crate) admission: Admission,
    pub(crate) holdings: Holdings,
    pub(crate) engine: Engine,
    /// One at a time: what only grows is raised by the difference.
    pub(crate) turn: Arc<Mutex<()>>,
}

impl Sampler {
    /// All numbers, as they are now.
    pub(crate) async fn sample(&self) -> Vec<MetricFamily> {
        self.count_approvals().await;
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.read_store();
        self.read_bounds();
        self.read_transport();
        self.read_process();
        self.telemetry.gather()
    }

    async fn count_approvals(&self) {
        let Some(backends) = self.backends.upgrade() else { return };
        // What cannot be counted now keeps its last value.
        let counted = timeout(COUNT_TIME_MAX, backends.store.pending_approvals(clock::now_unix_ms())).await;
        if let Ok(Ok(count)) = counted {
            self.telemetry.metrics.now.approvals_pending.set(count.try_into().unwrap_or(i64::MAX));
        }
    }

    fn read_store(&self) {
        let Some(backends) = self.backends.upgrade() else { return };
        let (now, store) = (&self.telemetry.metrics.now, &backends.store);
        let backlog = store.backlog();
        now.audit_available.set(store.ready().is_ok().into());
        now.audit_held.set(backlog.is_held.into());
        now.audit_queue.set(signed(backlog.jobs as u64));
        now.audit_lag.set(backlog.oldest.unwrap_or_default().as_secs_f64());
        if let Some(free) = store.free_bytes() {
            now.free_bytes.set(signed(free));
        }
    }

    fn read_bounds(&self) {
        let settings = self.settings.load();
        let (admission, holdings) = (settings.config.admission(), settings.config.holdings());
        let instances = u64::from(settings.config.sandbox.instances_max.get());
        self.bounded("instances", self.engine.instances_in_use(), instances);
        self.bounded("running_calls", self.admission.running().into(), admission.running_max.get().into());
        self.bounded("queued_calls", self.admission.queued().into(), admission.queue_max.into());
        self.bounded("held_bytes", self.holdings.bytes(), holdings.bytes_max);
    }

    fn read_transport(&self) {
        let watched = self.telemetry.transport.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(numbers) = watched.as_ref().map(|numbers| numbers()) else { return };
        let TransportNumbers { in_flight, in_flight_max, connections, shed, connections_cut, panics } = numbers;
        self.bounded("calls_in_flight", in_flight as u64, in_flight_max as u64);
        let now = &self.telemetry.metrics.now;
        now.connections.set(signed(connections as u64));
        for (counter, total) in [(&now.shed, shed), (&now.connections_cut, connections_cut), (&now.panics, panics)] {
            raise(counter, total);
        }
    }

    fn read_process(&self) {
        let now = &self.telemetry.metrics.now;
        if let Some(taken) = process::taken() {
            now.cpu.inc_by((taken.cpu_seconds - now.cpu.get()).max(0.0));
            now.memory.set(signed(taken.resident_bytes));
        }
    }

    /// How much is taken of something, and how much may be.
    fn bounded(&self, of: &str, taken: u64, most: u64) {
        let now = &self.telemetry.metrics.now;
        now.in_use.with_label_values(&[of]).set(taken as f64);
        now.limit.with_label_values(&[of]).set(most as f64);
    }
}

fn raise(counter: &IntCounter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
