//! Whoever follows: a bounded queue each, which says what did not fit.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
};

use airlock_access::{Authorized, Control};
use airlock_model::{Failure, Reason};
use tokio::sync::Notify;

use super::{LogEntry, LogQuery, Logs};

/// Lines that wait for one follower.
const WAITING_MAX: usize = 1_024;
/// Followers of one tenant, and of all.
const OF_TENANT_MAX: usize = 16;
const OF_ALL_MAX: usize = 256;

/// One of them.
pub(super) struct Follower {
    query: LogQuery,
    permit: Arc<Authorized<Control>>,
    queue: Mutex<VecDeque<Followed>>,
    arrived: Notify,
}

/// What a follower is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Followed {
    Line(Arc<LogEntry>),
    /// So many lines came while it did not read.
    Dropped(u64),
}

impl Follower {
    /// Takes the line, if it is one that this follower asks for and may see.
    pub(super) fn offer(&self, entry: &Arc<LogEntry>) {
        if self.query.follow && self.query.wants(entry) && may_see(&self.permit, entry) {
            push(&mut lock(&self.queue), Arc::clone(entry));
            self.arrived.notify_one();
        }
    }
}

/// A line of the token's own tenant and environment, of a function that it names.
pub(super) fn may_see(permit: &Authorized<Control>, entry: &LogEntry) -> bool {
    let token = permit.token();
    token.principal().tenant == entry.tenant
        && permit.call().environment() == &entry.environment
        && token.covers(&entry.function)
}

/// What does not fit is counted in its place.
fn push(queue: &mut VecDeque<Followed>, entry: Arc<LogEntry>) {
    if queue.len() < WAITING_MAX {
        return queue.push_back(Followed::Line(entry));
    }
    match queue.back_mut() {
        Some(Followed::Dropped(count)) => *count = count.saturating_add(1),
        Some(Followed::Line(_)) | None => queue.push_back(Followed::Dropped(1)),
    }
}

fn lock<T>(queue: &Mutex<T>) -> MutexGuard<'_, T> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A place among the followers. Dropping it gives it back.
pub(super) struct Following {
    logs: Arc<Logs>,
    follower: Arc<Follower>,
}

impl Logs {
    /// Begins to follow.
    ///
    /// # Errors
    /// `tenant_busy`, `overloaded` when there are too many followers.
    pub(super) fn follow(
        self: &Arc<Self>,
        query: LogQuery,
        permit: Arc<Authorized<Control>>,
    ) -> Result<Following, Failure> {
        let mut followers = lock(&self.followers);
        let tenant = &permit.principal().tenant;
        let own = followers.iter().filter(|one| one.permit.principal().tenant == *tenant).count();
        if own >= OF_TENANT_MAX {
            let message = format!("{own} of the tenant follow log lines already, which is all that may");
            return Err(Failure::new(Reason::TenantBusy, message, "end one of the others first"));
        }
        if followers.len() >= OF_ALL_MAX {
            let message = format!("{OF_ALL_MAX} follow log lines already, which is all that may");
            return Err(Failure::new(Reason::Overloaded, message, "try again later"));
        }
        let follower = Arc::new(Follower { query, permit, queue: Mutex::default(), arrived: Notify::new() });
        followers.push(Arc::clone(&follower));
        self.following.store(followers.len(), Relaxed);
        drop(followers);
        Ok(Following { logs: Arc::clone(self), follower })
    }
}

impl Following {
    /// The next line. Cancel-safe: what is not given stays.
    pub(super) async fn next(&self) -> Followed {
        loop {
            let arrived = self.follower.arrived.notified();
            if let Some(next) = lock(&self.follower.queue).pop_front() {
                return next;
            }
            arrived.await;
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let mut followers = lock(&self.logs.followers);
        followers.retain(|one| !Arc::ptr_eq(one, &self.follower));
        self.logs.following.store(followers.len(), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::tests::entry;

    #[test]
    fn a_follower_that_does_not_read_is_told_in_its_place_how_much_it_missed() {
        let mut queue = VecDeque::new();
        (0..WAITING_MAX + 7).for_each(|number| push(&mut queue, Arc::new(entry(&format!("line {number}")))));
        assert_eq!(queue.len(), WAITING_MAX + 1);
        assert_eq!(queue.back(), Some(&Followed::Dropped(7)));
        queue.pop_front();
        queue.pop_front();
        push(&mut queue, Arc::new(entry("later")));
        assert!(matches!(queue.back(), Some(Followed::Line(line)) if line.message == "later"));
    }
}
