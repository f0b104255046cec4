//! How far the disk is behind: numbers for operators, which decide nothing.

use std::time::Duration;

use crate::Store;

/// What is not durable yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Jobs that the writer has not taken yet.
    pub jobs: usize,
    /// Age of the oldest record that is not durable; `None` when all are.
    pub oldest: Option<Duration>,
    /// Whether another process holds the database.
    pub is_held: bool,
}

/// One commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// Jobs in it.
    pub jobs: usize,
    /// From the beginning of its transaction until it was durable.
    pub took: Duration,
}

/// Told of each commit, on the writer's thread: must not wait.
pub(crate) type Watch = Box<dyn Fn(Group) + Send + Sync>;

impl Store {
    /// What is not durable yet.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        self.queue.backlog()
    }

    /// Free bytes of the state directory's file system, as of at most a second before the last [`Store::ready`]; `None` where it
    /// does not tell.
    #[must_use]
    pub fn free_bytes(&self) -> Option<u64> {
        self.space.free()
    }

    /// Has every commit from now on told to `watch`, on the writer's thread. Whoever asks first is told, nobody else.
    pub fn watch_groups(&self, watch: impl Fn(Group) + Send + Sync + 'static) {
        // The second has nothing to be told that the first is not.
        let _ = self.queue.groups.set(Box::new(watch));
    }
}
