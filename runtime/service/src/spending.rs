//! What completions of language models took today, by app and in all: reserved before a request leaves, settled by what the
//! provider reports. The trail is the memory: at start the books are counted from it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use airlock_model::{AppName, EnvironmentName, ResourceName, Spending, Spent, TenantName};

use crate::clock;

const DAY_MS: u64 = 86_400_000;

/// The account of one app with one binding.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Payer {
    pub(crate) resource: ResourceName,
    pub(crate) environment: EnvironmentName,
    pub(crate) tenant: TenantName,
    pub(crate) app: AppName,
}

/// What may be taken in a day of UTC.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DayBudgets {
    /// By one app.
    pub(crate) app: Spent,
    /// By all together.
    pub(crate) all: Spent,
}

impl DayBudgets {
    /// Whether an amount fits beside what one app and all together took.
    fn cover(self, app: Spent, all: Spent, amount: Spent) -> Result<(), Exhausted> {
        check(("app_tokens_per_day", "app_cost_per_day"), app, amount, self.app)?;
        check(("tokens_per_day", "cost_per_day"), all, amount, self.all)
    }
}

/// A budget that does not cover a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exhausted {
    /// The key of the binding that sets it.
    pub(crate) key: &'static str,
    pub(crate) configured: u64,
    pub(crate) used: u64,
}

/// The books of this process. A reload does not touch them.
#[derive(Debug, Default)]
pub(crate) struct Books(Mutex<Today>);

#[derive(Debug, Default)]
struct Today {
    /// In days since the Unix epoch.
    day: u64,
    apps: HashMap<Payer, Spent>,
    all: HashMap<(ResourceName, EnvironmentName), Spent>,
}

impl Books {
    /// Whether an amount could be taken now. Takes nothing.
    pub(crate) fn afford(&self, payer: &Payer, amount: Spent, budgets: DayBudgets) -> Result<(), Exhausted> {
        let today = self.today();
        let app = today.apps.get(payer).copied().unwrap_or_default();
        let all = today.all.get(&(payer.resource.clone(), payer.environment.clone())).copied().unwrap_or_default();
        drop(today);
        budgets.cover(app, all, amount)
    }

    /// Takes an amount, or takes nothing and says which budget stood in the way.
    pub(crate) fn reserve(
        self: &Arc<Self>,
        payer: &Payer,
        amount: Spent,
        budgets: DayBudgets,
    ) -> Result<Reservation, Exhausted> {
        let mut today = self.today();
        let (app, all) = today.of(payer);
        budgets.cover(*app, *all, amount)?;
        (*app, *all) = (plus(*app, amount), plus(*all, amount));
        let day = today.day;
        drop(today);
        Ok(Reservation { books: Arc::clone(self), payer: payer.clone(), day, amount, is_sent: false })
    }

    /// Adds what the trail says was taken on this day before.
    pub(crate) fn add(&self, payer: &Payer, amount: Spent) {
        let mut today = self.today();
        let (app, all) = today.of(payer);
        (*app, *all) = (plus(*app, amount), plus(*all, amount));
    }

    /// What was reserved on a day becomes what was taken; of another day than today nothing is kept.
    fn replace(&self, payer: &Payer, day: u64, reserved: Spent, taken: Spent) {
        let mut today = self.today();
        if today.day == day {
            let (app, all) = today.of(payer);
            (*app, *all) = (plus(minus(*app, reserved), taken), plus(minus(*all, reserved), taken));
        }
    }

    fn today(&self) -> MutexGuard<'_, Today> {
        let mut today = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let day = clock::now_unix_ms() / DAY_MS;
        // A clock that is set back does not bring a day back.
        if day > today.day {
            *today = Today { day, ..Today::default() };
        }
        today
    }
}

impl Today {
    fn of(&mut self, payer: &Payer) -> (&mut Spent, &mut Spent) {
        let all = self.all.entry((payer.resource.clone(), payer.environment.clone())).or_default();
        (self.apps.entry(payer.clone()).or_default(), all)
    }
}

