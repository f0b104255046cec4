//! Calls that have to wait: in turn, in time, and gone when their caller is.

use std::{
    future::Future,
    num::NonZeroU32,
    pin::Pin,
    task::{Context, Poll},
};

use airlock_model::{Quota, TenantQuotas};

use super::{
    desk::{Bell, poll},
    *,
};

type Call<'a> = Pin<Box<dyn Future<Output = Result<Admitted, Failure>> + Send + 'a>>;

fn one_place() -> AdmissionConfig {
    AdmissionConfig { running_max: NonZeroU32::MIN, ..config() }
}

fn call<'a>(admission: &'a Admission, token: &VerifiedToken, authorities: &'a Authorities) -> Call<'a> {
    Box::pin(admission.admit(authorized(token), authorities.terms()))
}

/// A call that has been found to wait.
fn waiting<'a>(admission: &'a Admission, token: &VerifiedToken, authorities: &'a Authorities) -> Call<'a> {
    let mut call = call(admission, token, authorities);
    assert!(poll(call.as_mut()).is_pending(), "there was a place");
    call
}

fn ended(call: &mut Call<'_>) -> Result<Admitted, Failure> {
    match poll(call.as_mut()) {
        Poll::Ready(ended) => ended,
        Poll::Pending => panic!("still waiting"),
    }
}

