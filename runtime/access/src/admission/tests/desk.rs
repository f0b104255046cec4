//! An admission whose time stands still until a test moves it.

use std::{
    collections::BTreeMap,
    future::Future,
    num::{NonZeroU32, NonZeroU64},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use crate::admission::{Admission, AdmissionConfig, Clock, Sleep};

/// Noon of a day, in milliseconds since the Unix epoch.
pub(in crate::admission) const NOON_MS: u64 = 20_000 * 86_400_000 + 43_200_000;

#[derive(Default)]
pub(in crate::admission) struct HandClock(Arc<AtomicU64>);

impl HandClock {
    pub(in crate::admission) fn advance(&self, time: Duration) {
        self.0.fetch_add(u64::try_from(time.as_micros()).unwrap(), Relaxed);
    }
}

impl Clock for HandClock {
    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.0.load(Relaxed))
    }

    fn unix_ms(&self) -> u64 {
        NOON_MS + self.0.load(Relaxed) / 1_000
    }

    fn sleep(&self, time: Duration) -> Sleep {
        let (now, end) = (Arc::clone(&self.0), self.monotonic() + time);
        // Nobody wakes it: tests poll when they have moved the clock.
        Box::pin(std::future::poll_fn(move |_| {
            if Duration::from_micros(now.load(Relaxed)) >= end { Poll::Ready(()) } else { Poll::Pending }
        }))
    }
}

pub(in crate::admission) struct Desk {
    pub(in crate::admission) clock: Arc<HandClock>,
    pub(in crate::admission) admission: Admission,
}

impl Desk {
    pub(in crate::admission) fn with(config: AdmissionConfig) -> Self {
        let clock = Arc::new(HandClock::default());
        Self { admission: Admission::new(config, Arc::<HandClock>::clone(&clock)), clock }
    }
}

/// 4 run, 16 wait, 8 of one tenant, at most a second.
pub(in crate::admission) fn config() -> AdmissionConfig {
    AdmissionConfig {
        running_max: NonZeroU32::new(4).unwrap(),
        queue_max: 16,
        queue_max_per_tenant: 8,
        queue_time_max: Duration::from_secs(1),
        host_calls_per_second: NonZeroU64::MAX,
        tenants: BTreeMap::new(),
    }
}

/// The output of a future that need not wait.
pub(in crate::admission) fn at_once<F: Future>(future: F) -> F::Output {
    match poll(pin!(future).as_mut()) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the call has to wait"),
    }
}

/// One look at a future, by nobody in particular.
pub(in crate::admission) fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A waker that counts how often it is used.
#[derive(Default)]
pub(in crate::admission) struct Bell(Mutex<u32>);

impl Bell {
    pub(in crate::admission) fn rung(&self) -> u32 {
        *self.0.lock().unwrap()
    }
}

impl std::task::Wake for Bell {
    fn wake(self: Arc<Self>) {
        *self.0.lock().unwrap() += 1;
    }
}
