//! `[admission]`: how many calls run at once, how many wait, and how long.

use std::{
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    time::Duration,
};

use airlock_access::{AdmissionConfig, HoldingsConfig};
use airlock_model::{Quota, TenantName, TenantQuotas};
use serde::{Deserialize, Serialize};

use super::{Config, ConfigError, TenantConfig};

/// The longest that any call may be made to wait: longer than any sensible deadline.
const QUEUE_TIME_MS_MAX: u64 = 600_000;

/// `[admission]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdmissionSection {
    /// Calls that run at once; as many as `[sandbox] instances_max` when missing, and never more.
    pub running_max: Option<NonZeroU32>,
    /// Calls that wait for their turn; 0 turns every call away that cannot run at once.
    pub queue_max: u32,
    /// Calls of one tenant that wait for their turn.
    pub queue_max_per_tenant: u32,
    /// How long a call waits for its turn, in milliseconds.
    #[serde(deserialize_with = "super::amount")]
    pub queue_time_ms_max: NonZeroU64,
    /// Host calls of one tenant's guests in a second; more wait.
    pub host_calls_per_second: NonZeroU64,
    /// Bytes of large requests and of unread answers that are held at once.
    #[serde(deserialize_with = "super::amount")]
    pub held_bytes_max: NonZeroU64,
    /// The same for one tenant.
    #[serde(deserialize_with = "super::amount")]
    pub held_bytes_max_per_tenant: NonZeroU64,
}

const fn mib(count: u64) -> NonZeroU64 {
    NonZeroU64::MIN.saturating_add((count << 20) - 1)
}

impl Default for AdmissionSection {
    fn default() -> Self {
        Self {
            running_max: None,
            queue_max: 1_024,
            queue_max_per_tenant: 256,
            queue_time_ms_max: NonZeroU64::MIN.saturating_add(999),
            host_calls_per_second: NonZeroU64::MIN.saturating_add(4_999),
            held_bytes_max: mib(256),
            held_bytes_max_per_tenant: mib(96),
        }
    }
}

impl Config {
    /// What admission is told.
    #[must_use]
    pub fn admission(&self) -> AdmissionConfig {
        let section = &self.admission;
        let quotas = |(name, tenant): (&TenantName, &TenantConfig)| {
            (tenant.quotas != TenantQuotas::default()).then(|| (name.clone(), tenant.quotas.clone()))
        };
        AdmissionConfig {
            running_max: section.running_max.unwrap_or(self.sandbox.instances_max),
            queue_max: section.queue_max,
            queue_max_per_tenant: section.queue_max_per_tenant,
            queue_time_max: Duration::from_millis(section.queue_time_ms_max.get()),
            host_calls_per_second: section.host_calls_per_second,
            tenants: self.limits.tenant.iter().filter_map(quotas).collect(),
        }
    }

    /// What may be held for clients.
    #[must_use]
    pub fn holdings(&self) -> HoldingsConfig {
        let AdmissionSection { held_bytes_max, held_bytes_max_per_tenant, .. } = &self.admission;
        HoldingsConfig { bytes_max: held_bytes_max.get(), bytes_max_per_tenant: held_bytes_max_per_tenant.get() }
    }

    /// Calls that the server takes in at once: as many as may run and wait, unless `[server] in_flight_max` says otherwise.
    #[must_use]
    pub fn in_flight_max(&self) -> NonZeroUsize {
        self.server.in_flight_max.unwrap_or_else(|| self.running_and_waiting_max())
    }

    /// Whether the server turns calls away that admission would have let wait.
    pub(crate) fn cuts_the_queue_short(&self) -> bool {
        self.in_flight_max() < self.running_and_waiting_max()
    }

    fn running_and_waiting_max(&self) -> NonZeroUsize {
        let AdmissionConfig { running_max, queue_max, .. } = self.admission();
        let sum = running_max.saturating_add(queue_max).get();
        usize::try_from(sum).ok().and_then(NonZeroUsize::new).unwrap_or(NonZeroUsize::MAX)
    }

    pub(super) fn check_admission(&self) -> Result<(), ConfigError> {
        let AdmissionSection {
            running_max,
            queue_max,
            queue_max_per_tenant,
            queue_time_ms_max,
            held_bytes_max,
            held_bytes_max_per_tenant,
            host_calls_per_second: _,
        } = &self.admission;
        let instances = self.sandbox.instances_max;
        if let Some(running) = running_max.filter(|running| *running > instances) {
            let message = format!(
                "{running} calls need as many instances, and `[sandbox] instances_max` is {instances}: raise that, or ask \
                 for less here"
            );
            return Err(ConfigError::value("admission.running_max", message));
        }
        if queue_max_per_tenant > queue_max {
            let message =
                format!("{queue_max_per_tenant} is more than `queue_max` ({queue_max}), which holds all tenants");
            return Err(ConfigError::value("admission.queue_max_per_tenant", message));
        }
        if queue_time_ms_max.get() > QUEUE_TIME_MS_MAX {
            let message = format!("{queue_time_ms_max} is more than {QUEUE_TIME_MS_MAX}: nobody waits that long");
            return Err(ConfigError::value("admission.queue_time_ms_max", message));
        }
        if held_bytes_max_per_tenant > held_bytes_max {
            let message = format!(
                "{held_bytes_max_per_tenant} is more than `held_bytes_max` ({held_bytes_max}), which holds all tenants"
            );
            return Err(ConfigError::value("admission.held_bytes_max_per_tenant", message));
        }
        self.limits.tenant.iter().try_for_each(|(name, tenant)| check_quotas(name, &tenant.quotas))
    }
}

fn check_quotas(tenant: &TenantName, quotas: &TenantQuotas) -> Result<(), ConfigError> {
    let key = |quota: Quota| format!("limits.tenant.{tenant}.{}", quota.name());
    if let Some(weight) = quotas.weight.filter(|weight| weight.get() > TenantQuotas::WEIGHT_MAX) {
        let message =
            format!("{weight} is more than {}: weights are relative, lower the others", TenantQuotas::WEIGHT_MAX);
        return Err(ConfigError::value(key(Quota::Weight), message));
    }
    if quotas.calls_burst.is_some() && quotas.calls_per_second.is_none() {
        let message = "there is no `calls_per_second` beside it, so it would bound nothing";
        return Err(ConfigError::value(key(Quota::CallsBurst), message));
    }
    Ok(())
}
