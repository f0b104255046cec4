use std::num::{NonZeroU32, NonZeroU64};

use proptest::prelude::*;

use super::*;

fn account(per_second: u64, burst: u64) -> Account {
    let quotas = TenantQuotas {
        calls_per_second: NonZeroU64::new(per_second),
        calls_burst: NonZeroU64::new(burst),
        ..TenantQuotas::default()
    };
    Account { quotas, ..Account::default() }
}

fn at(micros: u64) -> Moment {
    Moment { at: Duration::from_micros(micros), unix_ms: micros / 1_000 }
}

proptest! {
    #[test]
    fn in_no_interval_is_more_taken_than_burst_and_pace(
        per_second in 1..2_000u64, burst in 1..50u64, pauses in prop::collection::vec(0..20_000u64, 1..400),
    ) {
        let mut account = account(per_second, burst);
        let (mut now, mut taken) = (0, Vec::new());
        for pause in pauses {
            now += pause;
            if account.check(at(now)).is_ok() {
                account.take(0, at(now));
                taken.push(now);
            }
        }
        for (first, from) in taken.iter().enumerate() {
            for (count, to) in taken[first..].iter().enumerate() {
                let most = burst as f64 + (to - from) as f64 * per_second as f64 / 1e6;
                prop_assert!((count + 1) as f64 <= most + 1e-3, "{} in {} us", count + 1, to - from);
            }
        }
    }

    #[test]
    fn who_comes_back_when_told_is_let_in(per_second in 1..2_000u64, burst in 1..50u64) {
        let mut account = account(per_second, burst);
        for _ in 0..burst {
            prop_assert!(account.check(at(0)).is_ok());
            account.take(0, at(0));
        }
        let busy = account.check(at(0)).unwrap_err();
        let again = Moment { at: busy.wait, unix_ms: 0 };
        prop_assert!(account.check(again).is_ok());
    }
}

#[test]
fn a_clock_that_is_set_back_does_not_bring_a_spent_day_back() {
    let quotas = TenantQuotas { calls_per_day: NonZeroU64::new(1), ..TenantQuotas::default() };
    let mut account = Account { quotas, ..Account::default() };
    let day = |day: u64| Moment { at: Duration::ZERO, unix_ms: day * DAY_MS + 5 };
    account.take(0, day(20_000));
    assert!(account.check(day(20_000)).is_err() && account.check(day(19_999)).is_err());
    assert!(account.check(day(20_001)).is_ok());
}

#[test]
fn what_was_taken_outlives_a_change_of_the_quotas() {
    let tenant: TenantName = "acme".parse().unwrap();
    let config = |calls| AdmissionConfig {
        running_max: NonZeroU32::MIN,
        queue_max: 0,
        queue_max_per_tenant: 0,
        queue_time_max: Duration::ZERO,
        host_calls_per_second: NonZeroU64::MAX,
        tenants: [(tenant.clone(), TenantQuotas { calls_per_day: NonZeroU64::new(calls), ..TenantQuotas::default() })]
            .into(),
    };
    let mut quotas = Quotas::default();
    quotas.replace(&config(9));
    (0..5).for_each(|_| quotas.take(&tenant, 0, at(0)));
    quotas.replace(&config(5));
    assert!(quotas.check(&tenant, at(0)).is_err());
    quotas.replace(&config(6));
    assert!(quotas.check(&tenant, at(0)).is_ok());
    assert_eq!(quotas.today(&tenant), Some(DayUsage { calls: 5, fuel: 0 }));
}
