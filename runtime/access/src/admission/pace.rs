//! How often the guests of one tenant may call the host: every host call is on record, and the trail belongs to all.
//!
//! Unlike calls, host calls are never refused for their pace. They wait, and their function's own deadline goes on.

use std::{
    collections::{BTreeMap, HashMap},
    num::NonZeroU64,
    time::Duration,
};

use airlock_model::TenantName;

use super::AdmissionConfig;

/// What a tenant may take at once after a pause: as much as in this time.
const BURST: Duration = Duration::from_secs(1);
/// Tenants that are remembered; beyond them those that called least lately are forgotten.
const TENANTS_MAX: usize = 4_096;

/// The paces of all tenants.
pub(super) struct Paces {
    per_second: NonZeroU64,
    own: BTreeMap<TenantName, NonZeroU64>,
    /// When a tenant's host calls would be evenly spread again (the theoretical arrival time of the GCRA, ITU-T I.371).
    even_at: HashMap<TenantName, Duration>,
}

impl Paces {
    pub(super) fn new(config: &AdmissionConfig) -> Self {
        let (per_second, own) = numbers(config);
        Self { per_second, own, even_at: HashMap::new() }
    }

    pub(super) fn replace(&mut self, config: &AdmissionConfig) {
        (self.per_second, self.own) = numbers(config);
    }

    /// Takes one host call, and says how long it has to wait.
    pub(super) fn take(&mut self, tenant: &TenantName, now: Duration) -> Duration {
        let per_second = self.own.get(tenant).unwrap_or(&self.per_second);
        let interval = interval(*per_second);
        let even_at = match self.even_at.get_mut(tenant) {
            Some(even_at) => even_at,
            None => self.remember(tenant, now),
        };
        *even_at = (*even_at).max(now) + interval;
        even_at.saturating_sub(BURST).saturating_sub(now)
    }

    fn remember(&mut self, tenant: &TenantName, now: Duration) -> &mut Duration {
        if self.even_at.len() >= TENANTS_MAX {
            self.even_at.retain(|_, even_at| *even_at > now);
        }
        self.even_at.entry(tenant.clone()).or_insert(now)
    }
}

/// The time between two of so many in a second, spread evenly.
pub(super) fn interval(per_second: NonZeroU64) -> Duration {
    Duration::from_nanos((1_000_000_000 / per_second).max(1))
}

fn numbers(config: &AdmissionConfig) -> (NonZeroU64, BTreeMap<TenantName, NonZeroU64>) {
    let own = config.tenants.iter().filter_map(|(name, quotas)| Some((name.clone(), quotas.host_calls_per_second?)));
    (config.host_calls_per_second, own.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::tests::desk::config;

    fn paces(per_second: u64) -> Paces {
        let host_calls_per_second = NonZeroU64::new(per_second).expect("not zero");
        Paces::new(&AdmissionConfig { host_calls_per_second, ..config() })
    }

    fn tenant(name: &str) -> TenantName {
        name.parse().expect("a name")
    }

    #[test]
    fn a_second_of_calls_is_free_and_then_each_waits_its_turn_whoever_else_calls() {
        let (mut paces, acme, start) = (paces(100), tenant("acme"), Duration::from_secs(50));
        assert!((0..100).all(|_| paces.take(&acme, start).is_zero()));
        let waits: Vec<_> = (0..3).map(|_| paces.take(&acme, start)).collect();
        assert_eq!(waits, [10, 20, 30].map(Duration::from_millis));
        assert!(paces.take(&tenant("globex"), start).is_zero());
        assert!(paces.take(&acme, start + Duration::from_secs(2)).is_zero());
    }

    #[test]
    fn tenants_that_are_even_again_are_forgotten() {
        let mut paces = paces(100);
        for number in 0..2 * TENANTS_MAX as u64 {
            paces.take(&tenant(&format!("t{number}")), Duration::from_secs(number));
        }
        assert!(paces.even_at.len() <= TENANTS_MAX);
    }
}
