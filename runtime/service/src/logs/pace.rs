//! How many lines of a tenant are handed on in a second.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
};

use airlock_model::TenantName;

/// Tenants that are remembered; those of earlier seconds are forgotten first.
const TENANTS_MAX: usize = 1_024;

#[derive(Default)]
pub(super) struct Paces(Mutex<HashMap<TenantName, Pace>>);

#[derive(Default)]
struct Pace {
    second: u64,
    lines: u32,
    left_out: u64,
}

impl Paces {
    /// Counts a line. Gives how many were left out since the last that was not; `None` when this one is too.
    pub(super) fn take(&self, tenant: &TenantName, per_s: NonZeroU32, now_s: u64) -> Option<u64> {
        let mut paces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if paces.len() >= TENANTS_MAX && !paces.contains_key(tenant) {
            paces.retain(|_, pace| pace.second == now_s);
        }
        if !paces.contains_key(tenant) {
            paces.insert(tenant.clone(), Pace::default());
        }
        let pace = paces.get_mut(tenant)?;
        if pace.second != now_s {
            (pace.second, pace.lines) = (now_s, 0);
        }
        pace.lines = pace.lines.saturating_add(1);
        if pace.lines > per_s.get() {
            pace.left_out = pace.left_out.saturating_add(1);
            return None;
        }
        Some(std::mem::take(&mut pace.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_that_floods_is_told_how_much_and_no_other_is_in_its_way() {
        let (paces, per_s) = (Paces::default(), NonZeroU32::new(10).expect("above zero"));
        let (acme, globex) = ("acme".parse().expect("a name"), "globex".parse().expect("a name"));
        let handed_on = (0..100).filter(|_| paces.take(&acme, per_s, 5).is_some()).count();
        assert_eq!(handed_on, 10);
        assert_eq!(paces.take(&globex, per_s, 5), Some(0));
        assert_eq!((paces.take(&acme, per_s, 6), paces.take(&acme, per_s, 6)), (Some(90), Some(0)));
    }
}
