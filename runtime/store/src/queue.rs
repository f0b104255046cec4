//! Jobs on their way to the writer thread.
//!
//! Handing over is a push under a short lock. The writer is woken only when somebody waits for the job and the writer
//! is not already at work: while it commits, whatever arrives joins the next group by itself. A job that nobody waits for
//! does not wake a writer that worked a moment ago; that one looks again after [`DOZE`].

use std::{
    collections::VecDeque,
    mem,
    sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::{Duration, Instant},
};

use airlock_model::AuditEvent;
use tokio::sync::oneshot;

use crate::{
    Appended, StoreError,
    backlog::{Backlog, Group, Watch},
    chain::Tx,
    relay::Relay,
    room::LOOK_EVERY,
};

/// At most this many jobs wait when one more comes that nobody waits for.
pub(crate) const UNAWAITED_MAX: usize = 16_384;

/// At most this many jobs wait at all. The difference keeps room for the closing records of open calls, and each of
/// those has a caller that waits, so that admission bounds them long before this does.
pub(crate) const QUEUED_MAX: usize = 65_536;

/// How late an event that nobody waits for may reach the disk.
const DOZE: Duration = Duration::from_millis(10);

/// The answer to one job.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// Something to do inside the group's transaction.
pub(crate) enum Job {
    /// The hot path.
    Append(Append),
    /// Everything else.
    Write(Box<dyn Write>),
}

/// One audit event, and who waits for it.
pub(crate) struct Append {
    pub(crate) event: Box<AuditEvent>,
    pub(crate) reply: Option<Reply<Appended>>,
    /// How the answer gets there.
    pub(crate) relay: Option<Relay>,
}

/// A job with a result of its own type.
pub(crate) trait Write: Send {
    /// Runs inside the transaction, behind a savepoint. An error undoes this job only, unless it ends the group.
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), StoreError>;
    /// Whether it can run once more, in another transaction, when the first was undone.
    fn can_run_again(&self) -> bool;
    /// Whether somebody waits who is better told soon that it cannot be done.
    fn is_awaited(&self) -> bool;
    /// Answers: after the commit, or with what prevented it.
    fn finish(self: Box<Self>, committed: Result<(), StoreError>);
}

/// What became of a job that was queued.
pub(crate) async fn settle<T>(
    queued: Result<(), StoreError>,
    answer: oneshot::Receiver<Result<T, StoreError>>,
) -> Result<T, StoreError> {
    queued?;
    answer.await.map_err(|_| StoreError::unavailable("the writer thread ended"))?
}

/// Whether somebody waits for a job.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    Awaited,
    Unawaited,
    /// Nobody waits, but an open record must not stay open.
    Closing,
}

/// The bounded queue between callers and the writer thread.
pub(crate) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    /// Told of every group that is durable.
    pub(crate) groups: OnceLock<Watch>,
}

struct State {
    jobs: VecDeque<Job>,
    writer: Writer,
    /// Why no job is taken any more.
    closed: Option<StoreError>,
    /// Jobs are taken, but the writer cannot get at the database.
    held: bool,
    /// Jobs are taken, but there is no room on the disk for more than what is open.
    full: bool,
    /// When the first job came that waits here, and when that of the jobs that the writer has now.
    waiting_since: Option<Instant>,
    at_work_since: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Writer {
    /// At work, or woken and on its way.
    Busy,
    /// Looks again by itself, soon.
    Dozing,
    /// Waits until woken.
    Asleep,
}

impl Queue {
    pub(crate) fn new() -> Self {
        let state = State {
            jobs: VecDeque::with_capacity(1_024),
            writer: Writer::Busy,
            closed: None,
            held: false,
            full: false,
            waiting_since: None,
            at_work_since: None,
        };
        Self { state: Mutex::new(state), wake: Condvar::new(), groups: OnceLock::new() }
    }

