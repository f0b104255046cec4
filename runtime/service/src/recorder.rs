//! Keeps what functions say where nothing has to be listed: the candidates for a statement manifest.

use std::sync::Arc;

use airlock_model::{Digest, ManifestStatement};
use moka::sync::Cache;

use crate::{app::Backends, clock, registry::Deployed};

/// Statements that are known to be on disk, and functions that have no room left.
const KNOWN_MAX: u64 = 100_000;
/// Longest text that is kept; longer ones run all the same.
const TEXT_BYTES_MAX: usize = 16 << 10;

/// What has been kept already, so that a call costs a look into memory.
pub(crate) struct Recorder {
    known: Cache<Digest, ()>,
    full: Cache<Digest, ()>,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Self { known: Cache::new(KNOWN_MAX), full: Cache::new(KNOWN_MAX) }
    }

    /// Whether this function has not said this before, as far as memory goes, and may say more.
    pub(crate) fn is_new(&self, deployed: &Deployed, fingerprint: &Digest) -> bool {
        let function = function_key(deployed);
        let key = Digest::of_parts(&[function.as_bytes(), fingerprint.as_bytes()]);
        if self.known.contains_key(&key) || self.full.contains_key(&function) {
            return false;
        }
        self.known.insert(key, ());
        true
    }

    /// Writes it down while the call goes on. What cannot be written is no reason to refuse the call: it allows nothing.
    pub(crate) fn keep(&self, backends: &Arc<Backends>, deployed: &Deployed, statement: ManifestStatement) {
        if statement.text.len() > TEXT_BYTES_MAX {
            return;
        }
        let (function, environment) = (deployed.function.clone(), deployed.environment.clone());
        let (backends, full, key) = (Arc::clone(backends), self.full.clone(), function_key(deployed));
        tokio::spawn(async move {
            match backends.store.keep_candidate(function, environment, statement, clock::now_unix_ms()).await {
                Ok(true) => {}
                Ok(false) => full.insert(key, ()),
                Err(error) => tracing::debug!(%error, "a statement was not recorded"),
            }
        });
    }
}

fn function_key(deployed: &Deployed) -> Digest {
    Digest::of_parts(&[deployed.environment.as_str().as_bytes(), deployed.function.as_str().as_bytes()])
}
