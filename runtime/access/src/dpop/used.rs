//! Which proofs were used: each is good for one request.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
};

use airlock_model::TenantName;

use super::{PROOF_AGE_MAX_S, ProofRefusal};
use crate::{sender::Thumbprint, verify::LEEWAY_MAX_S};

/// Proofs of one tenant that are remembered of one generation: 1,600 requests a second.
const OF_TENANT_MAX: usize = 64 << 10;
/// Proofs of all tenants that are remembered of one generation, some 30 MB.
const ALL_MAX: usize = 512 << 10;
/// Longer than any proof is good for, from its first use on.
const GENERATION_S: u64 = PROOF_AGE_MAX_S + LEEWAY_MAX_S + 5;

/// Remembers used proofs for as long as they could be used again. Bounded: when it is full proofs are refused, not forgotten.
///
/// It outlives a reload and not the process. So proofs from before its beginning are refused: they may have been used.
#[derive(Debug)]
pub struct UsedProofs {
    since_unix_s: u64,
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
    by_tenant: HashMap<TenantName, HashSet<Thumbprint>>,
    length: usize,
}

impl UsedProofs {
    /// Begins to remember.
    #[must_use]
    pub fn since(now_unix_s: u64) -> Self {
        Self { since_unix_s: now_unix_s, generations: Mutex::default() }
    }

    pub(super) const fn since_unix_s(&self) -> u64 {
        self.since_unix_s
    }

    /// Uses a proof up.
    pub(super) fn take(&self, tenant: &TenantName, once: Thumbprint, now_unix_s: u64) -> Result<(), ProofRefusal> {
        // Every change is one step: a poisoned lock still guards true entries.
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.turn(now_unix_s);
        let Generations { young, old, .. } = &mut *generations;
        if old.has(tenant, &once) || young.has(tenant, &once) {
            return Err(ProofRefusal::Replayed);
        }
        if young.length >= ALL_MAX {
            return Err(ProofRefusal::Full);
        }
        let own = young.by_tenant.entry(tenant.clone()).or_default();
        if own.len() >= OF_TENANT_MAX {
            return Err(ProofRefusal::Full);
        }
        own.insert(once);
        young.length += 1;
        Ok(())
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
        self.by_tenant.get(tenant).is_some_and(|own| own.contains(once))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn tenant(name: &str) -> TenantName {
        name.parse().unwrap()
    }

    fn proof(number: usize) -> Thumbprint {
        Thumbprint::of(&number.to_string())
    }

    #[test]
    fn a_proof_is_used_once_for_as_long_as_it_is_good() {
        let (used, acme) = (UsedProofs::since(NOW), tenant("acme"));
        for begun in [NOW, NOW + GENERATION_S - 1] {
            let one = proof(begun as usize);
            assert_eq!(used.take(&acme, one, begun), Ok(()));
            for later in 0..=PROOF_AGE_MAX_S + LEEWAY_MAX_S {
                assert_eq!(used.take(&acme, one, begun + later), Err(ProofRefusal::Replayed), "{later} s later");
            }
        }
        assert_eq!(used.take(&acme, proof(NOW as usize), NOW + 4 * GENERATION_S), Ok(()), "nothing is kept for good");
    }

    #[test]
    fn one_tenant_fills_its_own_share_and_time_makes_room() {
        let (used, acme, globex) = (UsedProofs::since(NOW), tenant("acme"), tenant("globex"));
        for number in 0..OF_TENANT_MAX {
            assert_eq!(used.take(&acme, proof(number), NOW), Ok(()));
        }
        assert_eq!(used.take(&acme, proof(OF_TENANT_MAX), NOW), Err(ProofRefusal::Full));
        assert_eq!(used.take(&acme, proof(0), NOW), Err(ProofRefusal::Replayed), "full, it forgets nothing");
        assert_eq!(used.take(&globex, proof(0), NOW), Ok(()));
        assert_eq!(used.take(&acme, proof(OF_TENANT_MAX), NOW + GENERATION_S), Ok(()));
    }

    #[test]
    fn a_clock_that_was_set_back_stops_nobody_for_long() {
        let (used, acme) = (UsedProofs::since(0), tenant("acme"));
        assert_eq!(used.take(&acme, proof(1), NOW), Ok(()));
        assert_eq!(used.take(&acme, proof(1), NOW - GENERATION_S), Err(ProofRefusal::Replayed));
        assert_eq!(used.take(&acme, proof(1), NOW - 5 * GENERATION_S), Ok(()));
    }

    #[test]
    fn of_many_at_once_one_gets_it() {
        let (used, acme) = (UsedProofs::since(NOW), tenant("acme"));
        let won = std::thread::scope(|scope| {
            let tries = || (0..1_000).filter(|_| used.take(&acme, proof(7), NOW).is_ok()).count();
            let threads: Vec<_> = (0..10).map(|_| scope.spawn(tries)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
        assert_eq!(won, 1);
    }
}
