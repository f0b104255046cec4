//! A run that one thread carries on for another, which can have it back.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError},
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::{metered::Metered, run::Run};

/// Between two attempts to have it back from a thread that is just at it.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// For a lane, which has little of a busy processor, to drop what nobody waits for.
const LEAVE_TIME_MAX: Duration = Duration::from_secs(5);

thread_local! {
    /// Shared by all runs that this thread handed over, as long as somebody else has them.
    static HANDED_OVER: Arc<()> = Arc::default();
}

/// The run, as long as neither side has ended it.
struct Held(Mutex<Option<Metered>>);

/// For whoever handed the run over.
pub(crate) struct Baton(Arc<Held>);

/// For whoever carries it on: ends with the run, or with nothing when it was taken back. Dropping it drops the run.
pub(crate) struct Carried {
    held: Arc<Held>,
    _counts: Arc<()>,
}

/// Hands a run over.
pub(crate) fn hand_over(run: Metered) -> (Baton, Carried) {
    let held = Arc::new(Held(Mutex::new(Some(run))));
    (Baton(Arc::clone(&held)), Carried { held, _counts: HANDED_OVER.with(Arc::clone) })
}

/// Waits until nobody has a run any more that this thread handed over. For a thread that ends: its timers and connections, which
/// runs use wherever they are, end with it. Their callers must have gone by then, or the lanes have been halted.
pub async fn leave_thread() {
    const OWN: usize = 2;
    let handed_over = HANDED_OVER.with(Arc::clone);
    let until = Instant::now() + LEAVE_TIME_MAX;
    while Arc::strong_count(&handed_over) > OWN {
        if Instant::now() >= until {
            tracing::warn!("a thread ends although runs that began on it have not");
            return;
        }
        sleep(LOOK_EVERY).await;
    }
}

impl Held {
    fn lock(&self) -> MutexGuard<'_, Option<Metered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Baton {
    /// Takes the run back, between two of its turns; nothing when it has ended.
    pub(crate) async fn take_back(&self) -> Option<Metered> {
        loop {
            match self.0.0.try_lock() {
                Ok(mut held) => return held.take(),
                Err(TryLockError::Poisoned(broken)) => return broken.into_inner().take(),
                Err(TryLockError::WouldBlock) => {}
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

impl Future for Carried {
    type Output = Option<Run>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Run>> {
        let mut held = self.held.lock();
        let Some(run) = held.as_mut() else { return Poll::Ready(None) };
        let polled = Pin::new(run).poll(context);
        if polled.is_ready() {
            *held = None;
        }
        polled.map(Some)
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        let run = self.held.lock().take();
        // After the lock: ending a run may take its time.
        drop(run);
    }
}
