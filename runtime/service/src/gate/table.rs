//! What one call has open from one host call to the next, by number.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

/// Open transactions, queries, completions or exchanges. Numbers begin at 1 and are never used again.
pub(super) struct Table<K, S> {
    next: AtomicU32,
    open: Mutex<HashMap<K, Arc<S>>>,
}

impl<K: Copy + Eq + Hash, S> Table<K, S> {
    pub(super) fn new() -> Self {
        Self { next: AtomicU32::new(1), open: Mutex::default() }
    }

    /// Opens one, under the next number.
    pub(super) fn insert(&self, id: fn(u32) -> K, slot: S) -> K {
        let number = self.next.fetch_add(1, Relaxed);
        self.lock().insert(id(number), Arc::new(slot));
        id(number)
    }

    /// As [`Self::insert`], unless so many are open already.
    pub(super) fn insert_below(&self, count_max: usize, id: fn(u32) -> K, slot: S) -> Option<K> {
        let mut open = self.lock();
        (open.len() < count_max).then(|| {
            let id = id(self.next.fetch_add(1, Relaxed));
            open.insert(id, Arc::new(slot));
            id
        })
    }

    pub(super) fn find(&self, id: K) -> Option<Arc<S>> {
        self.lock().get(&id).cloned()
    }

    pub(super) fn remove(&self, id: K) -> Option<Arc<S>> {
        self.lock().remove(&id)
    }

    /// The numbers of all that is open, in no order.
    pub(super) fn ids(&self) -> Vec<K> {
        self.lock().keys().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Arc<S>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
