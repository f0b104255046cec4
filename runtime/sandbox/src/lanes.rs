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
    time::Duration,
};

use airlock_model::{Failure, Reason};
use tokio::{
    runtime::{Builder, Handle},
    sync::watch,
    task::JoinError,
    time::{Instant, timeout_at},
};
use tokio_util::task::AbortOnDropHandle;

use crate::{Program, baton::hand_over, metered::Metered, outcome, run::Run, turns};

/// Against a thread of normal priority a lane gets about a tenth of a core, which is little and not nothing.
const NICE: i32 = 10;
/// What a lane asks of the scheduler at a time: a thread that serves and wakes up waits no longer than that (Linux 6.12).
const SLICE: Duration = Duration::from_micros(100);
/// What a run gets at a time while others wait on its lane: more than most heavy calls need in all.
const TURN: Duration = Duration::from_millis(2);
/// Halves of what a heavy call is expected to take that must be left for it: one half more than it is expected to need.
const SAFETY: u32 = 3;
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

    /// Whether a call could end in time, as far as is known: only programs known to be heavy are refused.
    ///
    /// Runs on a lane take turns, so one among `n` takes about `n` times its own processor time. A call that would then
    /// be late is better told at once.
    ///
    /// # Errors
    /// `overloaded`, with the time after which to try again.
    pub fn have_room(&self, program: &Program, left: Duration) -> Result<(), Failure> {
        let runs = self.idlest().map_or(0, |lane| lane.runs.load(Relaxed));
        if runs == 0 || !program.weight.is_heavy() {
            return Ok(());
        }
        let others = u32::try_from(runs).unwrap_or(u32::MAX);
        let needs = program.weight.mean().saturating_mul(others.saturating_add(1));
        if needs.saturating_mul(SAFETY) / 2 > left { Err(crowded(runs, needs)) } else { Ok(()) }
    }

    fn idlest(&self) -> Option<&Lane> {
        self.lanes.iter().min_by_key(|lane| lane.runs.load(Relaxed))
    }

    /// Carries a run on, on the lane with the fewest. Dropping the future stops the run at its next yield.
    ///
    /// A lane may have many others before it and little of the processor, so at its deadline the run comes back and ends
    /// here, at once.
    pub(crate) async fn carry_on(&self, run: Metered, deadline: Instant) -> Run {
        let Some(lane) = self.idlest() else { return run.await };
        let (place, (baton, carried)) = (Place::take(&lane.runs), hand_over(run));
        let task = lane.runtime.spawn(async move {
            let _place = place;
            carried.await
        });
        let mut task = AbortOnDropHandle::new(task);
        if let Ok(ended) = timeout_at(deadline, &mut task).await {
            return ended_there(ended);
        }
        match baton.take_back().await {
            Some(run) => run.await,
            None => ended_there(task.await),
        }
    }
}

/// Too many heavy calls for the processor that there is.
fn crowded(runs: usize, needs: Duration) -> Failure {
    let message = format!(
        "{runs} calls that compute for long share each core already; this one would need about {} ms, which is more than it has",
        needs.as_millis()
    );
    let hint = "try again after the time given, or with a later deadline; operators add cores or lower [admission] running_max";
    Failure::new(Reason::Overloaded, message, hint).with_retry_after(needs / 2)
}

fn ended_there(ended: Result<Option<Run>, JoinError>) -> Run {
    match ended {
        Ok(Some(run)) => run,
        Ok(None) => Run::failed(Failure::internal("a lane gave a run back that nobody took")),
        Err(why) => lost(why),
    }
}

/// When the server has stopped. A panic of the run itself is caught inside it, one of what surrounds it here.
fn lost(why: JoinError) -> Run {
    let why = match why.try_into_panic() {
        Ok(panic) => return Run::failed(outcome::of_host_panic(panic.as_ref())),
        Err(why) => why,
    };
    let hint = "try again: another server takes the call, or this one when it is back";
    let failure = Failure::new(Reason::Draining, "the server stopped before the call ended", hint).with_log(why);
    Run::failed(failure)
}

