//! The audit trail for its auditors: searched, and followed as it grows. An auditor of one tenant sees that tenant, in the
//! environment of the token.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use airlock_access::{Authorized, Control, Presented, VerifiedToken};
use airlock_model::{AuditKind, ControlScope, Decision, EnvironmentName, Erasure, Failure, Reason, TenantName};
use airlock_store::{AuditFilter, AuditOrder, AuditPage, Erased};
use tokio::time::sleep;

use crate::{
    App,
    app::{Backends, store_failure},
    clock,
    control::About,
    deploy::control_event,
};

/// Followers of one tenant, and of all: each looks at the trail several times a second.
const OF_TENANT_MAX: usize = 8;
const OF_ALL_MAX: usize = 64;
/// How often a follower looks for more.
const LOOKS_EVERY: Duration = Duration::from_millis(200);
/// What whoever finds no place is told to wait.
const RETRY_AFTER: Duration = Duration::from_secs(10);

impl App {
    /// A page of the audit records of the token's own tenant and environment. The work for it is bounded, so it may be short
    /// although more follow.
    ///
    /// # Errors
    /// When the token lacks `audit:read`, or `audit:values` to see what is kept beside the records.
    pub async fn audit_query(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        mut filter: AuditFilter,
    ) -> Result<AuditPage, Failure> {
        let permit =
            self.authorize(bearer, ControlScope::AuditRead, About("AuditService.Query", &environment, None))?;
        self.check_values(&permit, &filter, About("AuditService.Query", &environment, None))?;
        confine(&mut filter, permit.token());
        self.backends.store.search(filter).await.map_err(|why| store_failure(&why))
    }

    /// Follows the audit records of the token's own tenant and environment: from after a record, or from now on.
    ///
    /// # Errors
    /// When the token lacks `audit:read`, or `audit:values` to see what is kept beside the records; `tenant_busy` and `overloaded` while too many follow already.
    pub async fn audit_tail(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        mut filter: AuditFilter,
    ) -> Result<AuditTail, Failure> {
        let permit = self.authorize(bearer, ControlScope::AuditRead, About("AuditService.Tail", &environment, None))?;
        self.check_values(&permit, &filter, About("AuditService.Tail", &environment, None))?;
        confine(&mut filter, permit.token());
        filter.order = AuditOrder::OldestFirst;
        let place = self.followers.enter(&permit.principal().tenant)?;
        let backends = Arc::clone(&self.backends);
        if filter.after_seq.is_none() {
            let head = backends.store.head().await.map_err(|why| store_failure(&why))?;
            filter.after_seq = Some(head.seq);
        }
        Ok(AuditTail { backends, token: permit.token().clone(), filter, _place: place })
    }

    /// Values say what the records only commit to: they have a scope of their own.
    fn check_values(
        &self,
        permit: &Authorized<Control>,
        filter: &AuditFilter,
        about: About<'_>,
    ) -> Result<(), Failure> {
        if filter.with_values { self.check_also(permit, ControlScope::AuditValues, about) } else { Ok(()) }
    }

    /// Erases values of the token's own tenant and environment from beside the trail; the trail says so, and why.
    ///
    /// # Errors
    /// When the token lacks `audit:erase`; `audit_unavailable`: what was erased until then is on record as erased.
    pub async fn audit_erase(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        mut erasure: Erasure,
        why: String,
    ) -> Result<Erased, Failure> {
        let permit =
            self.authorize(bearer, ControlScope::AuditErase, About("AuditService.Erase", &environment, None))?;
        erasure.tenant = Some(permit.principal().tenant.to_string());
        erasure.environment = Some(permit.call().environment().to_string());
        let mut event = control_event(&permit, AuditKind::ValuesErased, Decision::Permit);
        event.environment = Some(permit.call().environment().into());
        event.message = Some(why);
        // Whoever goes away leaves nothing half erased: the trail says already what will be.
        let backends = Arc::clone(&self.backends);
        let erased = tokio::spawn(async move { backends.store.erase(event, erasure).await }).await;
        erased.map_err(Failure::internal)?.map_err(|why| store_failure(&why))
    }
}

