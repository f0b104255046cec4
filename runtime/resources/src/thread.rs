//! Work that blocks, on a thread of its own, for a call that may end before it does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    task::JoinError,
    time::{Instant, timeout, timeout_at},
};

use crate::places::Place;

/// How long a call that is over waits to hear what became of its work.
const GRACE: Duration = Duration::from_millis(40);

/// What work looks at before it does what cannot be undone.
#[derive(Debug)]
pub(crate) struct Waiting {
    deadline: Instant,
    is_dropped: AtomicBool,
}

impl Waiting {
    /// Whether nobody waits any more.
    pub(crate) fn is_over(&self) -> bool {
        self.is_dropped.load(Relaxed) || Instant::now() >= self.deadline
    }

    /// Time until the deadline.
    pub(crate) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// Tells the thread when the call is dropped.
struct OverOnDrop(Arc<Waiting>);

impl Drop for OverOnDrop {
    fn drop(&mut self) {
        self.0.is_dropped.store(true, Relaxed);
    }
}

/// Why the outcome of work is not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    #[error("it had not ended at the deadline")]
    Late,
    #[error("it ended in a panic")]
    Panicked(#[from] JoinError),
}

/// Runs work and waits for it until the deadline and a moment longer. The place is held until the work itself has ended.
///
/// # Errors
/// When nobody knows how it ended.
pub(crate) async fn run<T: Send + 'static>(
    place: Place,
    deadline: Instant,
    work: impl FnOnce(&Waiting) -> T + Send + 'static,
) -> Result<T, Lost> {
    let waiting = Arc::new(Waiting { deadline, is_dropped: AtomicBool::new(false) });
    let _over_on_drop = OverOnDrop(Arc::clone(&waiting));
    let mut running = tokio::task::spawn_blocking(move || {
        let ended = work(&waiting);
        drop(place);
        ended
    });
    if let Ok(ended) = timeout_at(deadline, &mut running).await {
        return Ok(ended?);
    }
    match timeout(GRACE, running).await {
        Ok(ended) => Ok(ended?),
        Err(_) => Err(Lost::Late),
    }
}
