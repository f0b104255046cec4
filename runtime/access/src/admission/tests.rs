pub(super) mod desk;
mod waiting;

use std::{
    num::{NonZeroU32, NonZeroU64},
    sync::Barrier,
    thread,
};

use airlock_model::{Access, Layer, Reason};
use proptest::prelude::*;
use serde_json::{Value, json};

use self::desk::{Desk, at_once, config};
use super::*;
use crate::{
    authorize_invoke,
    fixture::{Fixture, claims_but},
};

/// An admission that lets nobody wait.
fn without_queue() -> Admission {
    let running_max = NonZeroU32::new(100).unwrap();
    Desk::with(AdmissionConfig { running_max, queue_max: 0, queue_max_per_tenant: 0, ..config() }).admission
}

fn admit(admission: &Admission, token: &VerifiedToken, terms: Terms<'_>) -> Result<Admitted, Failure> {
    at_once(admission.admit(authorized(token), terms))
}

/// Everything that terms borrow.
struct Authorities {
    operator: Limits,
    tenant: LimitCaps,
    environment: LimitCaps,
    function: LimitCaps,
    caller: LimitCaps,
    places: LimitPlaces,
    grants: Arc<[Grant]>,
    none: Arc<[Grant]>,
}

impl Authorities {
    fn with_in_flight(in_flight: u64) -> Self {
        Self {
            operator: Limits::BUILT_IN,
            tenant: caps(json!({"in_flight": in_flight})),
            environment: LimitCaps::default(),
            function: LimitCaps::default(),
            caller: LimitCaps::default(),
            places: LimitPlaces::default(),
            grants: ["orders-db:read".parse().unwrap()].into(),
            none: [].into(),
        }
    }

    fn terms(&self) -> Terms<'_> {
        Terms {
            operator: &self.operator,
            tenant: &self.tenant,
            environment: &self.environment,
            function: &self.function,
            caller: &self.caller,
            places: &self.places,
            manifest_grants: &self.grants,
            environment_grants: &self.grants,
        }
    }
}

fn caps(value: Value) -> LimitCaps {
    serde_json::from_value(value).unwrap()
}

fn authorized(token: &VerifiedToken) -> Authorized<Invoke> {
    authorize_invoke(token, "order-summary".parse().unwrap(), "dev".parse().unwrap()).unwrap()
}

fn token_of(tenant: &str) -> VerifiedToken {
    Fixture::new().verified(&claims_but(json!({"tenant": tenant, "jti": format!("jti-of-{tenant}")})))
}

#[test]
fn an_admitted_call_carries_who_what_where_and_what_it_may_do() {
    let authorities = Authorities::with_in_flight(1);
    let admitted = admit(&without_queue(), &token_of("acme"), authorities.terms()).unwrap();
    assert_eq!((admitted.principal().tenant.as_str(), &**admitted.token().token_id()), ("acme", "jti-of-acme"));
    assert_eq!((admitted.function().as_str(), admitted.environment().as_str()), ("order-summary", "dev"));
    let db = "orders-db".parse().unwrap();
    assert_eq!(admitted.grants().check(&db, &Access::Read), Ok(()));
    assert_eq!(admitted.grants().check(&db, &Access::Write), Err(Layer::Manifest));
}

#[test]
fn grants_need_all_three_layers() {
    let authorities = Authorities::with_in_flight(9);
    let (admission, token, db) = (without_queue(), token_of("acme"), "orders-db".parse().unwrap());
    let without_manifest = Terms { manifest_grants: &authorities.none, ..authorities.terms() };
    let admitted = admit(&admission, &token, without_manifest).unwrap();
    assert_eq!(admitted.grants().check(&db, &Access::Read), Err(Layer::Manifest));
    let without_environment = Terms { environment_grants: &authorities.none, ..authorities.terms() };
    let admitted = admit(&admission, &token, without_environment).unwrap();
    assert_eq!(admitted.grants().check(&db, &Access::Read), Err(Layer::Environment));
}