impl Lane {
    fn start(mut stopped: watch::Receiver<bool>) -> io::Result<(Self, JoinHandle<()>)> {
        let runtime = Builder::new_current_thread().enable_all().event_interval(EVENT_INTERVAL).build()?;
        let handle = runtime.handle().clone();
        let thread = thread::Builder::new().name("airlock-lane".to_owned()).spawn(move || {
            if let Err(error) = step_back() {
                tracing::warn!(%error, "heavy calls run with the priority of all others");
            }
            turns::lengthen(TURN);
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

/// Lowers the priority of this thread, and its slice where the kernel knows slices.
fn step_back() -> io::Result<()> {
    let attributes = SchedulingAttributes {
        size: u32::try_from(size_of::<SchedulingAttributes>()).unwrap_or(0),
        nice: NICE,
        runtime_ns: u64::try_from(SLICE.as_nanos()).unwrap_or(0),
        ..SchedulingAttributes::default()
    };
    #[expect(unsafe_code, reason = "the kernel reads `size` bytes of a structure that lives until it returns")]
    let done = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `struct sched_attr` of sched_setattr(2), its first version; policy 0 is the normal one.
#[derive(Default)]
#[repr(C)]
struct SchedulingAttributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime_ns: u64,
    deadline_ns: u64,
    period_ns: u64,
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use airlock_model::Outcome;

    use super::*;

    fn metered(run: impl Future<Output = ()> + Send + 'static) -> Metered {
        let ended = async {
            run.await;
            Run { outcome: Outcome::Returned(String::new()), fuel: 7, memory_bytes: 0 }
        };
        Metered::new(ended, Arc::default())
    }

    #[tokio::test]
    async fn a_run_ends_at_its_deadline_although_its_lane_is_held_up() {
        let lanes = Arc::new(Lanes::start(NonZeroUsize::MIN).unwrap());
        let (has_begun, has_ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (began, ended) = (Arc::clone(&has_begun), Arc::clone(&has_ended));
        let holds_up = metered(async move {
            began.store(true, Relaxed);
            thread::sleep(Duration::from_secs(3));
            ended.store(true, Relaxed);
        });
        let (others, late) = (Arc::clone(&lanes), Instant::now() + Duration::from_secs(60));
        let other = tokio::spawn(async move { others.carry_on(holds_up, late).await });
        while !has_begun.load(Relaxed) {
            tokio::task::yield_now().await;
        }
        let deadline = Instant::now() + Duration::from_millis(20);
        let waits = metered(async move {
            // Whether the time was up or the guest ended is told by the run itself.
            let _elapsed = turns::run_until(deadline, std::future::pending::<()>()).await;
        });
        assert_eq!(lanes.carry_on(waits, deadline).await.fuel, 7);
        assert!(!has_ended.load(Relaxed), "the run waited for its lane");
        assert_eq!(other.await.unwrap().fuel, 7, "the other is carried to its end");
    }

    #[tokio::test]
    async fn halting_drops_what_is_carried() {
        struct Gone(Arc<AtomicBool>);
        impl Drop for Gone {
            fn drop(&mut self) {
                self.0.store(true, Relaxed);
            }
        }
        let lanes = Lanes::start(NonZeroUsize::MIN).unwrap();
        let is_gone = Arc::new(AtomicBool::new(false));
        let gone = Gone(Arc::clone(&is_gone));
        let waits = metered(async move {
            let _gone = gone;
            std::future::pending::<()>().await;
        });
        let carrying = lanes.carry_on(waits, Instant::now() + Duration::from_secs(60));
        let mut carrying = std::pin::pin!(carrying);
        assert!(tokio::time::timeout(Duration::from_millis(50), &mut carrying).await.is_err());
        lanes.halt();
        assert!(is_gone.load(Relaxed));
        assert!(matches!(carrying.await.outcome, Outcome::Failed(failure) if failure.reason == Reason::Draining));
    }
}
