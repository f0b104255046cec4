//! Whole days of load in no time: a simulation with its own clock.

use std::num::{NonZeroU32, NonZeroU64};

use airlock_model::{Quota, TenantQuotas};

use super::{
    super::tests::desk::{NOON_MS, config},
    *,
};

struct Simulation {
    scheduler: Scheduler,
    at: Duration,
    /// Calls that run, with the time at which they end.
    running: Vec<(Duration, Arc<Principal>, Held, u64)>,
    /// What callers are there, how much fuel their calls take, and which of their calls wait.
    callers: Vec<Caller>,
    done: Vec<u64>,
}

struct Caller {
    principal: Arc<Principal>,
    fuel: u64,
    waiting: Vec<WaiterId>,
}

/// A call of that fuel takes 1 ms for a million.
fn time_of(fuel: u64) -> Duration {
    Duration::from_nanos(fuel)
}

fn principal(tenant: &str, subject: &str) -> Arc<Principal> {
    let (tenant, app, subject) = (tenant.parse().unwrap(), "portal".parse().unwrap(), subject.to_owned());
    Arc::new(Principal { tenant, app, subject, actor: None })
}

impl Simulation {
    /// Two places, and callers that always have `backlog` calls waiting.
    fn new(callers: &[(&str, &str, u64)], weights: &[(&str, u64)]) -> Self {
        let quotas = |weight| TenantQuotas { weight: NonZeroU64::new(weight), ..TenantQuotas::default() };
        let tenants = weights.iter().map(|(tenant, weight)| (tenant.parse().unwrap(), quotas(*weight))).collect();
        let config = AdmissionConfig {
            running_max: NonZeroU32::new(2).unwrap(),
            queue_max: 1_000,
            queue_max_per_tenant: 400,
            queue_time_max: Duration::from_secs(3_600),
            host_calls_per_second: NonZeroU64::MAX,
            tenants,
        };
        let callers = callers.iter().map(|(tenant, subject, fuel)| Caller {
            principal: principal(tenant, subject),
            fuel: *fuel,
            waiting: Vec::new(),
        });
        let callers: Vec<_> = callers.collect();
        let done = vec![0; callers.len()];
        Self { scheduler: Scheduler::new(config, 7), at: Duration::ZERO, running: Vec::new(), callers, done }
    }

    fn now(&self) -> Moment {
        Moment { at: self.at, unix_ms: NOON_MS }
    }

    /// Lets every caller have five calls waiting.
    fn fill(&mut self) {
        let now = self.now();
        for caller in 0..self.callers.len() {
            while self.callers[caller].waiting.len() < 5 {
                let principal = Arc::clone(&self.callers[caller].principal);
                let ask = Ask { principal: &principal, in_flight: 99, left: Duration::from_secs(3_600) };
                match self.scheduler.ask(&ask, now).unwrap() {
                    Answer::Run(held) => self.begin(caller, held),
                    Answer::Wait(id) => self.callers[caller].waiting.push(id),
                }
            }
        }
    }

    fn begin(&mut self, caller: usize, held: Held) {
        let Caller { principal, fuel, .. } = &self.callers[caller];
        self.running.push((self.at + time_of(*fuel), Arc::clone(principal), held, *fuel));
        self.done[caller] += *fuel;
    }

    /// Ends the call that ends first, and begins what takes its place.
    fn step(&mut self) {
        self.fill();
        let next = (0..self.running.len()).min_by_key(|at| self.running[*at].0).unwrap();
        let (end, principal, held, fuel) = self.running.swap_remove(next);
        self.at = end;
        let now = self.now();
        self.scheduler.finish(&principal, held, Some(fuel), now);
        for caller in 0..self.callers.len() {
            let given = self.callers[caller].waiting.clone();
            for id in given {
                if let Some(held) = self.scheduler.poll(id, Waker::noop()) {
                    self.callers[caller].waiting.retain(|waiting| *waiting != id);
                    self.begin(caller, held);
                }
            }
        }
    }

    /// What each caller was served, in fuel, of the last of so many steps.
    fn served(&mut self, steps: usize) -> Vec<f64> {
        for _ in 0..steps {
            self.step();
        }
        let before = std::mem::replace(&mut self.done, vec![0; self.callers.len()]);
        drop(before);
        for _ in 0..steps {
            self.step();
        }
        self.done.iter().map(|fuel| *fuel as f64).collect()
    }
}

fn assert_ratio(a: f64, b: f64, wanted: f64) {
    let ratio = a / b;
    assert!((ratio / wanted - 1.0).abs() < 0.1, "{a} to {b} is {ratio}, not {wanted}");
}