/// However often somebody asks, the one call that may run still may, and then the question is answered as the call is.
#[test]
fn a_question_takes_nothing_and_is_answered_as_a_call_is() {
    let calls_per_day = NonZeroU64::new(1);
    let quotas = airlock_model::TenantQuotas { calls_per_day, ..airlock_model::TenantQuotas::default() };
    let tenants = [("acme".parse().unwrap(), quotas)].into();
    let desk = Desk::with(AdmissionConfig { tenants, ..config() });
    let (authorities, token) = (Authorities::with_in_flight(1), token_of("acme"));
    for _ in 0..10 {
        let foreseen = desk.admission.foresee(&authorized(&token), &authorities.terms());
        assert_eq!((foreseen.waits, foreseen.limits.get(Limit::InFlight)), (Ok(false), 1));
    }
    assert_eq!((desk.admission.running(), desk.admission.today(&token.principal().tenant).unwrap().calls), (0, 0));
    let running = admit(&desk.admission, &token, authorities.terms()).unwrap();
    let told = desk.admission.foresee(&authorized(&token), &authorities.terms()).waits.unwrap_err();
    let refused = admit(&desk.admission, &token, authorities.terms()).err().unwrap();
    assert_eq!((told.reason, &told.message, &told.limit), (refused.reason, &refused.message, &refused.limit));
    drop(running);

    let waits = |limit: u64| {
        let desk = Desk::with(config());
        let authorities = Authorities::with_in_flight(limit);
        let _running = admit(&desk.admission, &token, authorities.terms()).unwrap();
        desk.admission.foresee(&authorized(&token), &authorities.terms()).waits
    };
    assert_eq!((waits(1), waits(2)), (Ok(true), Ok(false)), "behind the tenant's own cap a call waits");
}

#[test]
fn the_tenant_in_excess_is_told_the_cap_and_when_to_return() {
    let (admission, authorities, token) = (without_queue(), Authorities::with_in_flight(2), token_of("acme"));
    let running: Vec<_> = (0..2).map(|_| admit(&admission, &token, authorities.terms()).unwrap()).collect();
    let failure = admit(&admission, &token, authorities.terms()).err().unwrap();
    assert_eq!(failure.reason, Reason::TenantBusy);
    assert!(failure.retry_after.is_some_and(|after| after >= Duration::from_millis(10)), "{failure:?}");
    let report = failure.limit.unwrap();
    assert_eq!((report.configured, report.used, report.source), (2, 3, LimitSource::Tenant));
    drop(running);
    assert!(admit(&admission, &token, authorities.terms()).is_ok());
}

#[test]
fn one_tenant_does_not_take_the_slots_of_another() {
    let (admission, authorities) = (without_queue(), Authorities::with_in_flight(1));
    let (acme, globex) = (token_of("acme"), token_of("globex"));
    let _held = admit(&admission, &acme, authorities.terms()).unwrap();
    assert!(admit(&admission, &acme, authorities.terms()).is_err());
    assert!(admit(&admission, &globex, authorities.terms()).is_ok());
}

#[test]
fn a_refused_call_leaves_nothing_behind_and_idle_tenants_go_away() {
    let (admission, authorities, token) = (without_queue(), Authorities::with_in_flight(1), token_of("acme"));
    let held = admit(&admission, &token, authorities.terms()).unwrap();
    for _ in 0..10 {
        assert!(admit(&admission, &token, authorities.terms()).is_err());
    }
    assert_eq!((admission.in_flight(&token.principal().tenant), admission.running()), (1, 1));
    drop(held);
    assert!(admission.shared.lock().is_empty());
}

#[test]
fn a_panic_returns_the_slot() {
    let (admission, authorities, token) = (without_queue(), Authorities::with_in_flight(1), token_of("acme"));
    let clone = admission.clone();
    let admitted = admit(&admission, &token, authorities.terms()).unwrap();
    let run = thread::spawn(move || {
        let _held = admitted;
        std::panic::resume_unwind(Box::new("the run went wrong"));
    });
    assert!(run.join().is_err());
    assert_eq!(clone.in_flight(&token.principal().tenant), 0);
    assert!(admit(&admission, &token, authorities.terms()).is_ok());
}

