//! Tokens that verified before: a signature check costs more than most functions.
//!
//! The key is the SHA-256 of the whole text, so that a hit means the same bytes; only successes are kept; the caller
//! checks the clock on every hit. Bounded: each shard keeps two generations and forgets the older when the younger
//! is full, which keeps what is in use and needs no bookkeeping per hit.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use aws_lc_rs::digest::{SHA256, digest};

use super::VerifiedToken;

const SHARDS: usize = 16;
/// At most 16 x 2 x 256 = 8,192 tokens are remembered.
const GENERATION_LENGTH_MAX: usize = 256;

/// Identifies a token text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct CacheKey([u8; 32]);

impl CacheKey {
    pub(super) fn of(token: &str) -> Self {
        let mut key = [0; 32];
        // SHA-256 always has 32 bytes, so both slices have the same length.
        key.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(key)
    }
}

/// A bounded map from token text to what it proved.
pub(super) struct TokenCache {
    shards: [Mutex<Generations>; SHARDS],
}

#[derive(Default, Clone)]
struct Generations {
    young: HashMap<CacheKey, VerifiedToken>,
    old: HashMap<CacheKey, VerifiedToken>,
}

impl TokenCache {
    pub(super) fn new() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()) }
    }

    pub(super) fn get(&self, key: &CacheKey) -> Option<VerifiedToken> {
        let mut shard = self.shard(key)?;
        if let Some(token) = shard.young.get(key) {
            return Some(token.clone());
        }
        let remembered = shard.old.remove(key)?;
        shard.remember(*key, remembered.clone());
        Some(remembered)
    }

    pub(super) fn insert(&self, key: CacheKey, token: VerifiedToken) {
        if let Some(mut shard) = self.shard(&key) {
            shard.remember(key, token);
        }
    }

    /// A cache of its own with the tokens that `keep` approves of: what is added here later is not added there.
    pub(super) fn kept(&self, keep: impl Fn(&VerifiedToken) -> bool) -> Self {
        let shards = self.shards.each_ref().map(|shard| {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner).clone();
            shard.young.retain(|_, one| keep(one));
            shard.old.retain(|_, one| keep(one));
            Mutex::new(shard)
        });
        Self { shards }
    }

    pub(super) fn remove(&self, key: &CacheKey) {
        if let Some(mut shard) = self.shard(key) {
            shard.young.remove(key);
            shard.old.remove(key);
        }
    }

    fn shard(&self, key: &CacheKey) -> Option<MutexGuard<'_, Generations>> {
        let CacheKey([first, ..]) = key;
        let shard = self.shards.get(usize::from(*first) % SHARDS)?;
        // A shard is never left half-changed: a poisoned lock is as good as any.
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Generations {
    fn remember(&mut self, key: CacheKey, token: VerifiedToken) {
        if self.young.len() >= GENERATION_LENGTH_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Fixture, claims};

    fn key(number: u32) -> CacheKey {
        CacheKey::of(&number.to_string())
    }

    fn remembered() -> VerifiedToken {
        Fixture::new().verified(&claims())
    }

    #[test]
    fn the_cache_is_bounded_and_keeps_what_is_in_use() {
        let (cache, token) = (TokenCache::new(), remembered());
        cache.insert(key(0), token.clone());
        for number in 1..20_000 {
            cache.insert(key(number), token.clone());
            assert!(number % 100 != 0 || cache.get(&key(0)).is_some(), "in use, forgotten at {number}");
        }
        let length = |shard: &Mutex<Generations>| {
            let shard = shard.lock().unwrap();
            shard.young.len() + shard.old.len()
        };
        assert!(cache.shards.iter().map(length).sum::<usize>() <= SHARDS * 2 * GENERATION_LENGTH_MAX);
        assert!(cache.get(&key(1)).is_none(), "unused and old");
        assert!(cache.get(&key(19_999)).is_some());
    }

    #[test]
    fn a_removed_token_is_gone_from_both_generations() {
        let (cache, token) = (TokenCache::new(), remembered());
        cache.insert(key(0), token.clone());
        cache.remove(&key(0));
        assert!(cache.get(&key(0)).is_none());
    }

    #[test]
    fn what_is_kept_is_a_cache_of_its_own() {
        let (cache, token) = (TokenCache::new(), remembered());
        cache.insert(key(0), token.clone());
        let (kept, emptied) = (cache.kept(|_| true), cache.kept(|_| false));
        cache.insert(key(1), token);
        assert!(kept.get(&key(0)).is_some() && kept.get(&key(1)).is_none(), "added to the old one only");
        assert!(emptied.get(&key(0)).is_none());
    }
}
