//! What admission is told by the operator, and the clock it is given.

use std::{
    collections::BTreeMap,
    future::Future,
    num::{NonZeroU32, NonZeroU64},
    pin::Pin,
    time::Duration,
};

use airlock_model::{TenantName, TenantQuotas};

/// How much runs, how much waits, and what tenants may take. Can be replaced while calls run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdmissionConfig {
    /// Calls that run at once. No more than there are instances, so that the pool is never empty.
    pub running_max: NonZeroU32,
    /// Calls that wait at once. One tenant gets half of what is left, so that others always find a place.
    pub queue_max: u32,
    /// Calls of one tenant that wait at once. One principal gets half of what is left.
    pub queue_max_per_tenant: u32,
    /// How long a call waits at most.
    pub queue_time_max: Duration,
    /// Host calls of one tenant's guests in a second, unless its quotas say otherwise.
    pub host_calls_per_second: NonZeroU64,
    /// Quotas of the tenants that have any.
    pub tenants: BTreeMap<TenantName, TenantQuotas>,
}

/// What a tenant took on one day of UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DayUsage {
    /// Calls that began, however they ended.
    pub calls: u64,
    /// Fuel they spent.
    pub fuel: u64,
}

/// A future that ends after a while.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The time, as admission is given it.
pub trait Clock: Send + Sync + 'static {
    /// Time since a fixed moment. Never goes back.
    fn monotonic(&self) -> Duration;

    /// Milliseconds since the Unix epoch.
    fn unix_ms(&self) -> u64;

    /// Ends after that time. Asked for only by calls that have to wait.
    fn sleep(&self, time: Duration) -> Sleep;
}

/// One reading of the clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) at: Duration,
    pub(super) unix_ms: u64,
}

impl Moment {
    pub(super) fn now(clock: &dyn Clock) -> Self {
        Self { at: clock.monotonic(), unix_ms: clock.unix_ms() }
    }
}
