//! What a tenant's calls used, and what it was granted and never used.

use airlock_access::Presented;
use airlock_model::{ControlScope, EnvironmentName, Failure, Reason};
use airlock_store::{AuditFilter, AuditOrder, Dimension, Reader, StoreError, UsageQuery, UsageReport};
use serde::Serialize;

use crate::{
    App,
    app::store_failure,
    checkpoints::VERIFY_RETRY_AFTER,
    clock,
    control::About,
    unused::{GrantUses, UnusedGrant},
};

/// Quantiles are off by at most one part in this many: [`airlock_store::QUANTILE_ERROR`].
pub const QUANTILE_PARTS: u32 = 128;

const DAY_MS: u64 = 86_400_000;
/// Records read in one go.
const PAGE: u32 = 1_000;

/// What was granted and nobody used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnusedGrants {
    /// Which.
    pub unused: Vec<UnusedGrant>,
    /// Host calls that were looked at.
    pub host_calls: u64,
    /// Whether the trail begins before the time that was looked at.
    pub reaches_back: bool,
}

impl App {
    /// What the token's tenant used in its environment.
    ///
    /// # Errors
    /// When the token lacks `audit:read`; `request_malformed` when the answer would be too long.
    pub async fn usage_report(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        mut query: UsageQuery,
    ) -> Result<UsageReport, Failure> {
        let permit =
            self.authorize(bearer, ControlScope::AuditRead, About("UsageService.Report", &environment, None))?;
        self.paces.check_report(&permit.principal().tenant)?;
        // All filters have to match, so whoever asks for another tenant sees nothing.
        let own = |dimension, value: &str| (dimension, vec![value.to_owned()]);
        query.only.insert(0, own(Dimension::Environment, permit.call().environment().as_str()));
        query.only.insert(0, own(Dimension::Tenant, permit.principal().tenant.as_str()));
        self.backends.store.usage(query).await.map_err(|why| store_failure(&why))
    }

    /// What the configuration grants the token's tenant in its environment, and nobody used in so many days.
    ///
    /// # Errors
    /// When the token lacks `audit:read`; `overloaded` while somebody else has the trail read.
    pub async fn unused_grants(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        days: u32,
    ) -> Result<UnusedGrants, Failure> {
        let permit =
            self.authorize(bearer, ControlScope::AuditRead, About("UsageService.UnusedGrants", &environment, None))?;
        let tenant = &permit.principal().tenant;
        self.paces.check_verification(tenant)?;
        let _turn = self.verifying.try_lock().map_err(|_| {
            let failure = Failure::new(Reason::Overloaded, "the trail is being read already", "try again later");
            failure.with_retry_after(VERIFY_RETRY_AFTER)
        })?;
        let since = clock::now_unix_ms().saturating_sub(u64::from(days).saturating_mul(DAY_MS));
        let gathered = grant_uses_since(&self.backends.store, since).await;
        let (uses, reaches_back) = gathered.map_err(|why| store_failure(&why))?;
        let (settings, tenant) = (self.settings(), tenant.clone());
        let host_calls = uses.seen_in(&tenant, &environment);
        // Every grant is held against every use: nothing for a thread that serves.
        let judge = move || uses.unused_by(&settings.config, &tenant, &environment);
        let unused = tokio::task::spawn_blocking(judge).await.map_err(Failure::internal)?.map_err(Failure::internal)?;
        Ok(UnusedGrants { unused, host_calls, reaches_back })
    }
}

/// What the records since then say about grants, and whether there are any from before.
///
/// # Errors
/// [`StoreError::Corrupt`] when a record cannot be read, [`StoreError::Sqlite`], [`StoreError::Busy`].
pub async fn grant_uses_since(reader: &Reader, unix_ms: u64) -> Result<(GrantUses, bool), StoreError> {
    let mut uses = GrantUses::default();
    let mut filter = AuditFilter { order: AuditOrder::NewestFirst, limit: Some(PAGE), ..AuditFilter::default() };
    loop {
        let page = reader.query(filter.clone()).await?;
        let Some(last) = page.last() else { return Ok((uses, false)) };
        filter.before_seq = Some(last.seq);
        for record in &page {
            if record.event.time_unix_ms < unix_ms {
                return Ok((uses, true));
            }
            uses.add(&record.event);
        }
    }
}
