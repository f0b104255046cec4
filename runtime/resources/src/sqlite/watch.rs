//! Stopping a statement: at its deadline, when nobody waits for it any more, or when it takes too much memory.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rusqlite::InterruptHandle;

use super::heap;

/// What one running statement is watched by.
pub(super) struct Watch {
    deadline: Instant,
    stopped: AtomicBool,
    out_of_memory: AtomicBool,
    // INVARIANT: set only while this statement has the connection, or an interrupt would hit the next one's.
    handle: Mutex<Option<InterruptHandle>>,
}

impl Watch {
    pub(super) fn new(deadline: Instant) -> Self {
        Self {
            deadline,
            stopped: AtomicBool::new(false),
            out_of_memory: AtomicBool::new(false),
            handle: Mutex::new(None),
        }
    }

    /// Takes the connection under watch until the result is dropped.
    pub(super) fn attach(&self, handle: InterruptHandle) -> Attached<'_> {
        *self.handle.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle);
        Attached(self)
    }

    /// Stops the statement now, wherever it is.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(handle) = self.handle.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            handle.interrupt();
        }
    }

    /// For the progress handler: true ends the statement.
    pub(super) fn must_stop(&self) -> bool {
        if self.is_over() {
            return true;
        }
        let over = heap::is_exceeded();
        if over {
            self.out_of_memory.store(true, Ordering::Relaxed);
        }
        over
    }

    /// Whether nobody waits any more.
    pub(super) fn is_over(&self) -> bool {
        self.stopped.load(Ordering::Relaxed) || Instant::now() >= self.deadline
    }

    pub(super) fn ran_out_of_memory(&self) -> bool {
        self.out_of_memory.load(Ordering::Relaxed)
    }

    pub(super) fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// Ends the watch over a connection when dropped.
pub(super) struct Attached<'a>(&'a Watch);

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        *self.0.handle.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Stops the statement when the future that waits for it is dropped. Harmless once the statement has ended.
pub(super) struct StopOnDrop(pub(super) Arc<Watch>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}
