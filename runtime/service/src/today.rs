//! What tenants with daily budgets took today before this process started: budgets outlive restarts.

use airlock_access::DayUsage;
use airlock_store::{CompletionPayer, StoreError};

use crate::{App, clock, spending::Payer};

const DAY_MS: u64 = 86_400_000;

impl App {
    /// Counts what completions took today from the trail. Nothing to do when no binding has a daily budget.
    pub(crate) async fn count_spending(&self) -> Result<(), StoreError> {
        if !self.settings().has_daily_spending() {
            return Ok(());
        }
        let now = clock::now_unix_ms();
        for (payer, spent) in self.backends.store.completions_since(now - now % DAY_MS).await? {
            let CompletionPayer { resource, environment, tenant, app } = payer;
            self.backends.books.add(&Payer { resource, environment, tenant, app }, spent);
        }
        Ok(())
    }

    /// Counts today's calls from the trail. Nothing to do when no tenant has a daily budget.
    pub(crate) async fn count_today(&self) -> Result<(), StoreError> {
        if !self.settings().has_daily_budgets() {
            return Ok(());
        }
        let now = clock::now_unix_ms();
        for (tenant, spent) in self.backends.store.spent_since(now - now % DAY_MS).await? {
            self.admission.add_today(&tenant, DayUsage { calls: spent.calls, fuel: spent.fuel });
        }
        Ok(())
    }
}
