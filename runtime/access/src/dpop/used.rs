//! Which proofs were used: each is good for one request.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use airlock_model::{Principal, TenantName};

use super::{PROOF_AGE_MAX_S, ProofRefusal};
use crate::{sender::Thumbprint, verify::LEEWAY_MAX_S};

/// Proofs of one tenant that are remembered of one generation: 1,600 requests a second.
const OF_TENANT_MAX: usize = 64 << 10;
/// The same of one key, and of one subject with all its keys: nobody uses up the share of the whole tenant alone.
const OF_HOLDER_MAX: usize = OF_TENANT_MAX / 2;
/// What all tenants together take before only reserves are left, some 30 MB.
const SHARED_MAX: usize = 512 << 10;
/// What a tenant gets of the reserves when the others have taken all else: 50 requests a second.
const RESERVE: usize = 2 << 10;
/// Reserves of 256 tenants, another 30 MB.
const RESERVES_MAX: usize = 256 * RESERVE;
/// Longer than any proof is good for, from its first use on.
const GENERATION_S: u64 = PROOF_AGE_MAX_S + LEEWAY_MAX_S + 5;

/// Whose share of the memory a proof takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Holder<'a> {
    pub(super) principal: &'a Principal,
    pub(super) key: Thumbprint,
}

/// Remembers used proofs for as long as they could be used again. Bounded: when it is full proofs are refused, not forgotten.
///
/// It outlives a reload and not the process. So proofs that may have been used before its beginning are refused.
#[derive(Debug)]
pub struct UsedProofs {
    /// The first `iat` that nobody can have used before.
    since_unix_s: AtomicU64,
    generations: Mutex<Generations>,
}

/// Two generations: what is used goes to the younger, and the older is forgotten as a whole.
#[derive(Debug, Default)]
struct Generations {
    begun_unix_s: u64,
    young: Generation,
    old: Generation,
}

#[derive(Debug, Default)]
struct Generation {
    by_tenant: HashMap<TenantName, Share>,
    length: usize,
}

/// What one tenant has used.
#[derive(Debug, Default)]
struct Share {
    used: HashSet<Thumbprint>,
    /// How many of them are of one key or one subject.
    by_holder: HashMap<Thumbprint, usize>,
}

impl UsedProofs {
    /// Begins to remember, where nothing was served before.
    #[must_use]
    pub fn since(now_unix_s: u64) -> Self {
        Self { since_unix_s: AtomicU64::new(now_unix_s), generations: Mutex::default() }
    }

    /// Says that proofs were taken until this second by a process whose memory is gone. What it took may have been from
    /// clients whose clocks are ahead, by as much as any configuration forgives.
    pub fn served_until(&self, unix_s: u64) {
        self.since_unix_s.fetch_max(unix_s.saturating_add(LEEWAY_MAX_S + 1), Relaxed);
    }

    pub(super) fn since_unix_s(&self) -> u64 {
        self.since_unix_s.load(Relaxed)
    }

    /// Uses a proof up.
    pub(super) fn take(&self, holder: Holder<'_>, identifier: &str, now_unix_s: u64) -> Result<(), ProofRefusal> {
        let once = Thumbprint::of(&format!("{} {identifier}", holder.key));
        // Every change is one step: a poisoned lock still guards true entries.
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.turn(now_unix_s);
        let Generations { young, old, .. } = &mut *generations;
        let tenant = &holder.principal.tenant;
        if old.has(tenant, &once) || young.has(tenant, &once) {
            return Err(ProofRefusal::Replayed);
        }
        young.take(holder, once)
    }
}

impl Generations {
    /// Begins another generation in time, also when the clock was set back.
    fn turn(&mut self, now_unix_s: u64) {
        let age = now_unix_s.abs_diff(self.begun_unix_s);
        if age >= GENERATION_S {
            let young = std::mem::take(&mut self.young);
            // After two whole generations nothing of it could be used again.
            self.old = if age >= 2 * GENERATION_S { Generation::default() } else { young };
            self.begun_unix_s = now_unix_s;
        }
    }
}

impl Generation {
    fn has(&self, tenant: &TenantName, once: &Thumbprint) -> bool {
        self.by_tenant.get(tenant).is_some_and(|own| own.used.contains(once))
    }

    /// What others take costs a tenant at most what it has beyond its reserve.
    fn take(&mut self, holder: Holder<'_>, once: Thumbprint) -> Result<(), ProofRefusal> {
        let tenant = &holder.principal.tenant;
        let own = self.by_tenant.get(tenant).map_or(0, |own| own.used.len());
        if own >= OF_TENANT_MAX {
            return Err(ProofRefusal::TenantShare);
        }
        let has_room = own < RESERVE && self.length < SHARED_MAX + RESERVES_MAX;
        if self.length >= SHARED_MAX && !has_room {
            return Err(ProofRefusal::Full);
        }
        self.by_tenant.entry(tenant.clone()).or_default().take(holder, once)?;
        self.length += 1;
        Ok(())
    }
}

impl Share {
    fn take(&mut self, holder: Holder<'_>, once: Thumbprint) -> Result<(), ProofRefusal> {
        let Principal { app, subject, .. } = holder.principal;
        let holders = [holder.key, Thumbprint::of(&format!("{app} {subject}"))];
        if holders.iter().any(|one| self.by_holder.get(one).is_some_and(|used| *used >= OF_HOLDER_MAX)) {
            return Err(ProofRefusal::HolderShare);
        }
        for one in holders {
            *self.by_holder.entry(one).or_default() += 1;
        }
        self.used.insert(once);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
