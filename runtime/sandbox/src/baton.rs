//! A run that one thread carries on for another, which can have it back.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError},
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::sleep;

use crate::{metered::Metered, run::Run};

/// Between two attempts to have it back from a thread that is just at it.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// The run, as long as neither side has ended it.
struct Held(Mutex<Option<Metered>>);

/// For whoever handed the run over.
pub(crate) struct Baton(Arc<Held>);

/// For whoever carries it on: ends with the run, or with nothing when it was taken back. Dropping it drops the run.
pub(crate) struct Carried(Arc<Held>);

/// Hands a run over.
pub(crate) fn hand_over(run: Metered) -> (Baton, Carried) {
    let held = Arc::new(Held(Mutex::new(Some(run))));
    (Baton(Arc::clone(&held)), Carried(held))
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
        let mut held = self.0.lock();
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
        let run = self.0.lock().take();
        // After the lock: ending a run may take its time.
        drop(run);
    }
}
