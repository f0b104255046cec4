//! A call's place among those that run, and the wait for one. Dropping either gives back what it holds.

use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use airlock_model::{EffectiveLimits, Failure, Limit, Principal};

use super::{
    Clock, Moment,
    busy::{Busy, Jitter, timed_out},
    pace::Paces,
    schedule::{Held, Scheduler},
    tenant::WaiterId,
};

/// Fuel that the fastest guests spend in a microsecond.
const FUEL_PER_US: u64 = 7_000;

/// What all clones of an admission share.
pub(super) struct Shared {
    pub(super) clock: Arc<dyn Clock>,
    scheduler: Mutex<Scheduler>,
    /// Apart from the scheduler: guests call the host more often than they are called.
    paces: Mutex<Paces>,
}

impl Shared {
    pub(super) fn new(clock: Arc<dyn Clock>, scheduler: Scheduler, paces: Paces) -> Arc<Self> {
        Arc::new(Self { clock, scheduler: Mutex::new(scheduler), paces: Mutex::new(paces) })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Scheduler> {
        self.scheduler.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn paces(&self) -> MutexGuard<'_, Paces> {
        self.paces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Moment {
        Moment::now(&*self.clock)
    }
}

/// Outside the lock: whoever is woken may ask at once.
pub(super) fn wake(woken: Vec<Waker>) {
    woken.into_iter().for_each(Waker::wake);
}

/// One running call; dropping it, also while unwinding, ends the call and gives its place to the next.
pub(super) struct Place {
    shared: Arc<Shared>,
    principal: Arc<Principal>,
    held: Held,
    fuel_max: u64,
    /// Zero until it is known.
    fuel: AtomicU64,
    /// How long the call waited.
    pub(super) waited: Duration,
}

impl Place {
    pub(super) fn new(shared: &Arc<Shared>, principal: &Arc<Principal>, held: Held, fuel_max: u64) -> Self {
        let (shared, principal) = (Arc::clone(shared), Arc::clone(principal));
        Self { shared, principal, held, fuel_max, fuel: AtomicU64::new(0), waited: Duration::ZERO }
    }

    pub(super) async fn pace_host_call(&self) {
        let wait = self.shared.paces().take(&self.principal.tenant, self.shared.clock.monotonic());
        if !wait.is_zero() {
            self.shared.clock.sleep(wait).await;
        }
    }

    pub(super) fn settle(&self, fuel: u64) {
        self.fuel.fetch_max(fuel, Relaxed);
    }

    /// A call that was dropped takes what it spent with it. It is charged as if it had computed all the time: going away is no
    /// way around paying.
    fn fuel(&self, now: Moment) -> u64 {
        let held_us = u64::try_from(now.at.saturating_sub(self.held.since).as_micros()).unwrap_or(u64::MAX);
        match self.fuel.load(Relaxed) {
            0 => held_us.saturating_mul(FUEL_PER_US).min(self.fuel_max),
            fuel => fuel,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let now = self.shared.now();
        let fuel = self.fuel(now);
        let woken = self.shared.lock().finish(&self.principal, self.held, Some(fuel), now);
        wake(woken);
    }
}

/// A call that waits for its turn.
pub(super) struct Waiting {
    shared: Arc<Shared>,
    principal: Arc<Principal>,
    id: WaiterId,
    since: Duration,
    /// The longest that any call waits.
    longest: Duration,
    /// INVARIANT: set exactly when the scheduler no longer knows the call.
    is_over: bool,
}

impl Waiting {
    pub(super) fn new(shared: &Arc<Shared>, principal: &Arc<Principal>, id: WaiterId, longest: Duration) -> Self {
        let since = shared.clock.monotonic();
        Self { shared: Arc::clone(shared), principal: Arc::clone(principal), id, since, longest, is_over: false }
    }

    /// The call's place, when its turn comes in time.
    pub(super) async fn place(mut self, limits: &EffectiveLimits) -> Result<Place, Failure> {
        let left = Duration::from_millis(limits.get(Limit::WallTimeMs));
        let mut sleep = self.shared.clock.sleep(left.min(self.longest));
        let given = poll_fn(|context| match self.poll_place(context) {
            Poll::Ready(held) => Poll::Ready(Some(held)),
            Poll::Pending => sleep.as_mut().poll(context).map(|()| None),
        })
        .await;
        let held = given.map_or_else(|| self.give_up(), Ok);
        let waited = self.shared.clock.monotonic().saturating_sub(self.since);
        match held {
            Ok(held) => {
                let mut place = Place::new(&self.shared, &self.principal, held, limits.get(Limit::Fuel));
                place.waited = waited;
                Ok(place)
            }
            Err(_) if left <= self.longest => Err(timed_out(limits, waited)),
            Err((busy, jitter)) => Err(busy.refusal(limits, jitter)),
        }
    }

    fn poll_place(&mut self, context: &mut Context<'_>) -> Poll<Held> {
        let given = self.shared.lock().poll(self.id, context.waker());
        self.is_over = given.is_some();
        given.map_or(Poll::Pending, Poll::Ready)
    }

    fn give_up(&mut self) -> Result<Held, (Busy, Jitter)> {
        self.is_over = true;
        let now = self.shared.now();
        let mut scheduler = self.shared.lock();
        let given = scheduler.give_up(self.id);
        let jitter = scheduler.jitter();
        let woken = scheduler.dispatch(now);
        drop(scheduler);
        wake(woken);
        given.map_err(|busy| (busy, jitter))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let now = self.shared.now();
        let mut scheduler = self.shared.lock();
        let woken = match scheduler.give_up(self.id) {
            // Its turn came in the moment its caller went away: it never began.
            Ok(held) => scheduler.finish(&self.principal, held, None, now),
            Err(_) => scheduler.dispatch(now),
        };
        drop(scheduler);
        wake(woken);
    }
}
