//! How many calls may be at work on one backend, and how many of them one tenant's.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use airlock_model::TenantName;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Tenants beyond this many are looked through for those that hold nothing.
const SHARES_KEPT: usize = 256;

/// The places of one backend.
#[derive(Debug)]
pub(crate) struct Places {
    all: Arc<Semaphore>,
    per_tenant: usize,
    shares: Mutex<HashMap<TenantName, Weak<Semaphore>>>,
}

/// The right to be at work: a place of the tenant's share, and one of all.
#[derive(Debug)]
pub(crate) struct Place {
    _share: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Places {
    pub(crate) fn new(all: usize, per_tenant: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), per_tenant, shares: Mutex::default() }
    }

    /// Waits for a place, in order. The tenant's own share comes first: a tenant that waits for itself holds nothing that
    /// others wait for. `None` never happens: nobody closes the semaphores.
    pub(crate) async fn take(&self, tenant: &TenantName) -> Option<Place> {
        let share = self.share(tenant).acquire_owned().await.ok()?;
        let all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Place { _share: share, _all: all })
    }

    fn share(&self, tenant: &TenantName) -> Arc<Semaphore> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(tenant).and_then(Weak::upgrade) {
            return share;
        }
        if shares.len() >= SHARES_KEPT {
            shares.retain(|_, share| share.strong_count() > 0);
        }
        let share = Arc::new(Semaphore::new(self.per_tenant));
        shares.insert(tenant.clone(), Arc::downgrade(&share));
        share
    }
}
