//! Removes audit records when the time that they are kept for is over.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use airlock_store::{AuditFilter, AuditOrder, Store, StoreError};
use tokio::time::{Instant, sleep};

use crate::{
    app::Backends,
    checkpoints::{Notary, Timer},
    clock,
};

/// How often somebody looks for old records.
const LOOKS_EVERY: Duration = Duration::from_secs(60);
/// Between two cuts: calls go on meanwhile.
const PAUSE: Duration = Duration::from_millis(50);
/// How far a clock may be ahead of what is to be expected, and for how long nothing is removed when it is further: time for
/// somebody to set it right.
const DOUBT: Duration = Duration::from_secs(86_400);

/// When something was last on record, for [`start`].
pub(crate) async fn last_record(store: &Store) -> Result<Option<u64>, StoreError> {
    let newest = AuditFilter { order: AuditOrder::NewestFirst, limit: Some(1), ..AuditFilter::default() };
    Ok(store.query(newest).await?.first().map(|record| record.event.time_unix_ms))
}

/// Begins to look for old records, now and then every minute. Holds the store only while it works. `last_unix_ms` is when the
/// server before this one was last heard of.
pub(crate) fn start(backends: &Arc<Backends>, notary: &Notary, keep: Duration, last_unix_ms: Option<u64>) -> Timer {
    let known = Known { unix_ms: last_unix_ms.unwrap_or_else(clock::now_unix_ms), at: Instant::now() };
    Timer::start(run(Arc::downgrade(backends), notary.clone(), keep, known))
}

/// A time that is believed, and when it was read. What is young must not be removed because a clock has jumped.
struct Known {
    unix_ms: u64,
    at: Instant,
}

impl Known {
    /// Whether the clock is as far as it has to be, or nobody has set it back for long enough.
    fn believes(&mut self, now_unix_ms: u64) -> bool {
        let elapsed = self.at.elapsed();
        let expected = self.unix_ms.saturating_add(ms(elapsed)).saturating_add(ms(DOUBT));
        if now_unix_ms > expected && elapsed < DOUBT {
            return false;
        }
        *self = Self { unix_ms: now_unix_ms, at: Instant::now() };
        true
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

async fn run(backends: Weak<Backends>, notary: Notary, keep: Duration, mut known: Known) {
    loop {
        let Some(backends) = backends.upgrade() else { return };
        let now = clock::now_unix_ms();
        if !known.believes(now) {
            tracing::error!(
                now_unix_ms = now,
                last_unix_ms = known.unix_ms,
                "the clock is more than a day ahead of what was last known: old audit records stay for a day of running, so that it \
                 can be set right"
            );
            drop(backends);
            sleep(LOOKS_EVERY).await;
            continue;
        }
        let cut = cut(&backends, &notary, now, keep).await;
        drop(backends);
        match cut {
            Ok(true) => sleep(PAUSE).await,
            Ok(false) => sleep(LOOKS_EVERY).await,
            Err(StoreError::Unavailable { .. }) => return,
            Err(why) => {
                tracing::error!(%why, "old audit records are kept: they could not be removed");
                sleep(LOOKS_EVERY).await;
            }
        }
    }
}

/// Whether something was removed, so that there may be more.
async fn cut(backends: &Backends, notary: &Notary, now: u64, keep: Duration) -> Result<bool, StoreError> {
    let before = now.saturating_sub(ms(keep));
    let cut = backends.store.cut_trail(before, now, |at| notary.sign_cut(at, now)).await?;
    if let Some(cut) = &cut {
        tracing::info!(records = cut.records, to = cut.seq, hash = %cut.hash, "old audit records were removed");
    }
    Ok(cut.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumped_is_believed_after_a_day() {
        const DAY_MS: u64 = 86_400_000;
        let now = Instant::now() + DOUBT;
        let mut known = Known { unix_ms: 100 * DAY_MS, at: now };
        assert!(!known.believes(102 * DAY_MS), "two days ahead of the last record");
        assert!(known.believes(100 * DAY_MS + DAY_MS / 2), "set right");
        assert!(!known.believes(130 * DAY_MS), "it jumped while the server ran");
        let Some(long_ago) = Instant::now().checked_sub(DOUBT) else { return };
        known.at = long_ago;
        assert!(known.believes(131 * DAY_MS), "nobody has set it back for a day");
    }
}
