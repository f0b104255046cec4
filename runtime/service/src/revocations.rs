//! What has been ended before its time, in memory: asked by every call and every host call.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use airlock_access::VerifiedToken;
use airlock_model::{
    Bearer, EnvironmentName, Failure, FunctionName, Reason, ResourceName, Revocation, RevocationId, Revoked, TenantName,
};
use arc_swap::ArcSwap;

use crate::clock;

/// Revocations of one tenant that are in force at once, and of all tenants together.
const OF_TENANT_MAX: usize = 500;

/// Everything that is revoked now. Reads never wait; most servers have none, and then a check is one look.
#[derive(Default)]
pub(crate) struct Revocations {
    current: ArcSwap<Vec<Revocation>>,
    /// Held while they change, so that two changes do not undo each other.
    changing: Mutex<()>,
}

impl Revocations {
    /// Those that were kept.
    pub(crate) fn new(kept: Vec<Revocation>) -> Self {
        Self { current: ArcSwap::from_pointee(kept), changing: Mutex::default() }
    }

    /// From now on it holds. What is over is forgotten.
    ///
    /// # Errors
    /// [`Reason::TenantBusy`] when there are [`OF_TENANT_MAX`] already that whoever makes it may make: every call looks at all.
    pub(crate) fn add(&self, revocation: Revocation) -> Result<(), Failure> {
        let _turn = self.turn();
        let now = clock::now_unix_s();
        let is_over = |one: &Revocation| one.expires_unix_s.is_some_and(|expires| expires < now);
        let mut all: Vec<_> = self.current.load().iter().filter(|one| !is_over(one)).cloned().collect();
        if all.iter().filter(|one| one.tenant == revocation.tenant).count() >= OF_TENANT_MAX {
            let message = format!("{OF_TENANT_MAX} revocations are in force already");
            let hint = "end more with one: a subject, an app or a tenant; or lift some: `airlock token revocations`";
            return Err(Failure::new(Reason::TenantBusy, message, hint));
        }
        all.push(revocation);
        self.current.store(Arc::new(all));
        Ok(())
    }

    /// From now on it no longer holds.
    pub(crate) fn remove(&self, id: &RevocationId) {
        let _turn = self.turn();
        let all = self.current.load().iter().filter(|one| one.id != *id).cloned().collect();
        self.current.store(Arc::new(all));
    }

    /// Those that satisfy something, the oldest first.
    pub(crate) fn list(&self, wanted: impl Fn(&Revocation) -> bool) -> Vec<Revocation> {
        self.current.load().iter().filter(|one| wanted(one)).cloned().collect()
    }

    /// Whether a token still counts.
    ///
    /// # Errors
    /// [`Reason::Revoked`], with who ended it and why.
    pub(crate) fn check_token(&self, token: &VerifiedToken) -> Result<(), Failure> {
        let current = self.current.load();
        if current.is_empty() {
            return Ok(());
        }
        let token_ids: Vec<_> = token.token_ids().collect();
        let bearer = Bearer {
            principal: token.principal(),
            environment: token.environment(),
            token_ids: &token_ids,
            issued_unix_s: token.issued_at_unix_s(),
        };
        refuse(current.iter().find(|one| one.ends_token(&bearer)))
    }

    /// The same for whoever asks for a token.
    pub(crate) fn check_bearer(&self, bearer: &Bearer<'_>) -> Result<(), Failure> {
        refuse(self.current.load().iter().find(|one| one.ends_token(bearer)))
    }

    /// Whether calls of a function may be made for a tenant.
    ///
    /// # Errors
    /// [`Reason::Revoked`].
    pub(crate) fn check_function(
        &self,
        tenant: &TenantName,
        environment: &EnvironmentName,
        function: &FunctionName,
    ) -> Result<(), Failure> {
        refuse(self.current.load().iter().find(|one| one.ends_function(tenant, environment, function)))
    }

    /// Whether a resource may be reached for a tenant.
    ///
    /// # Errors
    /// [`Reason::Revoked`].
    pub(crate) fn check_resource(
        &self,
        tenant: &TenantName,
        environment: &EnvironmentName,
        resource: &ResourceName,
    ) -> Result<(), Failure> {
        refuse(self.current.load().iter().find(|one| one.ends_resource(tenant, environment, resource)))
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refuse(found: Option<&Revocation>) -> Result<(), Failure> {
    found.map_or(Ok(()), |revocation| Err(ended_by(revocation)))
}

/// What is said about whatever a revocation ends.
pub(crate) fn ended_by(revocation: &Revocation) -> Failure {
    let Revocation { what, value, by, reason, .. } = revocation;
    let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    let message = format!("{what} `{value}` was revoked by `{by}` (revocation {}){why}", revocation.id);
    let hint = match what {
        Revoked::Token => "ask for a new token, if you are still to have one",
        Revoked::Subject | Revoked::App | Revoked::Tenant if revocation.issued_until_unix_s.is_some() => {
            "ask for a new token, if you are still to have one: only those from before are ended"
        }
        _ => {
            let needs = if revocation.tenant.is_none() || revocation.environment.is_none() {
                "`token:revoke` and `operator:write`"
            } else {
                "`token:revoke`"
            };
            let hint = format!("wait until somebody with {needs} lifts it: `airlock token lift {}`", revocation.id);
            return Failure::new(Reason::Revoked, message, hint);
        }
    };
    Failure::new(Reason::Revoked, message, hint)
}