#[test]
fn a_call_waits_for_its_turn_is_woken_and_says_how_long_it_waited() {
    let (desk, authorities, token) = (Desk::with(one_place()), Authorities::with_in_flight(9), token_of("acme"));
    let held = admit(&desk.admission, &token, authorities.terms()).unwrap();
    let bell = Arc::new(Bell::default());
    let waker = Arc::clone(&bell).into();
    let mut second = call(&desk.admission, &token, &authorities);
    assert!(second.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!((desk.admission.running(), desk.admission.queued(), bell.rung()), (1, 1, 0));
    desk.clock.advance(Duration::from_millis(30));
    drop(held);
    assert_eq!((desk.admission.queued(), bell.rung()), (0, 1));
    let admitted = ended(&mut second).unwrap();
    assert_eq!(admitted.waited(), Duration::from_millis(30));
    drop((second, admitted));
    assert!(desk.admission.shared.lock().is_empty());
}

#[test]
fn a_call_at_its_tenants_cap_waits_for_its_tenant_alone() {
    let (desk, authorities) = (Desk::with(config()), Authorities::with_in_flight(1));
    let (acme, globex) = (token_of("acme"), token_of("globex"));
    let held = admit(&desk.admission, &acme, authorities.terms()).unwrap();
    let mut second = waiting(&desk.admission, &acme, &authorities);
    let other = admit(&desk.admission, &globex, authorities.terms()).unwrap();
    drop(other);
    assert!(poll(second.as_mut()).is_pending(), "the cap is the tenant's own");
    drop(held);
    assert!(ended(&mut second).is_ok());
}

#[test]
fn a_call_with_a_narrow_cap_holds_up_nobody_else_of_its_tenant() {
    let (desk, wide) = (Desk::with(one_place()), Authorities::with_in_flight(9));
    let narrow = Authorities { caller: caps(json!({"in_flight": 1})), ..Authorities::with_in_flight(9) };
    let subject = |name| Fixture::new().verified(&claims_but(json!({"sub": name, "jti": name})));
    let (ada, bob) = (subject("ada"), subject("bob"));
    let held = admit(&desk.admission, &ada, wide.terms()).unwrap();
    let mut second = waiting(&desk.admission, &ada, &narrow);
    let mut third = waiting(&desk.admission, &bob, &wide);
    desk.admission.reconfigure(config());
    assert!(poll(second.as_mut()).is_pending(), "one of the tenant is running");
    assert!(ended(&mut third).is_ok());
    drop((held, third));
    assert!(ended(&mut second).is_ok());
}

#[test]
fn whose_time_in_the_queue_is_over_is_told_what_stood_in_the_way() {
    let (desk, authorities) = (Desk::with(one_place()), Authorities::with_in_flight(9));
    let (acme, globex) = (token_of("acme"), token_of("globex"));
    let _held = admit(&desk.admission, &acme, authorities.terms()).unwrap();
    let mut call = waiting(&desk.admission, &globex, &authorities);
    desk.clock.advance(Duration::from_millis(1_000));
    let failure = ended(&mut call).err().unwrap();
    assert_eq!(failure.reason, Reason::Overloaded);
    assert_eq!(failure.limit.as_ref().unwrap().limit.name(), "queue_time_ms_max");
    assert!(failure.retry_after.is_some() && desk.admission.queued() == 0);
}

#[test]
fn a_deadline_that_passes_in_the_queue_names_the_time_in_it() {
    let (desk, wide) = (Desk::with(one_place()), Authorities::with_in_flight(9));
    let hurried = Authorities { caller: caps(json!({"wall_time_ms": 200})), ..Authorities::with_in_flight(9) };
    let token = token_of("acme");
    let _held = admit(&desk.admission, &token, wide.terms()).unwrap();
    let mut call = waiting(&desk.admission, &token, &hurried);
    desk.clock.advance(Duration::from_millis(199));
    assert!(poll(call.as_mut()).is_pending());
    desk.clock.advance(Duration::from_millis(1));
    let failure = ended(&mut call).err().unwrap();
    assert_eq!(failure.reason, Reason::TimeExhausted);
    assert!(failure.message.contains("200 ms, waiting in the queue"), "{failure}");
    let report = failure.limit.unwrap();
    assert_eq!((report.configured, report.used, report.source), (200, 200, LimitSource::Caller));
}

#[test]
fn the_queue_is_bounded_for_a_principal_a_tenant_and_all() {
    let (desk, authorities) = (Desk::with(one_place()), Authorities::with_in_flight(99));
    let _held = admit(&desk.admission, &token_of("acme"), authorities.terms()).unwrap();
    let (mut calls, mut refused) = (Vec::new(), Vec::new());
    for tenant in ["acme", "globex", "initech", "umbrella"] {
        for _ in 0..20 {
            let mut one = call(&desk.admission, &token_of(tenant), &authorities);
            match poll(one.as_mut()) {
                Poll::Ready(ended) => refused.push((tenant, ended.err().unwrap())),
                Poll::Pending => calls.push(one),
            }
        }
        assert!(desk.admission.queued() <= 16);
    }
    let first_of = |tenant| refused.iter().find(|(name, _)| *name == tenant).unwrap().1.clone();
    let acme = first_of("acme");
    assert_eq!((acme.reason, acme.limit.unwrap().limit.name()), (Reason::TenantBusy, "queue_max_per_tenant"));
    let last = first_of("umbrella");
    assert_eq!((last.reason, last.limit.unwrap().limit.name()), (Reason::Overloaded, "queue_max"));
    assert!(refused.iter().all(|(_, failure)| failure.retry_after.is_some()));
    let in_queue = |tenant: &str| 20 - refused.iter().filter(|(name, _)| *name == tenant).count();
    assert_eq!((in_queue("acme"), in_queue("globex")), (4, 4), "one principal gets half of its tenant's queue");
    assert!(in_queue("umbrella") > 0, "there is room left for whoever comes last");
}

#[test]
fn a_turn_that_would_come_too_late_is_refused_at_once() {
    let (desk, authorities, token) = (Desk::with(one_place()), Authorities::with_in_flight(9), token_of("acme"));
    let held = admit(&desk.admission, &token, authorities.terms()).unwrap();
    desk.clock.advance(Duration::from_millis(400));
    drop(held);
    let _running = admit(&desk.admission, &token, authorities.terms()).unwrap();
    let _first = waiting(&desk.admission, &token, &authorities);
    let _second = waiting(&desk.admission, &token, &authorities);
    let late = admit(&desk.admission, &token, authorities.terms()).err().unwrap();
    assert_eq!((late.reason, late.limit.as_ref().unwrap().limit.name()), (Reason::Overloaded, "queue_time_ms_max"));
    let delay = late.retry_after.unwrap();
    assert!((Duration::from_millis(600)..Duration::from_millis(1_800)).contains(&delay), "about 1.2 s: {delay:?}");
    let hurried = Authorities { caller: caps(json!({"wall_time_ms": 300})), ..Authorities::with_in_flight(9) };
    let late = admit(&desk.admission, &token_of("globex"), hurried.terms()).err().unwrap();
    assert_eq!(late.reason, Reason::Overloaded);
    assert_eq!(late.limit.unwrap().source, LimitSource::Caller);
}

#[test]
fn a_caller_that_goes_away_leaves_the_queue_and_its_turn() {
    let (desk, authorities, token) = (Desk::with(one_place()), Authorities::with_in_flight(9), token_of("acme"));
    let held = admit(&desk.admission, &token, authorities.terms()).unwrap();
    let gone = waiting(&desk.admission, &token, &authorities);
    let given = waiting(&desk.admission, &token, &authorities);
    let mut last = waiting(&desk.admission, &token, &authorities);
    drop(gone);
    assert_eq!(desk.admission.queued(), 2);
    drop(held);
    // It was given the place and never looked.
    assert_eq!((desk.admission.running(), desk.admission.queued()), (1, 1));
    drop(given);
    assert!(ended(&mut last).is_ok());
    drop(last);
    assert!(desk.admission.shared.lock().is_empty());
}

#[test]
fn new_numbers_hold_at_once_and_what_runs_goes_on() {
    let (desk, authorities, token) = (Desk::with(one_place()), Authorities::with_in_flight(9), token_of("acme"));
    let mut running = vec![admit(&desk.admission, &token, authorities.terms()).unwrap()];
    let mut second = waiting(&desk.admission, &token, &authorities);
    desk.admission.reconfigure(AdmissionConfig { running_max: NonZeroU32::new(3).unwrap(), ..config() });
    running.push(ended(&mut second).unwrap());
    running.push(admit(&desk.admission, &token, authorities.terms()).unwrap());
    let tenants = [("acme".parse().unwrap(), quotas(&[(Quota::CallsPerDay, 1)]))].into();
    desk.admission.reconfigure(AdmissionConfig { running_max: NonZeroU32::MIN, tenants, ..config() });
    assert_eq!(desk.admission.running(), 3, "no call is stopped");
    let _waiting = waiting(&desk.admission, &token, &authorities);
    let failure = admit(&desk.admission, &token, authorities.terms()).err().unwrap();
    assert_eq!(failure.reason, Reason::TenantBudgetExhausted);
}

fn quotas(values: &[(Quota, u64)]) -> TenantQuotas {
    let mut quotas = TenantQuotas::default();
    for (quota, value) in values {
        quotas.set(*quota, NonZeroU64::new(*value).unwrap());
    }
    quotas
}

fn desk_with(values: &[(Quota, u64)]) -> Desk {
    Desk::with(AdmissionConfig { tenants: [("acme".parse().unwrap(), quotas(values))].into(), ..config() })
}

#[test]
fn a_tenant_that_calls_too_often_is_told_when_it_may_again_and_others_are_not_bound() {
    let desk = desk_with(&[(Quota::CallsPerSecond, 10), (Quota::CallsBurst, 2)]);
    let (authorities, token) = (Authorities::with_in_flight(99), token_of("acme"));
    let take = || admit(&desk.admission, &token, authorities.terms()).map(drop);
    assert!(take().is_ok() && take().is_ok());
    let failure = take().unwrap_err();
    let report = failure.limit.as_deref().unwrap();
    assert_eq!((failure.reason, report.limit.name()), (Reason::TenantRateExceeded, "calls_per_second"));
    assert_eq!((report.configured, report.source), (10, LimitSource::Tenant));
    let after = failure.retry_after.unwrap();
    assert!((Duration::from_millis(100)..=Duration::from_millis(110)).contains(&after), "{after:?}");
    for _ in 0..20 {
        assert!(admit(&desk.admission, &token_of("globex"), authorities.terms()).is_ok());
    }
    desk.clock.advance(after);
    assert!(take().is_ok(), "who comes back when told is let in");
    assert!(take().is_err());
}

#[test]
fn a_day_is_spent_by_every_call_that_began_and_starts_anew_at_midnight() {
    let desk = desk_with(&[(Quota::CallsPerDay, 3)]);
    let (authorities, token) = (Authorities::with_in_flight(99), token_of("acme"));
    desk.admission.add_today(&token.principal().tenant, DayUsage { calls: 1, fuel: 0 });
    let take = || admit(&desk.admission, &token, authorities.terms());
    take().unwrap().settle(5);
    drop(take().unwrap());
    let failure = take().err().unwrap();
    let report = failure.limit.as_deref().unwrap();
    assert_eq!((failure.reason, report.limit.name()), (Reason::TenantBudgetExhausted, "calls_per_day"));
    assert_eq!((report.configured, report.used), (3, 4));
    let after = failure.retry_after.unwrap();
    let half_a_day = Duration::from_secs(43_200);
    assert!((half_a_day..half_a_day + Duration::from_secs(11)).contains(&after), "{after:?}");
    desk.clock.advance(half_a_day - Duration::from_millis(1));
    assert!(take().is_err());
    desk.clock.advance(Duration::from_millis(1));
    assert!(take().is_ok());
}

#[test]
fn fuel_is_counted_as_spent_or_by_the_time_of_a_call_that_went_away() {
    let desk = desk_with(&[(Quota::FuelPerDay, 20_000_000)]);
    let (authorities, token) = (Authorities::with_in_flight(99), token_of("acme"));
    let take = || admit(&desk.admission, &token, authorities.terms());
    let spent = || desk.admission.today(&token.principal().tenant).unwrap();
    let known = take().unwrap();
    known.settle(9_000_000);
    drop(known);
    assert_eq!(spent(), DayUsage { calls: 1, fuel: 9_000_000 });
    let gone = take().unwrap();
    desk.clock.advance(Duration::from_millis(2));
    drop(gone);
    assert_eq!(spent(), DayUsage { calls: 2, fuel: 23_000_000 }, "2 ms are at most 14 million");
    let failure = take().err().unwrap();
    assert_eq!(failure.limit.unwrap().limit.name(), "fuel_per_day");
    assert_eq!(spent().calls, 2, "a refused call is not counted");
}

#[test]
fn a_call_that_never_ran_is_not_counted() {
    let tenants = [("acme".parse().unwrap(), quotas(&[(Quota::CallsPerDay, 9)]))].into();
    let desk = Desk::with(AdmissionConfig { tenants, ..one_place() });
    let (authorities, token) = (Authorities::with_in_flight(99), token_of("acme"));
    let held = admit(&desk.admission, &token, authorities.terms()).unwrap();
    let (gone, given) =
        (waiting(&desk.admission, &token, &authorities), waiting(&desk.admission, &token, &authorities));
    assert_eq!(desk.admission.today(&token.principal().tenant).unwrap().calls, 3);
    drop(gone);
    drop(held);
    drop(given);
    assert_eq!(desk.admission.today(&token.principal().tenant).unwrap().calls, 1);
}

/// What a test does next.
#[derive(Debug, Clone)]
enum Step {
    Ask { tenant: usize, in_flight: u64 },
    Poll(usize),
    Drop(usize),
    End { call: usize, fuel: u64 },
    Pass { ms: u64 },
    Reconfigure { running: u32, queue: u32 },
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3usize, 1..6u64).prop_map(|(tenant, in_flight)| Step::Ask { tenant, in_flight }),
        3 => (0..64usize).prop_map(Step::Poll),
        2 => (0..64usize).prop_map(Step::Drop),
        3 => (0..64usize, 0..10_000_000u64).prop_map(|(call, fuel)| Step::End { call, fuel }),
        1 => (0..700u64).prop_map(|ms| Step::Pass { ms }),
        1 => (1..6u32, 0..20u32).prop_map(|(running, queue)| Step::Reconfigure { running, queue }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn nothing_leaks_whatever_is_dropped_when(steps in prop::collection::vec(any_step(), 1..200)) {
        let tokens = ["acme", "globex", "initech"].map(token_of);
        let authorities: Vec<_> = (0..6).map(|cap| Authorities::with_in_flight(cap.max(1))).collect();
        let desk = Desk::with(config());
        let (mut waiting, mut running): (Vec<Call<'_>>, Vec<Admitted>) = (Vec::new(), Vec::new());
        let mut most = 4;
        for step in steps {
            match step {
                Step::Ask { tenant, in_flight } => {
                    let mut call = call(&desk.admission, &tokens[tenant], &authorities[in_flight as usize]);
                    match poll(call.as_mut()) {
                        Poll::Ready(ended) => running.extend(ended),
                        Poll::Pending => waiting.push(call),
                    }
                }
                Step::Poll(at) if at < waiting.len() => {
                    if let Poll::Ready(ended) = poll(waiting[at].as_mut()) {
                        drop(waiting.swap_remove(at));
                        running.extend(ended);
                    }
                }
                Step::Drop(at) if at < waiting.len() => drop(waiting.swap_remove(at)),
                Step::End { call, fuel } if call < running.len() => running.swap_remove(call).settle(fuel),
                Step::Pass { ms } => desk.clock.advance(Duration::from_millis(ms)),
                Step::Reconfigure { running, queue } => {
                    most = most.max(running);
                    desk.admission.reconfigure(AdmissionConfig {
                        running_max: NonZeroU32::new(running).unwrap(), queue_max: queue, ..config()
                    });
                }
                Step::Poll(_) | Step::Drop(_) | Step::End { .. } => {}
            }
            prop_assert!(desk.admission.running() <= most);
            prop_assert!(running.len() <= desk.admission.running() as usize);
            prop_assert!(desk.admission.queued() as usize <= waiting.len());
        }
        drop((waiting, running));
        prop_assert!(desk.admission.shared.lock().is_empty());
    }
}
