//! What tenants may take over time: rates and daily budgets.

use std::{collections::HashMap, time::Duration};

use airlock_model::{Quota, TenantName, TenantQuotas};

use super::{
    AdmissionConfig, DayUsage, Moment,
    busy::{Bound, Busy},
    pace::interval,
};

const DAY_MS: u64 = 86_400_000;

/// The tenants for which the operator set quotas.
#[derive(Default)]
pub(super) struct Quotas(HashMap<TenantName, Account>);

/// What one tenant may take and has taken.
#[derive(Default)]
struct Account {
    quotas: TenantQuotas,
    /// When the tenant's calls would be evenly spread again (the theoretical arrival time of the GCRA, ITU-T I.371).
    even_at: Duration,
    /// The day of UTC that `today` is about, in days since the Unix epoch.
    day: u64,
    today: DayUsage,
    /// Estimated fuel of calls that have not ended.
    fuel_expected: u64,
}

impl Quotas {
    /// Takes what the operator says now; what tenants have taken stays.
    pub(super) fn replace(&mut self, config: &AdmissionConfig) {
        self.0.retain(|tenant, _| config.tenants.contains_key(tenant));
        for (tenant, quotas) in &config.tenants {
            self.0.entry(tenant.clone()).or_default().quotas = quotas.clone();
        }
    }

    pub(super) fn weight(&self, tenant: &TenantName) -> u32 {
        self.0.get(tenant).map_or(1, |account| account.quotas.weight().get())
    }

    /// Whether the tenant may take one more call now. Takes nothing.
    pub(super) fn check(&mut self, tenant: &TenantName, now: Moment) -> Result<(), Busy> {
        self.0.get_mut(tenant).map_or(Ok(()), |account| account.check(now))
    }

    /// Takes one call that is expected to spend that much fuel.
    pub(super) fn take(&mut self, tenant: &TenantName, fuel: u64, now: Moment) {
        if let Some(account) = self.0.get_mut(tenant) {
            account.take(fuel, now);
        }
    }

    /// The call ended, having spent `fuel`.
    pub(super) fn settle(&mut self, tenant: &TenantName, expected: u64, fuel: u64, now: Moment) {
        if let Some(account) = self.0.get_mut(tenant) {
            account.turn_to(now);
            account.fuel_expected = account.fuel_expected.saturating_sub(expected);
            account.today.fuel = account.today.fuel.saturating_add(fuel);
        }
    }

    /// The call never ran.
    pub(super) fn give_back(&mut self, tenant: &TenantName, expected: u64) {
        if let Some(account) = self.0.get_mut(tenant) {
            account.fuel_expected = account.fuel_expected.saturating_sub(expected);
            account.today.calls = account.today.calls.saturating_sub(1);
        }
    }

    /// Adds what the trail says was taken on this day before.
    pub(super) fn add_today(&mut self, tenant: &TenantName, usage: DayUsage, now: Moment) {
        if let Some(account) = self.0.get_mut(tenant) {
            account.turn_to(now);
            account.today.calls = account.today.calls.saturating_add(usage.calls);
            account.today.fuel = account.today.fuel.saturating_add(usage.fuel);
        }
    }

    pub(super) fn today(&self, tenant: &TenantName) -> Option<DayUsage> {
        self.0.get(tenant).map(|account| account.today)
    }
}

impl Account {
    fn check(&mut self, now: Moment) -> Result<(), Busy> {
        self.turn_to(now);
        let TenantQuotas { calls_per_day, fuel_per_day, .. } = self.quotas;
        let spent = |quota, configured, used| {
            Err(Busy::until(Bound::Budget { quota, configured, used }, left_of_day(now.unix_ms)))
        };
        if let Some(most) = calls_per_day.map(u64::from)
            && self.today.calls >= most
        {
            return spent(Quota::CallsPerDay, most, self.today.calls.saturating_add(1));
        }
        let fuel = self.today.fuel.saturating_add(self.fuel_expected);
        if let Some(most) = fuel_per_day.map(u64::from)
            && fuel >= most
        {
            return spent(Quota::FuelPerDay, most, fuel);
        }
        self.check_rate(now)
    }

    fn check_rate(&self, now: Moment) -> Result<(), Busy> {
        let Some((interval, tolerance)) = self.pace() else { return Ok(()) };
        let Some(early) = self.even_at.saturating_sub(tolerance).checked_sub(now.at).filter(|early| !early.is_zero())
        else {
            return Ok(());
        };
        let configured = self.quotas.calls_per_second.map_or(0, u64::from);
        // How many calls a second it would be if this one were taken too.
        let ahead = self.even_at.saturating_sub(now.at).saturating_add(interval);
        let used = ahead.as_nanos().div_ceil(interval.as_nanos().max(1));
        let bound = Bound::Rate { configured, burst: self.burst(), used: u64::try_from(used).unwrap_or(u64::MAX) };
        Err(Busy::until(bound, early))
    }

    fn take(&mut self, fuel: u64, now: Moment) {
        self.turn_to(now);
        self.today.calls = self.today.calls.saturating_add(1);
        self.fuel_expected = self.fuel_expected.saturating_add(fuel);
        if let Some((interval, _)) = self.pace() {
            self.even_at = self.even_at.max(now.at).saturating_add(interval);
        }
    }

    /// The time between two calls, and how much earlier than even calls may come.
    fn pace(&self) -> Option<(Duration, Duration)> {
        let interval = interval(self.quotas.calls_per_second?);
        let more = u32::try_from(self.burst().saturating_sub(1)).unwrap_or(u32::MAX);
        Some((interval, interval.saturating_mul(more)))
    }

    fn burst(&self) -> u64 {
        self.quotas.calls_burst.or(self.quotas.calls_per_second).map_or(1, u64::from)
    }

    /// A new day starts with nothing taken. A clock that is set back does not bring a day back.
    fn turn_to(&mut self, now: Moment) {
        let day = now.unix_ms / DAY_MS;
        if day > self.day {
            self.day = day;
            self.today = DayUsage::default();
        }
    }
}

/// Until midnight, UTC.
fn left_of_day(unix_ms: u64) -> Duration {
    Duration::from_millis(DAY_MS.saturating_sub(unix_ms % DAY_MS))
}

#[cfg(test)]
mod tests;
