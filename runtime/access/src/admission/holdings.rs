//! Bytes that the server holds for its clients: requests whose bodies are large, and answers that nobody has read yet.
//!
//! Sending slowly and not reading cost a client nothing and the server memory, however short the calls are. So every such
//! byte is counted, for its tenant and in all, from before it is kept until it is gone; what does not fit is refused.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use airlock_model::{Failure, LimitName, Reason, TenantName};

use super::busy::of_server;

/// A client that reads frees its share long before; one that does not is cut off after 30 s.
const RETRY_AFTER: Duration = Duration::from_secs(1);
const READ_YOURS: &str = "read answers as they come and send fewer large requests at once";

/// How much may be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldingsConfig {
    /// Bytes for all tenants together.
    pub bytes_max: u64,
    /// Bytes for one tenant.
    pub bytes_max_per_tenant: u64,
}

/// Answers up to here are kept whatever is held, so that refusals, questions and operators get through. How many there can be is
/// bounded by the calls that run and the streams that are open.
const SMALL_ANSWER_BYTES: u64 = 16 << 10;

/// What is held for all clients. Clones count together.
#[derive(Clone)]
pub struct Holdings(Arc<Mutex<Ledger>>);

struct Ledger {
    config: HoldingsConfig,
    total: u64,
    tenants: HashMap<TenantName, u64>,
}

/// What is held for one request, from its first byte to the last of its answer. Clones are the same; when the last is gone,
/// its bytes are given back. The default counts nothing: for calls from inside the process.
#[derive(Clone, Default)]
pub struct Holding(Option<Arc<Held>>);

struct Held {
    ledger: Arc<Mutex<Ledger>>,
    tenant: OnceLock<TenantName>,
    bytes: AtomicU64,
}

impl Holdings {
    /// Nothing is held.
    #[must_use]
    pub fn new(config: HoldingsConfig) -> Self {
        Self(Arc::new(Mutex::new(Ledger { config, total: 0, tenants: HashMap::new() })))
    }

    /// From now on other numbers hold. What is held stays.
    pub fn reconfigure(&self, config: HoldingsConfig) {
        lock(&self.0).config = config;
    }

    /// For a request that has just begun.
    #[must_use]
    pub fn open(&self) -> Holding {
        let held = Held { ledger: Arc::clone(&self.0), tenant: OnceLock::new(), bytes: AtomicU64::new(0) };
        Holding(Some(Arc::new(held)))
    }

    /// Bytes held now.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        lock(&self.0).total
    }
}

impl Holding {
    /// Says whose request it is, before anything is done for it. The first tenant said stays.
    ///
    /// # Errors
    /// [`Reason::TenantBusy`] when the tenant holds all it may, [`Reason::Overloaded`] when all tenants together do.
    pub fn claim(&self, tenant: &TenantName) -> Result<(), Failure> {
        let Some(held) = &self.0 else { return Ok(()) };
        let tenant = held.tenant.get_or_init(|| tenant.clone());
        lock(&held.ledger).check(tenant, 1)
    }

    /// Says whose request it is, and lets it pass whatever is held: for small questions.
    pub fn name(&self, tenant: &TenantName) {
        if let Some(held) = &self.0 {
            held.tenant.get_or_init(|| tenant.clone());
        }
    }

    /// Counts an answer until it is sent. Small ones are counted and never refused.
    ///
    /// # Errors
    /// Those of [`Holding::claim`].
    pub fn hold_answer(&self, bytes: u64) -> Result<(), Failure> {
        self.count(bytes, bytes > SMALL_ANSWER_BYTES)
    }

    /// Counts bytes that are about to be kept; when they do not fit, none.
    ///
    /// # Errors
    /// Those of [`Holding::claim`].
    pub fn hold(&self, bytes: u64) -> Result<(), Failure> {
        self.count(bytes, true)
    }

    fn count(&self, bytes: u64, is_bounded: bool) -> Result<(), Failure> {
        let Some(held) = &self.0 else { return Ok(()) };
        let mut ledger = lock(&held.ledger);
        if let Some(tenant) = held.tenant.get() {
            if is_bounded {
                ledger.check(tenant, bytes)?;
            }
            // A look before `entry`, which would want a name of its own each time.
            match ledger.tenants.get_mut(tenant) {
                Some(sum) => *sum = sum.saturating_add(bytes),
                None => drop(ledger.tenants.insert(tenant.clone(), bytes)),
            }
        } else if is_bounded {
            ledger.check_total(bytes)?;
        }
        ledger.total = ledger.total.saturating_add(bytes);
        held.bytes.fetch_add(bytes, Relaxed);
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let bytes = *self.bytes.get_mut();
        if bytes == 0 {
            return;
        }
        let mut ledger = lock(&self.ledger);
        ledger.total = ledger.total.saturating_sub(bytes);
        let Some(tenant) = self.tenant.get() else { return };
        let Some(sum) = ledger.tenants.get_mut(tenant) else { return };
        *sum = sum.saturating_sub(bytes);
        if *sum == 0 {
            ledger.tenants.remove(tenant);
        }
    }
}

