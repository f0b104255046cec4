//! Keeps what functions say where nothing has to be listed: the candidates for a statement manifest.

use std::{sync::Arc, time::Duration};

use airlock_model::{Digest, ManifestStatement};
use airlock_store::Caller;
use moka::sync::Cache;

use crate::{app::Backends, clock};

/// Statements that are known to be on disk, and callers that have no room left.
const KNOWN_MAX: u64 = 100_000;
/// Longest text that is kept; longer ones run all the same.
const TEXT_BYTES_MAX: usize = 16 << 10;
/// How long nothing more is tried for a caller that has no room left.
const FULL_FOR: Duration = Duration::from_secs(600);

/// What has been kept already, so that a call costs a look into memory.
pub(crate) struct Recorder {
    known: Cache<Digest, ()>,
    /// Those that have no room for more, for a while: a function that is deleted has room again.
    full: Cache<Caller, ()>,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        let full = Cache::builder().max_capacity(KNOWN_MAX).time_to_live(FULL_FOR).build();
        Self { known: Cache::new(KNOWN_MAX), full }
    }

    /// Writes down, while the call goes on, what this function has not said before, as far as memory goes. What cannot be
    /// written is no reason to refuse the call: it allows nothing.
    pub(crate) fn see(
        &self,
        backends: &Arc<Backends>,
        of: Caller,
        fingerprint: &Digest,
        statement: impl FnOnce() -> ManifestStatement,
    ) {
        let names = [of.environment.as_str(), of.function.as_str(), of.tenant.as_str()].map(str::as_bytes);
        let [environment, function, tenant] = names;
        let key = Digest::of_parts(&[environment, function, tenant, fingerprint.as_bytes()]);
        if self.known.contains_key(&key) || self.full.contains_key(&of) {
            return;
        }
        self.known.insert(key, ());
        let statement = statement();
        if statement.text.len() > TEXT_BYTES_MAX {
            return;
        }
        let (backends, known, full) = (Arc::clone(backends), self.known.clone(), self.full.clone());
        tokio::spawn(async move {
            match backends.store.keep_candidate(of.clone(), statement, clock::now_unix_ms()).await {
                Ok(true) => {}
                Ok(false) => full.insert(of, ()),
                Err(error) => {
                    // Another call may have more luck.
                    known.invalidate(&key);
                    tracing::debug!(%error, "a statement was not recorded");
                }
            }
        });
    }
}