fn confine(filter: &mut AuditFilter, token: &VerifiedToken) {
    filter.tenant = Some(token.principal().tenant.to_string());
    filter.environment = Some(token.environment().to_string());
}

/// Somebody who follows the trail. Ends with the token.
pub struct AuditTail {
    backends: Arc<Backends>,
    token: VerifiedToken,
    filter: AuditFilter,
    _place: Place,
}

impl AuditTail {
    /// The next records, once there are some.
    ///
    /// # Errors
    /// `token_invalid` and `revoked` when the token no longer counts; when the trail cannot be read.
    pub async fn next(&mut self) -> Result<AuditPage, Failure> {
        loop {
            self.check_token()?;
            let page = self.backends.store.search(self.filter.clone()).await.map_err(|why| store_failure(&why))?;
            self.filter.go_on(&page);
            if !page.records.is_empty() {
                return Ok(page);
            }
            if page.is_last {
                sleep(LOOKS_EVERY).await;
            }
        }
    }

    fn check_token(&self) -> Result<(), Failure> {
        if clock::now_unix_s() >= self.token.expires_at_unix_s() {
            let hint = "go on with a new token, after the last record that was seen";
            return Err(Failure::new(Reason::TokenInvalid, "the token has expired", hint));
        }
        self.backends.revocations.check_token(&self.token)
    }
}

/// How many follow now.
#[derive(Default)]
pub(crate) struct Followers(Arc<Mutex<HashMap<TenantName, usize>>>);

/// One of them.
struct Place {
    of: Arc<Mutex<HashMap<TenantName, usize>>>,
    tenant: TenantName,
}

impl Followers {
    fn enter(&self, tenant: &TenantName) -> Result<Place, Failure> {
        let mut counts = lock(&self.0);
        let (own, all) = (counts.get(tenant).copied().unwrap_or_default(), counts.values().sum::<usize>());
        let full = |reason, message: String| {
            Err(Failure::new(
                reason,
                message,
                "end one of them, or ask again with `after_sequence` instead of following",
            )
            .with_retry_after(RETRY_AFTER))
        };
        if own >= OF_TENANT_MAX {
            return full(Reason::TenantBusy, format!("{OF_TENANT_MAX} already follow the trail for tenant `{tenant}`"));
        }
        if all >= OF_ALL_MAX {
            return full(Reason::Overloaded, format!("{OF_ALL_MAX} already follow the trail"));
        }
        counts.insert(tenant.clone(), own.saturating_add(1));
        Ok(Place { of: Arc::clone(&self.0), tenant: tenant.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = lock(&self.of);
        let left = counts.get(&self.tenant).copied().unwrap_or_default().saturating_sub(1);
        if left == 0 {
            counts.remove(&self.tenant);
        } else {
            counts.insert(self.tenant.clone(), left);
        }
    }
}

/// A panic while the lock is held leaves a whole map: every change is one step.
fn lock(counts: &Mutex<HashMap<TenantName, usize>>) -> MutexGuard<'_, HashMap<TenantName, usize>> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_its_own_places_and_gives_them_back() {
        let (followers, acme, globex) = (Followers::default(), "acme".parse().unwrap(), "globex".parse().unwrap());
        let mut held: Vec<_> = (0..OF_TENANT_MAX).map(|_| followers.enter(&acme).unwrap()).collect();
        assert!(followers.enter(&acme).is_err_and(|why| why.reason == Reason::TenantBusy));
        let other = followers.enter(&globex).unwrap();
        held.pop();
        drop(followers.enter(&acme).unwrap());
        drop((held, other));
        assert!(lock(&followers.0).is_empty());
    }

    #[test]
    fn all_tenants_share_the_places_of_the_server() {
        let followers = Followers::default();
        let enter = |number: usize| followers.enter(&format!("t{}", number / OF_TENANT_MAX).parse().unwrap());
        let held: Vec<_> = (0..OF_ALL_MAX).map(|number| enter(number).unwrap()).collect();
        assert!(enter(OF_ALL_MAX).is_err_and(|why| why.reason == Reason::Overloaded));
        drop(held);
    }
}
