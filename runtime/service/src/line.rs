//! Whose turn it is with work that takes the processor for long: one at a time of each tenant, a few at a time of all, and a
//! short line of those who wait.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use airlock_model::{Failure, Reason, TenantName};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a tenant is told whose own work is in the way.
const TENANT_RETRY_AFTER: Duration = Duration::from_secs(2);
/// What everybody is told when the line is full.
const LINE_RETRY_AFTER: Duration = Duration::from_secs(5);

/// The line. A tenant waits for its own turn first and then, with one piece of work at most, among the tenants in the order of
/// arrival: however many a neighbour has waiting, one of them is served between two of ours.
pub(crate) struct Line {
    parallel: Arc<Semaphore>,
    size: Size,
    words: Words,
    inside: Mutex<Inside>,
}

/// How many run and wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) parallel: NonZeroUsize,
    pub(crate) waiting_max: usize,
    pub(crate) waiting_per_tenant: usize,
}

/// What errors call the work, and where its numbers are set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words {
    /// In the plural.
    pub(crate) what: &'static str,
    /// Where the number of those that wait of one tenant is set.
    pub(crate) per_tenant: &'static str,
    /// Where the number of all that wait is set.
    pub(crate) all: &'static str,
}

#[derive(Default)]
struct Inside {
    all: usize,
    tenants: HashMap<TenantName, OfTenant>,
}

struct OfTenant {
    turn: Arc<Semaphore>,
    count: usize,
}

/// A turn. Whoever holds it is served; dropping it lets the next one in.
pub(crate) struct Turn {
    _ticket: Ticket,
    _of_tenant: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

/// A place in the line, waiting or served.
struct Ticket {
    line: Arc<Line>,
    tenant: TenantName,
}

impl Line {
    pub(crate) fn new(size: Size, words: Words) -> Arc<Self> {
        let parallel = Arc::new(Semaphore::new(size.parallel.get()));
        Arc::new(Self { parallel, size, words, inside: Mutex::default() })
    }

    /// Waits for a turn; dropping the future leaves the line.
    ///
    /// # Errors
    /// `tenant_busy` or `overloaded` at once when the line is full, with the time after which to come again.
    pub(crate) async fn turn(self: &Arc<Self>, tenant: &TenantName) -> Result<Turn, Failure> {
        let (ticket, turn) = self.enter(tenant)?;
        let of_tenant = turn.acquire_owned().await.map_err(Failure::internal)?;
        let of_all = Arc::clone(&self.parallel).acquire_owned().await.map_err(Failure::internal)?;
        Ok(Turn { _ticket: ticket, _of_tenant: of_tenant, _of_all: of_all })
    }

    fn enter(self: &Arc<Self>, tenant: &TenantName) -> Result<(Ticket, Arc<Semaphore>), Failure> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let own = inside.tenants.get(tenant).map_or(0, |own| own.count);
        if own > self.size.waiting_per_tenant {
            return Err(tenant_busy(own, self.size, self.words));
        }
        if inside.all >= self.size.parallel.get().saturating_add(self.size.waiting_max) {
            return Err(overloaded(inside.all, self.size, self.words));
        }
        inside.all += 1;
        let new = || OfTenant { turn: Arc::new(Semaphore::new(1)), count: 0 };
        let own = inside.tenants.entry(tenant.clone()).or_insert_with(new);
        own.count += 1;
        let turn = Arc::clone(&own.turn);
        drop(inside);
        Ok((Ticket { line: Arc::clone(self), tenant: tenant.clone() }, turn))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut inside = self.line.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.all = inside.all.saturating_sub(1);
        if let Some(own) = inside.tenants.get_mut(&self.tenant) {
            own.count = own.count.saturating_sub(1);
            if own.count == 0 {
                inside.tenants.remove(&self.tenant);
            }
        }
    }
}

fn tenant_busy(own: usize, size: Size, words: Words) -> Failure {
    let Words { what, per_tenant, .. } = words;
    let message = format!(
        "the tenant has {own} {what} under way: 1 is served and {} wait at most ({per_tenant})",
        size.waiting_per_tenant
    );
    Failure::new(Reason::TenantBusy, message, format!("wait for the tenant's other {what}"))
        .with_retry_after(TENANT_RETRY_AFTER)
}

