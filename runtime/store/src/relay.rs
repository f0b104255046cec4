//! Answers on their way back to the callers of one thread.
//!
//! To wake a task from another thread costs a system call, and on a busy core a change of threads: the woken caller then
//! runs alone, sends its reply alone, and the writer goes on to the next. So the writer hands all answers of a group for
//! one thread to a task of that thread's own runtime, which wakes the callers from there: they go on together, and what
//! they send leaves together.

use std::{
    mem,
    sync::{Mutex, PoisonError},
    thread::{self, ThreadId},
};

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

use crate::{Appended, StoreError, queue::Reply};

/// The answer to one append.
struct Answer {
    reply: Reply<Appended>,
    result: Result<Appended, StoreError>,
}

/// Answers for callers of one thread. Given out when dropped, wherever that is: none can be lost with a runtime.
#[derive(Default)]
pub(crate) struct Batch(Vec<Answer>);

impl Drop for Batch {
    fn drop(&mut self) {
        for Answer { reply, result } in mem::take(&mut self.0) {
            // Nobody may be waiting any more; the record stands all the same.
            drop(reply.send(result));
        }
    }
}

/// The way back to the callers of one thread.
#[derive(Clone)]
pub(crate) struct Relay(UnboundedSender<Batch>);

/// The relays of one store. Their number is that of the threads that call it, and each lives as long as both.
#[derive(Default)]
pub(crate) struct Relays(Mutex<Vec<(ThreadId, Relay)>>);

impl Relays {
    /// The relay of this thread, when it runs a `current_thread` runtime: on another kind, the task could run anywhere,
    /// so answers go straight to their callers.
    pub(crate) fn here(&self) -> Option<Relay> {
        let here = thread::current().id();
        let mut relays = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, relay)) = relays.iter().find(|(thread, relay)| *thread == here && !relay.0.is_closed()) {
            return Some(relay.clone());
        }
        let runtime = Handle::try_current().ok().filter(|it| it.runtime_flavor() == RuntimeFlavor::CurrentThread)?;
        let (sender, batches) = unbounded_channel();
        // Ends when the store is gone or the runtime is.
        drop(runtime.spawn(give_out(batches)));
        let relay = Relay(sender);
        relays.retain(|(_, relay)| !relay.0.is_closed());
        relays.push((here, relay.clone()));
        Some(relay)
    }
}

async fn give_out(mut batches: UnboundedReceiver<Batch>) {
    while let Some(batch) = batches.recv().await {
        drop(batch);
    }
}

/// The answers of one group, sorted by the thread they go to.
#[derive(Default)]
pub(crate) struct Answers {
    relayed: Vec<(Relay, Batch)>,
    direct: Batch,
}

impl Answers {
    pub(crate) fn add(&mut self, relay: Option<Relay>, reply: Reply<Appended>, result: Result<Appended, StoreError>) {
        let answer = Answer { reply, result };
        let Some(relay) = relay else { return self.direct.0.push(answer) };
        match self.relayed.iter_mut().find(|(other, _)| other.0.same_channel(&relay.0)) {
            Some((_, batch)) => batch.0.push(answer),
            None => self.relayed.push((relay, Batch(vec![answer]))),
        }
    }

    /// Sends them off. What a runtime that has ended does not take is given out here.
    pub(crate) fn send(self) {
        for (relay, batch) in self.relayed {
            drop(relay.0.send(batch));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    fn fails(text: &str) -> Result<Appended, StoreError> {
        Err(StoreError::unavailable(text))
    }

    #[tokio::test]
    async fn answers_reach_every_caller_of_the_thread() {
        let relays = Relays::default();
        let (mut answers, mut callers) = (Answers::default(), Vec::new());
        for _ in 0..3 {
            let (reply, answer) = oneshot::channel();
            answers.add(relays.here(), reply, fails("x"));
            callers.push(answer);
        }
        assert_eq!((answers.relayed.len(), answers.direct.0.len()), (1, 0));
        thread::spawn(move || answers.send()).join().unwrap();
        // In an order that no relay through a caller's own future would survive.
        for caller in callers.into_iter().rev() {
            assert!(caller.await.unwrap().is_err());
        }
    }

    #[test]
    fn answers_for_a_runtime_that_ended_are_not_lost() {
        let relays = Relays::default();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let relay = runtime.block_on(async { relays.here() });
        drop(runtime);
        let ((late, mut answer), mut answers) = (oneshot::channel(), Answers::default());
        answers.add(relay, late, fails("late"));
        answers.send();
        assert!(answer.try_recv().unwrap().is_err());
    }

    #[test]
    fn without_a_runtime_answers_go_straight_to_their_callers() {
        assert!(Relays::default().here().is_none());
        let ((reply, mut answer), mut answers) = (oneshot::channel(), Answers::default());
        answers.add(None, reply, fails("direct"));
        answers.send();
        assert!(answer.try_recv().unwrap().is_err());
    }
}