/// An amount that is taken until somebody says what it came to. Dropped before its request left, it was never taken;
/// afterwards it stays.
#[must_use]
#[derive(Debug)]
pub(crate) struct Reservation {
    books: Arc<Books>,
    payer: Payer,
    day: u64,
    amount: Spent,
    is_sent: bool,
}

impl Reservation {
    pub(crate) fn amount(&self) -> Spent {
        self.amount
    }

    /// From here on, nobody knows what it came to until somebody says so.
    pub(crate) fn sent(mut self) -> Self {
        self.is_sent = true;
        self
    }

    /// What it came to; `None` where nobody knows.
    pub(crate) fn settle(mut self, taken: Option<Spent>) -> Spending {
        self.is_sent = true;
        if let Some(taken) = taken {
            self.books.replace(&self.payer, self.day, self.amount, taken);
        }
        Spending { reserved: self.amount, settled: taken }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.is_sent {
            self.books.replace(&self.payer, self.day, self.amount, Spent::default());
        }
    }
}

fn check(keys: (&'static str, &'static str), taken: Spent, amount: Spent, budget: Spent) -> Result<(), Exhausted> {
    let total = plus(taken, amount);
    if total.tokens > budget.tokens {
        return Err(Exhausted { key: keys.0, configured: budget.tokens, used: total.tokens });
    }
    if total.cost_micros > budget.cost_micros {
        return Err(Exhausted { key: keys.1, configured: budget.cost_micros, used: total.cost_micros });
    }
    Ok(())
}

fn plus(one: Spent, other: Spent) -> Spent {
    Spent {
        tokens: one.tokens.saturating_add(other.tokens),
        cost_micros: one.cost_micros.saturating_add(other.cost_micros),
    }
}

fn minus(one: Spent, other: Spent) -> Spent {
    Spent {
        tokens: one.tokens.saturating_sub(other.tokens),
        cost_micros: one.cost_micros.saturating_sub(other.cost_micros),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_END: Spent = Spent { tokens: u64::MAX, cost_micros: u64::MAX };

    fn payer(app: &str) -> Payer {
        let name = |text: &str| text.parse().expect("a name");
        Payer {
            resource: name("model"),
            environment: "dev".parse().expect("a name"),
            tenant: "acme".parse().expect("a name"),
            app: app.parse().expect("a name"),
        }
    }

    fn spent(tokens: u64, cost_micros: u64) -> Spent {
        Spent { tokens, cost_micros }
    }

    #[test]
    fn what_is_reserved_is_taken_until_it_is_settled() {
        let books = Arc::new(Books::default());
        let budgets = DayBudgets { app: spent(100, 1_000), all: NO_END };
        let reserve = |tokens, cost| books.reserve(&payer("a"), spent(tokens, cost), budgets);
        let first = reserve(60, 10).expect("room");
        assert_eq!(
            reserve(41, 0).expect_err("full"),
            Exhausted { key: "app_tokens_per_day", configured: 100, used: 101 }
        );
        let _ = first.sent().settle(Some(spent(20, 10)));
        let second = reserve(80, 0).expect("what was not needed came back");
        drop(second);
        let third = reserve(80, 0).expect("what never left was never taken");
        drop(third.sent());
        assert!(reserve(1, 0).is_err(), "what left stays taken");
        assert_eq!(reserve(0, 991).expect_err("dear").key, "app_cost_per_day");
    }

    #[test]
    fn apps_have_their_own_and_share_the_whole() {
        let books = Arc::new(Books::default());
        let budgets = DayBudgets { app: spent(100, u64::MAX), all: spent(150, u64::MAX) };
        drop(books.reserve(&payer("a"), spent(100, 0), budgets).expect("room").sent());
        assert_eq!(books.reserve(&payer("b"), spent(51, 0), budgets).expect_err("full").key, "tokens_per_day");
        let _ = books.reserve(&payer("b"), spent(50, 0), budgets).expect("room").settle(None);
        books.add(&payer("c"), spent(1, 0));
        assert!(books.reserve(&payer("c"), spent(1, 0), budgets).is_err());
    }
}
