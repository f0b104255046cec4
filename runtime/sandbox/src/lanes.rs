//! Where heavy runs go: threads of low priority beside those that serve.
//!
//! A worker of the server reads requests, admits, refuses and answers on the same thread that runs its guests, which is what
//! makes short calls cheap. A guest that computes for long would hold all of that up, so it moves to a lane, where it competes
//! with its own kind and gives way to everything else on the machine.

use std::{
    io,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
};

use airlock_model::{Failure, Outcome, Reason};
use rustix::{process::setpriority_process, thread::gettid};
use tokio::{
    runtime::{Builder, Handle},
    sync::watch,
};
use tokio_util::task::AbortOnDropHandle;

use crate::{metered::Metered, run::Run};

/// The nicest there is: against a thread of normal priority a lane gets about a seventieth of a core.
const NICE: i32 = 19;
/// Runs polled between two looks at timers and sockets.
const EVENT_INTERVAL: u32 = 8;

/// The threads that heavy runs share. Dropping it halts them.
pub struct Lanes {
    lanes: Vec<Lane>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    stop: watch::Sender<bool>,
}

struct Lane {
    runtime: Handle,
    runs: Arc<AtomicUsize>,
}

impl Lanes {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn start(count: NonZeroUsize) -> io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let started = (0..count.get()).map(|_| Lane::start(stopped.clone()));
        let (lanes, threads): (Vec<_>, Vec<_>) = started.collect::<io::Result<Vec<_>>>()?.into_iter().unzip();
        Ok(Self { lanes, threads: Mutex::new(threads), stop })
    }

    /// Drops every run on a lane, and waits until they are gone; runs that come later are lost.
    ///
    /// A run may use timers and connections of the thread it began on, so this comes before that thread ends.
    pub fn halt(&self) {
        self.stop.send_replace(true);
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // A thread that panicked has ended too, which is all that is wanted.
            let _ended = thread.join();
        }
    }

    /// Carries a run on, on the lane with the fewest. Dropping the future stops the run at its next yield.
    pub(crate) async fn carry_on(&self, run: Metered) -> Run {
        let Some(lane) = self.lanes.iter().min_by_key(|lane| lane.runs.load(Relaxed)) else { return run.await };
        let place = Place::take(&lane.runs);
        let task = lane.runtime.spawn(async move {
            let _place = place;
            run.await
        });
        AbortOnDropHandle::new(task).await.unwrap_or_else(|why| lost(&why))
    }
}

/// Only when the server has stopped: a panic of the run itself is caught inside it.
fn lost(why: &tokio::task::JoinError) -> Run {
    let hint = "try again: another server takes the call, or this one when it is back";
    let failure = Failure::new(Reason::Draining, "the server stopped before the call ended", hint).with_log(why);
    Run { outcome: Outcome::Failed(failure), fuel: 0, memory_bytes: 0 }
}

impl Lane {
    fn start(mut stopped: watch::Receiver<bool>) -> io::Result<(Self, JoinHandle<()>)> {
        let runtime = Builder::new_current_thread().enable_all().event_interval(EVENT_INTERVAL).build()?;
        let handle = runtime.handle().clone();
        let thread = thread::Builder::new().name("airlock-lane".to_owned()).spawn(move || {
            if let Err(error) = setpriority_process(Some(gettid()), NICE) {
                tracing::warn!(%error, "heavy calls run with the priority of all others");
            }
            // An error would mean that `Lanes` is gone, which says the same.
            let _stopped = runtime.block_on(stopped.wait_for(|stopped| *stopped)).is_ok();
            // Drops the runs here and now.
            runtime.shutdown_background();
        })?;
        Ok((Self { runtime: handle, runs: Arc::default() }, thread))
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.halt();
    }
}

/// One run on a lane.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(runs: &Arc<AtomicUsize>) -> Self {
        runs.fetch_add(1, Relaxed);
        Self(Arc::clone(runs))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
