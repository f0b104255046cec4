use airlock_model::Limits;

use super::*;

fn refusal(bound: Bound, wait_ms: u64, jitter: u64) -> Failure {
    let limits = EffectiveLimits::new(Limits::BUILT_IN);
    Busy::until(bound, Duration::from_millis(wait_ms)).refusal(&limits, Jitter(jitter))
}

fn any_bound() -> [Bound; 7] {
    [
        Bound::InFlight { running: 256, queued: 9 },
        Bound::TenantQueue { configured: 8, used: 8 },
        Bound::Queue { configured: 8, used: 8 },
        Bound::QueueTime { configured: Duration::from_secs(1) },
        Bound::Deadline,
        Bound::Rate { configured: 5, burst: 9, used: 10 },
        Bound::Budget { quota: Quota::FuelPerDay, configured: 5, used: 9 },
    ]
}

#[test]
fn every_refusal_says_which_bound_its_value_its_source_what_to_do_and_when() {
    for bound in any_bound() {
        let failure = refusal(bound, 5_000, 3);
        let report = failure.limit.as_deref().unwrap();
        assert!(report.configured > 0 && report.used > 0, "{failure:?}");
        assert!(failure.message.contains(&report.configured.to_string()), "{failure:?}");
        assert!(!failure.hint.is_empty() && failure.retry_after.is_some() && !failure.message.ends_with('.'));
        assert!(failure.hint.contains("[") || failure.hint.contains("try again"), "{failure:?}");
    }
}

#[test]
fn who_was_shed_is_told_to_come_back_when_its_turn_would_have_come_but_not_all_at_once() {
    let mut delays = std::collections::BTreeSet::new();
    for jitter in 0..1_000 {
        let after = refusal(Bound::Queue { configured: 1, used: 1 }, 400, jitter * 7_919).retry_after.unwrap();
        assert!((Duration::from_millis(200)..Duration::from_millis(600)).contains(&after), "{after:?}");
        delays.insert(after);
    }
    assert!(delays.len() > 500, "{}", delays.len());
    let (least, most) = (refusal(Bound::Deadline, 0, 0), refusal(Bound::Deadline, u64::MAX / 2, 999));
    assert!(
        least.retry_after.unwrap() >= Duration::from_millis(10) && most.retry_after.unwrap() < Duration::from_secs(46)
    );
}

#[test]
fn a_quota_is_never_said_to_be_free_earlier_than_it_is() {
    for jitter in 0..1_000 {
        let budget = Bound::Budget { quota: Quota::CallsPerDay, configured: 1, used: 2 };
        let after = refusal(budget, 3_600_000, jitter).retry_after.unwrap();
        assert!((3_600.0..3_611.0).contains(&after.as_secs_f64()), "{after:?}");
    }
}
