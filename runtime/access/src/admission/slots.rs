//! How many calls of each tenant are running.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use airlock_model::TenantName;

/// Counts of running calls. A tenant with none has no entry, so the map is never larger than what is running.
#[derive(Default)]
pub(super) struct TenantSlots(Mutex<HashMap<TenantName, u64>>);

/// One running call of a tenant; dropping it, also while unwinding, counts it off.
pub(super) struct TenantSlot {
    slots: Arc<TenantSlots>,
    tenant: TenantName,
}

impl TenantSlots {
    /// Counts one more call, or says how many are running when that is `allowed` already.
    pub(super) fn take(self: &Arc<Self>, tenant: &TenantName, allowed: u64) -> Result<TenantSlot, u64> {
        let mut counts = self.lock();
        match counts.get_mut(tenant) {
            Some(running) if *running >= allowed => return Err(*running),
            Some(running) => *running += 1,
            None if allowed == 0 => return Err(0),
            None => {
                counts.insert(tenant.clone(), 1);
            }
        }
        Ok(TenantSlot { slots: Arc::clone(self), tenant: tenant.clone() })
    }

    pub(super) fn running(&self, tenant: &TenantName) -> u64 {
        self.lock().get(tenant).copied().unwrap_or_default()
    }

    #[cfg(test)]
    pub(super) fn tenants(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantName, u64>> {
        // Every change is one step: a poisoned lock still guards true counts.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TenantSlot {
    fn drop(&mut self) {
        let mut counts = self.slots.lock();
        match counts.get_mut(&self.tenant) {
            Some(running) if *running > 1 => *running -= 1,
            _ => {
                counts.remove(&self.tenant);
            }
        }
    }
}