#[test]
fn heavy_and_light_tenants_get_the_same_fuel_and_so_heavy_ones_fewer_turns() {
    let mut simulation = Simulation::new(&[("heavy", "a", 50_000_000), ("light", "b", 2_000_000)], &[]);
    let served = simulation.served(5_000);
    // Each call costs a quarter of a million besides.
    assert_ratio(served[0] / 50.0 * 50.25, served[1] / 2.0 * 2.25, 1.0);
}

#[test]
fn weights_are_shares() {
    let callers = [("gold", "a", 3_000_000), ("basic", "b", 3_000_000)];
    let served = Simulation::new(&callers, &[("gold", 4)]).served(5_000);
    assert_ratio(served[0], served[1], 4.0);
}

#[test]
fn the_principals_of_a_tenant_are_equals_whatever_their_number_of_calls_costs() {
    let callers = [("acme", "a", 1_000_000), ("acme", "b", 9_000_000), ("globex", "c", 5_000_000)];
    let served = Simulation::new(&callers, &[]).served(8_000);
    assert_ratio(served[0] * 1.25, served[1] / 9.0 * 9.25, 1.0);
    assert_ratio((served[0] * 1.25 + served[1] / 9.0 * 9.25) * 1.05, served[2] * 1.05 * 1.05, 1.0);
}

#[test]
fn ten_times_the_callers_are_not_ten_times_the_share() {
    let mut callers: Vec<_> = (0..10).map(|_| ("flood", "a", 1_000_000)).collect();
    callers.push(("quiet", "b", 1_000_000));
    let served = Simulation::new(&callers, &[]).served(5_000);
    assert_ratio(served[..10].iter().sum(), served[10], 1.0);
}

#[test]
fn the_expected_wait_follows_how_long_calls_take_and_how_many_wait() {
    let mut scheduler = Scheduler::new(AdmissionConfig { running_max: NonZeroU32::MIN, ..config() }, 7);
    let acme = principal("acme", "a");
    let mut now = Moment { at: Duration::ZERO, unix_ms: NOON_MS };
    let ask = Ask { principal: &acme, in_flight: 99, left: Duration::from_secs(9) };
    let Ok(Answer::Run(held)) = scheduler.ask(&ask, now) else { panic!("a free place") };
    now.at = Duration::from_millis(100);
    scheduler.finish(&acme, held, Some(1), now);
    let Ok(Answer::Run(_)) = scheduler.ask(&ask, now) else { panic!("a free place") };
    assert_eq!(scheduler.expected_wait(&acme, 99).total(), Duration::from_millis(100));
    for waiting in 1..4 {
        assert!(matches!(scheduler.ask(&ask, now), Ok(Answer::Wait(_))));
        assert_eq!(scheduler.expected_wait(&acme, 99).total(), Duration::from_millis(100 * (waiting + 1)));
    }
    let globex = principal("globex", "b");
    assert_eq!(
        scheduler.expected_wait(&globex, 99).total(),
        Duration::from_millis(200),
        "every second turn is its own"
    );
}

#[test]
fn a_tenant_with_a_daily_budget_pays_for_what_it_is_expected_to_spend_before_it_is_spent() {
    let mut quotas = TenantQuotas::default();
    quotas.set(Quota::FuelPerDay, NonZeroU64::new(10_000_000).unwrap());
    let tenants = [("acme".parse().unwrap(), quotas)].into();
    let mut scheduler = Scheduler::new(AdmissionConfig { tenants, ..config() }, 7);
    let acme = principal("acme", "a");
    let now = Moment { at: Duration::ZERO, unix_ms: NOON_MS };
    let ask = Ask { principal: &acme, in_flight: 99, left: Duration::from_secs(9) };
    let Ok(Answer::Run(held)) = scheduler.ask(&ask, now) else { panic!("a free place") };
    // Keeps the tenant, and what is known of it, alive.
    let Ok(Answer::Run(_)) = scheduler.ask(&ask, now) else { panic!("a free place") };
    scheduler.finish(&acme, held, Some(4_000_000), now);
    let Ok(Answer::Run(_)) = scheduler.ask(&ask, now) else { panic!("a free place") };
    let Ok(Answer::Run(_)) = scheduler.ask(&ask, now) else {
        panic!("6 of 10 million are left, of which 4 are expected")
    };
    let Err(busy) = scheduler.ask(&ask, now) else { panic!("12 of 10 million are expected") };
    assert!(matches!(busy.bound, Bound::Budget { quota: Quota::FuelPerDay, .. }), "{busy:?}");
}