impl Ledger {
    fn check(&self, tenant: &TenantName, more: u64) -> Result<(), Failure> {
        let (most, sum) = (self.config.bytes_max_per_tenant, self.tenants.get(tenant).copied().unwrap_or_default());
        let used = sum.saturating_add(more);
        if used > most {
            let what = format!(
                "large requests of the tenant and answers that it has not read take {sum} bytes; it may have {most}, and \
                 this would be {used}"
            );
            return Err(refused(Reason::TenantBusy, "held_bytes_max_per_tenant", (most, used), what));
        }
        self.check_total(more)
    }

    fn check_total(&self, more: u64) -> Result<(), Failure> {
        let (most, used) = (self.config.bytes_max, self.total.saturating_add(more));
        if used <= most {
            return Ok(());
        }
        let what = format!(
            "large requests and answers that are not read take {} bytes of all tenants together, and may take {most}",
            self.total
        );
        Err(refused(Reason::Overloaded, "held_bytes_max", (most, used), what))
    }
}

fn refused(reason: Reason, key: &'static str, numbers: (u64, u64), what: String) -> Failure {
    let mut failure = of_server(reason, LimitName::new(key), numbers, what);
    failure.hint = format!("{READ_YOURS}; {}", failure.hint);
    failure.with_retry_after(RETRY_AFTER)
}

/// A panic while the lock is held leaves sums that are right: every change is one step.
fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holdings(all: u64, each: u64) -> Holdings {
        Holdings::new(HoldingsConfig { bytes_max: all, bytes_max_per_tenant: each })
    }

    fn open(holdings: &Holdings, tenant: &str) -> Holding {
        let holding = holdings.open();
        holding.claim(&tenant.parse().expect("a name")).expect("room");
        holding
    }

    #[test]
    fn a_tenant_fills_its_share_to_the_byte_and_no_other_tenants() {
        let holdings = holdings(100, 60);
        let (first, second) = (open(&holdings, "acme"), open(&holdings, "acme"));
        first.hold(40).expect("room");
        let refused = second.hold(21).expect_err("too much");
        assert_eq!((refused.reason, refused.retry_after), (Reason::TenantBusy, Some(RETRY_AFTER)));
        assert!(
            refused.message.contains("40 bytes") && refused.hint.contains("held_bytes_max_per_tenant"),
            "{refused:?}"
        );
        second.hold(20).expect("the last bytes");
        let full = holdings.open().claim(&"acme".parse().expect("a name")).expect_err("nothing is begun for it");
        assert_eq!(full.reason, Reason::TenantBusy);
        open(&holdings, "globex").hold(40).expect("its own share");
    }

    #[test]
    fn all_tenants_together_are_bounded_too() {
        let holdings = holdings(100, 60);
        let held: Vec<_> = ["acme", "globex"].map(|tenant| open(&holdings, tenant)).into();
        held.iter().for_each(|holding| holding.hold(50).expect("room"));
        let refused = holdings.open().claim(&"initech".parse().expect("a name")).expect_err("full");
        assert_eq!(refused.reason, Reason::Overloaded);
        assert_eq!(holdings.open().hold(1).expect_err("not even for nobody").reason, Reason::Overloaded);
    }

    #[test]
    fn bytes_are_given_back_with_the_last_clone_and_nothing_of_the_tenant_stays() {
        let holdings = holdings(100, 60);
        let holding = open(&holdings, "acme");
        holding.hold(60).expect("room");
        let answer = holding.clone();
        drop(holding);
        assert_eq!(holdings.bytes(), 60);
        drop(answer);
        assert_eq!((holdings.bytes(), lock(&holdings.0).tenants.len()), (0, 0));
        open(&holdings, "acme").hold(60).expect("free again");
    }

    #[test]
    fn small_answers_are_counted_and_pass_and_large_ones_do_not() {
        let holdings = holdings(100, 60);
        let full = open(&holdings, "acme");
        full.hold(60).expect("room");
        let question = holdings.open();
        question.name(&"acme".parse().expect("a name"));
        question.hold_answer(SMALL_ANSWER_BYTES).expect("an operator is answered");
        assert_eq!(holdings.bytes(), 60 + SMALL_ANSWER_BYTES);
        assert!(question.hold_answer(SMALL_ANSWER_BYTES + 1).is_err());
    }

    #[test]
    fn a_smaller_budget_holds_at_once_and_takes_nothing_away() {
        let holdings = holdings(100, 60);
        let holding = open(&holdings, "acme");
        holding.hold(60).expect("room");
        holdings.reconfigure(HoldingsConfig { bytes_max: 10, bytes_max_per_tenant: 10 });
        assert!(holding.hold(1).is_err());
        drop(holding);
        open(&holdings, "acme").hold(10).expect("the new share");
    }
}
