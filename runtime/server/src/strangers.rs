//! Requests that are still to come from people who have no token yet.
//!
//! There is room for so many. Whoever comes when it is full takes the place of whoever has kept theirs the longest: honest
//! requests arrive within a few packets, so that people who send nothing only keep each other from anything.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use tokio::sync::oneshot;

/// How many are waited for at once.
pub(crate) const STRANGERS_MAX: usize = 64;

/// The room that strangers wait in.
#[derive(Default)]
pub(crate) struct Strangers {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    next: u64,
    /// By age. Dropping the sender turns its stranger away.
    places: VecDeque<(u64, oneshot::Sender<()>)>,
}

/// One stranger's place, which is free again when this is dropped.
pub(crate) struct Place {
    strangers: Arc<Strangers>,
    number: u64,
    taken: oneshot::Receiver<()>,
}

impl Strangers {
    /// A place for one more, whoever loses theirs for it.
    pub(crate) fn wait(self: &Arc<Self>) -> Place {
        let (keeps, taken) = oneshot::channel();
        let mut waiting = self.lock();
        let number = waiting.next;
        waiting.next += 1;
        if waiting.places.len() >= STRANGERS_MAX {
            waiting.places.pop_front();
        }
        waiting.places.push_back((number, keeps));
        Place { strangers: Arc::clone(self), number, taken }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Ready once somebody else has the place.
    pub(crate) fn poll_taken(&mut self, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.taken).poll(context).map(|_| ())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiting = self.strangers.lock();
        if let Ok(at) = waiting.places.binary_search_by_key(&self.number, |(number, _)| *number) {
            waiting.places.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn is_taken(place: &mut Place) -> bool {
        std::future::poll_fn(|context| place.poll_taken(context)).now_or_never().is_some()
    }

    #[test]
    fn whoever_waits_longest_makes_room() {
        let strangers = Arc::new(Strangers::default());
        let mut places: Vec<_> = (0..STRANGERS_MAX).map(|_| strangers.wait()).collect();
        assert!(!places.iter_mut().any(is_taken));
        let mut more = [strangers.wait(), strangers.wait()];
        assert!(places[..2].iter_mut().all(is_taken) && !places[2..].iter_mut().any(is_taken));
        // One that has come leaves room for one more.
        drop(places.remove(10));
        let mut last = strangers.wait();
        assert!(!places[2..].iter_mut().chain(&mut more).any(is_taken) && !is_taken(&mut last));
        drop((places, more, last));
        assert!(strangers.lock().places.is_empty());
    }
}