    /// Adds a job behind all others. Never waits for the disk.
    pub(crate) fn push(&self, job: Job, urgency: Urgency) -> Result<(), StoreError> {
        let mut state = self.lock();
        if let Some(error) = &state.closed {
            return Err(error.clone());
        }
        let (wakes, most) = match urgency {
            Urgency::Awaited => (state.writer != Writer::Busy, QUEUED_MAX),
            Urgency::Unawaited => (state.writer == Writer::Asleep, UNAWAITED_MAX),
            Urgency::Closing => (state.writer == Writer::Asleep, QUEUED_MAX),
        };
        if state.jobs.len() >= most {
            return Err(StoreError::Busy { queued: state.jobs.len() });
        }
        state.jobs.push_back(job);
        state.waiting_since.get_or_insert_with(Instant::now);
        if wakes {
            // The next caller sees a writer on its way and does not wake it twice.
            state.writer = Writer::Busy;
            drop(state);
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Runs `work` inside a group's transaction; resolves when it is on disk.
    pub(crate) fn write<T, F>(&self, work: F) -> impl Future<Output = Result<T, StoreError>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let queued = self.push(Job::Write(Box::new(Task::new(work, reply))), Urgency::Awaited);
        settle(queued, answer)
    }

    /// Why nothing is taken any more, if so.
    pub(crate) fn closed(&self) -> Option<StoreError> {
        self.lock().closed.clone()
    }

    /// Why a call should not begin now: nothing is taken any more, or nothing is written at the moment.
    pub(crate) fn obstacle(&self) -> Option<StoreError> {
        let state = self.lock();
        let passing = || state.held.then_some(StoreError::Held).or(state.full.then_some(StoreError::DiskFull));
        state.closed.clone().or_else(passing)
    }

    /// For the writer: whether the disk is full. Until it is not, [`Queue::take_all`] returns every [`LOOK_EVERY`].
    pub(crate) fn set_full(&self, full: bool) {
        self.lock().full = full;
    }

    /// For the writer: whether somebody else holds the database. Returns what was said before.
    pub(crate) fn set_held(&self, held: bool) -> bool {
        mem::replace(&mut self.lock().held, held)
    }

    /// Why something that the writer should have done by now is not done.
    pub(crate) fn pressure(&self) -> StoreError {
        let state = self.lock();
        state.closed.clone().unwrap_or(StoreError::Busy { queued: state.jobs.len() })
    }

    /// Takes no more jobs and wakes the writer, which still does what waits. The first reason stays.
    pub(crate) fn close(&self, reason: StoreError) {
        let mut state = self.lock();
        state.closed.get_or_insert(reason);
        state.writer = Writer::Busy;
        drop(state);
        self.wake.notify_one();
    }

    /// What is not durable yet.
    pub(crate) fn backlog(&self) -> Backlog {
        let state = self.lock();
        let oldest = state.at_work_since.or(state.waiting_since);
        Backlog {
            jobs: state.jobs.len(),
            oldest: oldest.map(|since| since.elapsed()),
            is_held: state.held || state.full,
        }
    }

    /// For the writer: so many jobs are durable, which took so long.
    pub(crate) fn committed(&self, group: Group) {
        if let Some(watch) = self.groups.get() {
            watch(group);
        }
    }

    /// For the writer: swaps its empty list for all jobs that wait. `false` when closed and empty. While the disk is full, also
    /// `true` with none.
    pub(crate) fn take_all(&self, into: &mut VecDeque<Job>) -> bool {
        let mut state = self.lock();
        // What it had is done.
        state.at_work_since = None;
        loop {
            if !state.jobs.is_empty() {
                state.writer = Writer::Busy;
                state.at_work_since = state.waiting_since.take();
                mem::swap(&mut state.jobs, into);
                return true;
            }
            if state.closed.is_some() {
                return false;
            }
            if state.full {
                return self.nap(state, into);
            }
            state = self.sleep(state);
        }
    }

    /// Waits for jobs as long as the writer may before it looks for room.
    fn nap(&self, mut state: MutexGuard<'_, State>, into: &mut VecDeque<Job>) -> bool {
        state.writer = Writer::Asleep;
        let (mut state, _) = self.wake.wait_timeout(state, LOOK_EVERY).unwrap_or_else(PoisonError::into_inner);
        state.writer = Writer::Busy;
        mem::swap(&mut state.jobs, into);
        true
    }

    /// For the writer: adds what came meanwhile to what it has, without waiting.
    pub(crate) fn take_more(&self, into: &mut VecDeque<Job>) {
        let mut state = self.lock();
        state.at_work_since = state.at_work_since.or(state.waiting_since);
        state.waiting_since = None;
        into.append(&mut state.jobs);
    }

    /// Whether only a wake-up gets the writer back to work.
    #[cfg(test)]
    pub(crate) fn writer_sleeps(&self) -> bool {
        self.lock().writer == Writer::Asleep
    }

    fn sleep<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        if state.writer == Writer::Asleep {
            drop(self.wake.wait(state).unwrap_or_else(PoisonError::into_inner));
            return self.gather();
        }
        state.writer = Writer::Dozing;
        let (mut state, waited) = self.wake.wait_timeout(state, DOZE).unwrap_or_else(PoisonError::into_inner);
        if !waited.timed_out() {
            drop(state);
            return self.gather();
        }
        if state.jobs.is_empty() {
            state.writer = Writer::Asleep;
        }
        state
    }

    /// Lets whoever woke the writer go on first, where both share a core: its next jobs then make one group with this one
    /// instead of a group each. With a core of its own the writer gets it back at once.
    fn gather(&self) -> MutexGuard<'_, State> {
        thread::yield_now();
        self.lock()
    }

    /// A panic while the lock is held leaves a whole queue: every change is one step.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A closure as a [`Write`] job.
pub(crate) struct Task<F, T> {
    work: Option<F>,
    result: Option<T>,
    reply: Reply<T>,
}

impl<F, T> Task<F, T> {
    pub(crate) fn new(work: F, reply: Reply<T>) -> Self {
        Self { work: Some(work), result: None, reply }
    }
}

impl<F, T> Write for Task<F, T>
where
    F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send,
    T: Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        if let Some(work) = self.work.take() {
            self.result = Some(work(tx)?);
        }
        Ok(())
    }

    fn can_run_again(&self) -> bool {
        self.work.is_some()
    }

    fn is_awaited(&self) -> bool {
        !self.reply.is_closed()
    }

    fn finish(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { result, reply, .. } = *self;
        let nothing = || StoreError::unavailable("a write ended without a result");
        // Nobody may be waiting any more; the write stands all the same.
        drop(reply.send(committed.and_then(|()| result.ok_or_else(nothing))));
    }
}
