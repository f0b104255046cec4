//! Removes audit records when the time that they are kept for is over.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use airlock_store::StoreError;
use tokio::time::sleep;

use crate::{
    app::Backends,
    checkpoints::{Notary, Timer},
    clock,
};

/// How often somebody looks for old records.
const LOOKS_EVERY: Duration = Duration::from_secs(60);
/// Between two cuts: calls go on meanwhile.
const PAUSE: Duration = Duration::from_millis(50);

/// Begins to look for old records, now and then every minute. Holds the store only while it works.
pub(crate) fn start(backends: &Arc<Backends>, notary: &Notary, keep: Duration) -> Timer {
    Timer::start(run(Arc::downgrade(backends), notary.clone(), keep))
}

async fn run(backends: Weak<Backends>, notary: Notary, keep: Duration) {
    loop {
        let Some(backends) = backends.upgrade() else { return };
        let cut = cut(&backends, &notary, keep).await;
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
async fn cut(backends: &Backends, notary: &Notary, keep: Duration) -> Result<bool, StoreError> {
    let now = clock::now_unix_ms();
    let keep_ms = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
    let before = now.saturating_sub(keep_ms);
    let cut = backends.store.cut_trail(before, now, |at| notary.sign_cut(at, now)).await?;
    if let Some(cut) = &cut {
        tracing::info!(records = cut.records, to = cut.seq, hash = %cut.hash, "old audit records were removed");
    }
    Ok(cut.is_some())
}