fn overloaded(in_all: usize, size: Size, words: Words) -> Failure {
    let Words { what, all, .. } = words;
    let message = format!(
        "{in_all} {what} are under way: {} are served and {} wait at most ({all})",
        size.parallel, size.waiting_max
    );
    Failure::new(Reason::Overloaded, message, "try again shortly").with_retry_after(LINE_RETRY_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(parallel: usize, waiting_max: usize, waiting_per_tenant: usize) -> Arc<Line> {
        let parallel = NonZeroUsize::new(parallel).expect("above zero");
        let words = Words { what: "deploys", per_tenant: "here", all: "there" };
        Line::new(Size { parallel, waiting_max, waiting_per_tenant }, words)
    }

    fn tenant(name: &str) -> TenantName {
        name.parse().expect("a tenant")
    }

    /// Lets every task that can go on go on.
    async fn settle() {
        for _ in 0..32 {
            tokio::task::yield_now().await;
        }
    }

    fn reason(refused: Result<Turn, Failure>) -> (Reason, Option<Duration>) {
        let failure = refused.err().expect("refused");
        (failure.reason, failure.retry_after)
    }

    #[tokio::test]
    async fn a_tenant_has_one_turn_and_the_next_waits_for_it() {
        let line = line(4, 8, 2);
        let first = line.turn(&tenant("acme")).await.expect("a turn");
        let waiting = tokio::spawn({
            let line = Arc::clone(&line);
            async move { line.turn(&tenant("acme")).await.map(drop) }
        });
        settle().await;
        assert!(!waiting.is_finished(), "one at a time");
        drop(line.turn(&tenant("other")).await.expect("another tenant does not wait"));
        drop(first);
        waiting.await.expect("no panic").expect("a turn");
    }

    #[tokio::test]
    async fn a_full_line_is_refused_at_once_with_a_time_to_come_again() {
        let line = line(1, 2, 1);
        let held = line.turn(&tenant("a")).await.expect("a turn");
        let wait = |name: &str| {
            let (line, tenant) = (Arc::clone(&line), tenant(name));
            tokio::spawn(async move { line.turn(&tenant).await.map(drop) })
        };
        let (second, third) = (wait("a"), wait("b"));
        settle().await;
        assert_eq!(reason(line.turn(&tenant("a")).await), (Reason::TenantBusy, Some(TENANT_RETRY_AFTER)));
        assert_eq!(reason(line.turn(&tenant("c")).await), (Reason::Overloaded, Some(LINE_RETRY_AFTER)));
        drop(held);
        second.await.expect("no panic").expect("a turn");
        third.await.expect("no panic").expect("a turn");
    }

    #[tokio::test]
    async fn tenants_take_turns_however_many_deploys_one_of_them_has() {
        let line = line(1, 100, 50);
        let order = Arc::new(Mutex::new(Vec::new()));
        let held = line.turn(&tenant("first")).await.expect("a turn");
        let mut tasks = Vec::new();
        for name in ["loud", "loud", "loud", "loud", "quiet"] {
            let (line, order) = (Arc::clone(&line), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                let turn = line.turn(&tenant(name)).await.expect("a turn");
                order.lock().expect("not poisoned").push(name);
                tokio::task::yield_now().await;
                drop(turn);
            }));
            settle().await;
        }
        drop(held);
        for task in tasks {
            task.await.expect("no panic");
        }
        let order = order.lock().expect("not poisoned");
        assert!(order.iter().position(|name| *name == "quiet").expect("served") <= 1, "{order:?}");
    }

    #[tokio::test]
    async fn whoever_gives_up_leaves_no_trace() {
        let line = line(1, 3, 3);
        let held = line.turn(&tenant("a")).await.expect("a turn");
        for name in ["a", "b", "a", "c"].repeat(20) {
            let given_up = tokio::time::timeout(Duration::ZERO, line.turn(&tenant(name))).await;
            assert!(given_up.is_err(), "it had to wait");
        }
        drop(held);
        drop(line.turn(&tenant("b")).await.expect("free again"));
        let inside = line.inside.lock().expect("not poisoned");
        assert_eq!((inside.all, inside.tenants.len()), (0, 0));
    }
}
