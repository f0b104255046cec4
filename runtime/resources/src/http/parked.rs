//! What is kept between two steps of a guest, who may never take the second.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};

/// A value that is dropped when nobody takes it in time. Dropped, it takes the value along.
#[derive(Debug)]
pub(super) struct Parked<T> {
    held: Arc<Mutex<Option<T>>>,
    _clock: Option<Clock>,
}

/// What ends the wait, ended with it.
#[derive(Debug)]
struct Clock(JoinHandle<()>);

impl Drop for Clock {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<T: Send + 'static> Parked<T> {
    /// Keeps a value until somebody takes it, at most until `ends` if that is given.
    pub(super) fn until(ends: Option<Instant>, value: T) -> Self {
        let held = Arc::new(Mutex::new(Some(value)));
        // The clock does not own the value: whoever lets go of this lets go of it at once.
        let watched = Arc::downgrade(&held);
        let clock = ends.map(|ends| {
            Clock(tokio::spawn(async move {
                sleep_until(ends).await;
                drop(watched.upgrade().and_then(|held| take(&held)));
            }))
        });
        Self { held, _clock: clock }
    }

    /// The value, unless it was too late.
    pub(super) fn take(self) -> Option<T> {
        take(&self.held)
    }
}

fn take<T>(held: &Mutex<Option<T>>) -> Option<T> {
    held.lock().unwrap_or_else(PoisonError::into_inner).take()
}