#[test]
fn the_cap_holds_under_threads() {
    const THREADS: usize = 8;
    let (admission, authorities, token) = (without_queue(), Authorities::with_in_flight(3), token_of("acme"));
    let (start, full) = (Barrier::new(THREADS), Barrier::new(THREADS));
    let tenant = &token.principal().tenant;
    let outcomes: Vec<bool> = thread::scope(|scope| {
        let contender = || {
            start.wait();
            for _ in 0..500 {
                let admitted = admit(&admission, &token, authorities.terms());
                assert!(admission.in_flight(tenant) <= 3);
                drop(admitted);
            }
            full.wait();
            let last = admit(&admission, &token, authorities.terms());
            full.wait();
            last.is_ok()
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(contender)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(outcomes.into_iter().filter(|admitted| *admitted).count(), 3);
    assert!(admission.in_flight(tenant) == 0 && admission.shared.lock().is_empty());
}

/// Any set of caps; values around and beyond the operator's.
fn any_caps() -> impl Strategy<Value = LimitCaps> {
    let value = prop_oneof![Just(1), 1..=1_000u64, 1..=30_000_000_000u64, Just(u64::MAX)];
    prop::collection::vec(prop::option::of(value), Limit::ALL.len()).prop_map(|values| {
        let members = Limit::ALL.iter().zip(values);
        let set = members.filter_map(|(limit, value)| Some((limit.name().to_owned(), json!(value?))));
        caps(Value::Object(set.collect()))
    })
}

fn value(caps: &LimitCaps, limit: Limit) -> Option<u64> {
    serde_json::to_value(caps).unwrap()[limit.name()].as_u64()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_limit_is_the_least_of_all_and_none_is_widened(
        layers in prop::collection::vec(any_caps(), 5), replaced in any_caps(),
    ) {
        let [tenant, environment, function, token, caller] = layers.as_slice() else { unreachable!() };
        let operator = Limits::BUILT_IN.replaced_by(&replaced);
        let verified = Fixture::new().verified(&claims_but(json!({"limits": token})));
        let none: Arc<[Grant]> = [].into();
        let terms = Terms {
            operator: &operator, tenant, environment, function, caller, places: &LimitPlaces::default(),
            manifest_grants: &none, environment_grants: &none,
        };
        let admitted = admit(&without_queue(), &verified, terms).unwrap();
        let sources = [
            LimitSource::Tenant, LimitSource::Environment, LimitSource::Function, LimitSource::Token,
            LimitSource::Caller,
        ];
        for limit in Limit::ALL.iter().copied() {
            let word = operator.get(limit).get();
            let least = layers.iter().filter_map(|caps| value(caps, limit)).chain([word]).min().unwrap();
            prop_assert_eq!(admitted.limits().get(limit), least);
            let first = layers.iter().position(|caps| value(caps, limit) == Some(least)).filter(|_| least < word);
            let source = first.map_or(LimitSource::Operator, |index| sources[index]);
            prop_assert_eq!(admitted.limits().source(limit), source);
        }
    }

    #[test]
    fn in_flight_counts_against_the_least_of_all(allowed in 1u64..20) {
        let (admission, token) = (without_queue(), token_of("acme"));
        let authorities = Authorities { caller: caps(json!({"in_flight": allowed})), ..Authorities::with_in_flight(20) };
        let mut running = Vec::new();
        for _ in 0..allowed {
            running.push(admit(&admission, &token, authorities.terms()).unwrap());
        }
        prop_assert!(admit(&admission, &token, authorities.terms()).is_err());
        prop_assert_eq!(NonZeroU64::new(running.len() as u64), authorities.caller.in_flight);
    }
}
