//! Runs a guest in turns: between two of them the clock is looked at and the thread's other work gets its chance.
//!
//! A guest that spends fuel yields by waking itself. An executor of one thread then polls it again and again, and looks
//! at timers and sockets only every 61st time: neither its own deadline nor a neighbour's connection is seen in time.

use std::{
    cell::Cell,
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use futures::task::AtomicWaker;
use tokio::{
    task::yield_now,
    time::{Instant, sleep_until},
};

/// The deadline passed before the future ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Elapsed;

/// Runs `guest` to its end or to the deadline.
///
/// # Errors
/// When the deadline passed: no turn begins after it. Whoever ends in a turn that began in time has ended, however late.
pub(crate) async fn run_until<F: Future>(deadline: Instant, guest: F) -> Result<F::Output, Elapsed> {
    let turn = Arc::new(Turn::default());
    let waker = Waker::from(turn.clone());
    let mut guest = pin!(guest);
    let mut timer = pin!(sleep_until(deadline));
    poll_fn(move |context| {
        let began = Instant::now();
        if began >= deadline {
            return Poll::Ready(Err(Elapsed));
        }
        let over = began + TURN.get();
        loop {
            turn.begin(context.waker());
            if let Poll::Ready(ended) = guest.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Poll::Ready(Ok(ended));
            }
            // The timer only wakes: whoever never sleeps would not be seen by it in time.
            let now = Instant::now();
            if timer.as_mut().poll(context).is_ready() || now >= deadline {
                return Poll::Ready(Err(Elapsed));
            }
            match turn.end() {
                false => return Poll::Pending,
                true if now < over => {}
                true => {
                    // Tokio wakes what yields like this after it has looked at timers and sockets.
                    let _pending = pin!(yield_now()).poll(context);
                    return Poll::Pending;
                }
            }
        }
    })
    .await
}

thread_local! {
    /// How long one turn lasts on this thread; on those that serve, no longer than one yield of the guest.
    static TURN: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Makes turns on this thread last longer: with more to do than it can, it then finishes some in time and not all too late.
pub(crate) fn lengthen(turn: Duration) {
    TURN.set(turn);
}

/// Tells a guest that yields from one that waits: the first wakes itself during its own turn.
#[derive(Default)]
struct Turn {
    executor: AtomicWaker,
    running: AtomicBool,
    again: AtomicBool,
}

impl Turn {
    fn begin(&self, executor: &Waker) {
        self.executor.register(executor);
        self.running.store(true, Ordering::SeqCst);
        self.again.store(false, Ordering::SeqCst);
    }

    /// Ends the turn and says whether another one was asked for.
    fn end(&self) -> bool {
        self.running.store(false, Ordering::SeqCst);
        self.again.swap(false, Ordering::SeqCst)
    }
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    /// Asks first and looks then, as `end` stops first and looks then: one of the two always sees the other.
    fn wake_by_ref(self: &Arc<Self>) {
        self.again.store(true, Ordering::SeqCst);
        if !self.running.load(Ordering::SeqCst) {
            self.executor.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Turns after which an executor of one thread would look at timers by itself.
    const UNSEEN_TURNS: usize = 61;

    /// Wakes itself for ever, and counts its turns from `since` on: turns, because time says nothing on a busy machine.
    async fn spinning(since: Instant, turns: Arc<AtomicUsize>) {
        poll_fn::<(), _>(|context| {
            std::thread::sleep(Duration::from_millis(2));
            if Instant::now() >= since {
                turns.fetch_add(1, Ordering::SeqCst);
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    #[tokio::test]
    async fn whoever_never_sleeps_is_stopped_in_time() {
        let (deadline, turns) = (Instant::now() + Duration::from_millis(20), Arc::default());
        assert_eq!(run_until(deadline, spinning(deadline, Arc::clone(&turns))).await, Err(Elapsed));
        assert!(turns.load(Ordering::SeqCst) <= 1, "{turns:?} turns after the deadline");
    }

    #[tokio::test]
    async fn neighbours_timers_are_seen_between_two_turns() {
        let (due, turns) = (Instant::now() + Duration::from_millis(20), Arc::default());
        let spins = run_until(Instant::now() + Duration::from_secs(30), spinning(due, Arc::clone(&turns)));
        let spins = tokio::spawn(spins);
        sleep_until(due).await;
        let unseen = turns.load(Ordering::SeqCst);
        assert!(unseen < UNSEEN_TURNS / 4, "the timer was seen {unseen} turns late");
        spins.abort();
    }

    #[tokio::test]
    async fn waits_end_when_they_are_over_and_at_the_deadline() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let sends = std::thread::spawn(move || sender.send(7));
        let soon = Instant::now() + Duration::from_secs(30);
        assert_eq!(run_until(soon, receiver).await.unwrap(), Ok(7));
        sends.join().unwrap().unwrap();
        let began = Instant::now();
        let never = std::future::pending::<()>();
        assert_eq!(run_until(began + Duration::from_millis(20), never).await, Err(Elapsed));
    }
}
