//! Who runs, who waits and who is turned away. No clock and no tasks of its own: everything is told the time.

use std::{collections::HashMap, sync::Arc, task::Waker, time::Duration};

use airlock_model::{Principal, TenantName};

use super::{
    AdmissionConfig, Moment,
    busy::{Bound, Busy, Jitter},
    config::DayUsage,
    fair::FairOrder,
    mean::Mean,
    quota::Quotas,
    tenant::{Tenant, WaiterId},
};

/// What a call costs besides its fuel, in fuel: admission, instantiation and the audit record take about 35 us, in which
/// QuickJS spends as much. So a call that does nothing is not free.
pub(super) const CALL_COST: u64 = 250_000;

/// A call that asks to run.
pub(super) struct Ask<'a> {
    pub(super) principal: &'a Arc<Principal>,
    /// The tenant's cap, as it holds for this call.
    pub(super) in_flight: u64,
    /// What is left until its deadline.
    pub(super) left: Duration,
}

/// What a call that asked is told.
pub(super) enum Answer {
    Run(Held),
    Wait(WaiterId),
}

/// When a call would run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Now,
    Later,
}

/// What is known of a call while it runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    /// When it began.
    pub(super) since: Duration,
    /// What it was charged, as an estimate.
    pub(super) charged: u64,
    /// What was set aside for it in the day's budget.
    pub(super) expected: u64,
    /// Whether its principal was charged too.
    pub(super) waited: bool,
}

/// All calls, in one place behind one lock.
pub(super) struct Scheduler {
    config: AdmissionConfig,
    running: u32,
    queued: u32,
    tenants: HashMap<TenantName, Tenant>,
    /// INVARIANT: waits for exactly the tenants of which a call waits that the tenant's own cap lets run.
    turns: FairOrder<TenantName>,
    quotas: Quotas,
    waiters: HashMap<WaiterId, Waiter>,
    next_waiter: WaiterId,
    holds: Mean,
    costs: Mean,
    /// State of a SplitMix64 generator.
    jitter: u64,
}

/// A call that waits, or that was given a place and has not yet taken it.
struct Waiter {
    principal: Arc<Principal>,
    in_flight: u64,
    expected: u64,
    given: Option<Held>,
    waker: Option<Waker>,
}

impl Scheduler {
    pub(super) fn new(config: AdmissionConfig, seed: u64) -> Self {
        let mut quotas = Quotas::default();
        quotas.replace(&config);
        Self {
            config,
            running: 0,
            queued: 0,
            tenants: HashMap::new(),
            turns: FairOrder::default(),
            quotas,
            waiters: HashMap::new(),
            next_waiter: 0,
            holds: Mean::default(),
            costs: Mean::default(),
            jitter: seed,
        }
    }

    /// Lets a call run, lets it wait, or turns it away.
    pub(super) fn ask(&mut self, ask: &Ask<'_>, now: Moment) -> Result<Answer, Busy> {
        let (turn, cost) = self.judge(ask, now)?;
        let name = &ask.principal.tenant;
        self.quotas.take(name, fuel_of(cost), now);
        Ok(match turn {
            Turn::Now => Answer::Run(self.start(name, cost, now)),
            Turn::Later => Answer::Wait(self.line_up(ask, cost)),
        })
    }

    /// What a call that asked would be told. Takes nothing.
    pub(super) fn foresee(&mut self, ask: &Ask<'_>, now: Moment) -> Result<Turn, Busy> {
        self.judge(ask, now).map(|(turn, _)| turn)
    }

    /// When a call would run, and what it is expected to cost.
    fn judge(&mut self, ask: &Ask<'_>, now: Moment) -> Result<(Turn, u64), Busy> {
        let name = &ask.principal.tenant;
        self.quotas.check(name, now)?;
        let tenant = self.tenants.get(name);
        let cost = tenant.and_then(|tenant| tenant.costs.get()).or(self.costs.get()).unwrap_or(CALL_COST);
        let running = tenant.map_or(0, |tenant| tenant.running);
        // Whoever waits while there is a free place is held up by its own tenant's cap: nobody is overtaken unfairly.
        if self.running < self.config.running_max.get() && running < ask.in_flight {
            return Ok((Turn::Now, cost));
        }
        self.check_room(ask).map(|()| (Turn::Later, cost))
    }

    /// Whether a call was given its place; the waker is for when it is.
    pub(super) fn poll(&mut self, id: WaiterId, waker: &Waker) -> Option<Held> {
        let waiter = self.waiters.get_mut(&id)?;
        let Some(held) = waiter.given else {
            if !waiter.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
                waiter.waker = Some(waker.clone());
            }
            return None;
        };
        self.waiters.remove(&id);
        Some(held)
    }

    /// A call no longer waits: its time is up. It may have been given a place in this very moment.
    ///
    /// Behind it may be a call that its tenant's cap lets run: [`Self::dispatch`] comes next.
    pub(super) fn give_up(&mut self, id: WaiterId) -> Result<Held, Busy> {
        let Some(waiter) = self.waiters.remove(&id) else {
            return Err(Busy::until(Bound::Deadline, Duration::ZERO));
        };
        if let Some(held) = waiter.given {
            return Ok(held);
        }
        let name = waiter.principal.tenant.clone();
        let running = self.tenants.get(&name).map_or(0, |tenant| tenant.running);
        self.quotas.give_back(&name, waiter.expected);
        self.queued = self.queued.saturating_sub(1);
        if let Some(tenant) = self.tenants.get_mut(&name) {
            tenant.remove(&waiter.principal, id);
        }
        self.refresh(&name);
        let wait = self.expected_wait(&waiter.principal, waiter.in_flight).total();
        let bound = if running >= waiter.in_flight {
            let queued = self.tenants.get(&name).map_or(0, |tenant| tenant.queued);
            Bound::InFlight { running, queued }
        } else {
            Bound::Waited { configured: self.config.queue_time_max }
        };
        self.forget_if_idle(&name);
        Err(Busy::until(bound, wait))
    }

    /// A call ended, having cost that much fuel; `None` when it never began. Gives its place to whoever is next.
    pub(super) fn finish(
        &mut self,
        principal: &Arc<Principal>,
        held: Held,
        fuel: Option<u64>,
        now: Moment,
    ) -> Vec<Waker> {
        let name = &principal.tenant;
        let spent = fuel.map_or(0, |fuel| fuel.saturating_add(CALL_COST));
        let weight = self.quotas.weight(name);
        self.running = self.running.saturating_sub(1);
        self.turns.correct(name, held.charged, spent, weight);
        match fuel {
            Some(fuel) => self.quotas.settle(name, held.expected, fuel, now),
            None => self.quotas.give_back(name, held.expected),
        }
        let hold = u64::try_from(now.at.saturating_sub(held.since).as_micros()).unwrap_or(u64::MAX);
        if let Some(tenant) = self.tenants.get_mut(name) {
            tenant.running = tenant.running.saturating_sub(1);
            if held.waited {
                tenant.correct(principal, held.charged, spent);
            }
            if fuel.is_some() {
                tenant.holds.learn(hold);
                tenant.costs.learn(spent);
            }
        }
        if fuel.is_some() {
            self.holds.learn(hold);
            self.costs.learn(spent);
        }
        self.refresh(name);
        let woken = self.dispatch(now);
        self.forget_if_idle(name);
        woken
    }

    /// Gives free places to the calls whose turn it is.
    pub(super) fn dispatch(&mut self, now: Moment) -> Vec<Waker> {
        let mut woken = Vec::new();
        while self.running < self.config.running_max.get() {
            let Some(name) = self.turns.in_turn().next().cloned() else { break };
            let Some((id, cost)) = self.pop(&name) else { break };
            let held = Held { waited: true, ..self.start(&name, cost, now) };
            self.refresh(&name);
            if let Some(waiter) = self.waiters.get_mut(&id) {
                // What was set aside when it lined up is what is given back, whatever calls cost by now.
                waiter.given = Some(Held { expected: waiter.expected, ..held });
                woken.extend(waiter.waker.take());
            }
        }
        woken
    }

    /// From now on other numbers hold.
    pub(super) fn reconfigure(&mut self, config: AdmissionConfig, now: Moment) -> Vec<Waker> {
        self.quotas.replace(&config);
        self.config = config;
        self.dispatch(now)
    }

    pub(super) fn add_today(&mut self, tenant: &TenantName, usage: DayUsage, now: Moment) {
        self.quotas.add_today(tenant, usage, now);
    }

    pub(super) fn today(&self, tenant: &TenantName) -> Option<DayUsage> {
        self.quotas.today(tenant)
    }

    pub(super) fn queue_time_max(&self) -> Duration {
        self.config.queue_time_max
    }

    pub(super) fn running(&self) -> u32 {
        self.running
    }

    pub(super) fn queued(&self) -> u32 {
        self.queued
    }

    pub(super) fn running_of(&self, tenant: &TenantName) -> u64 {
        self.tenants.get(tenant).map_or(0, |tenant| tenant.running)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let idle = self.tenants.is_empty() && self.waiters.is_empty();
        idle && (self.running, self.queued, self.turns.remembered()) == (0, 0, 0)
    }

    /// The next number of a SplitMix64 generator.
    pub(super) fn jitter(&mut self) -> Jitter {
        self.jitter = self.jitter.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.jitter ^ (self.jitter >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Jitter(mixed ^ (mixed >> 31))
    }

    fn start(&mut self, name: &TenantName, cost: u64, now: Moment) -> Held {
        self.running = self.running.saturating_add(1);
        let tenant = self.tenants.entry(name.clone()).or_default();
        tenant.running = tenant.running.saturating_add(1);
        self.turns.serve(name, cost, self.quotas.weight(name));
        Held { since: now.at, charged: cost, expected: fuel_of(cost), waited: false }
    }

    fn pop(&mut self, name: &TenantName) -> Option<(WaiterId, u64)> {
        let tenant = self.tenants.get_mut(name)?;
        let cost = tenant.costs.get().or(self.costs.get()).unwrap_or(CALL_COST);
        let id = tenant.pop(cost)?;
        self.queued = self.queued.saturating_sub(1);
        Some((id, cost))
    }

    fn line_up(&mut self, ask: &Ask<'_>, cost: u64) -> WaiterId {
        let id = self.next_waiter;
        self.next_waiter = self.next_waiter.wrapping_add(1);
        let (principal, in_flight) = (Arc::clone(ask.principal), ask.in_flight);
        let name = principal.tenant.clone();
        self.tenants.entry(name.clone()).or_default().push(&principal, id, in_flight);
        self.queued = self.queued.saturating_add(1);
        self.waiters.insert(id, Waiter { principal, in_flight, expected: fuel_of(cost), given: None, waker: None });
        self.refresh(&name);
        id
    }

    /// Whether the tenant takes part in the turns.
    fn refresh(&mut self, name: &TenantName) {
        if self.tenants.get(name).is_some_and(Tenant::can_run) {
            self.turns.wait(name, self.quotas.weight(name));
        } else {
            self.turns.leave(name);
        }
    }

    /// A tenant without calls has no entry; what it owes is kept while others run.
    fn forget_if_idle(&mut self, name: &TenantName) {
        if self.tenants.get(name).is_some_and(Tenant::is_idle) {
            self.tenants.remove(name);
            self.turns.forget_settled(name);
        }
        if self.tenants.is_empty() {
            self.turns.clear();
        }
    }

    /// Turns a call away early: when no place in the queue is left for it, or its turn would come too late.
    fn check_room(&self, ask: &Ask<'_>) -> Result<(), Busy> {
        let tenant = self.tenants.get(&ask.principal.tenant);
        let own = tenant.map_or(0, |tenant| tenant.queued);
        let of_principal = tenant.map_or(0, |tenant| tenant.queued_by(ask.principal));
        let wait = self.expected_wait(ask.principal, ask.in_flight);
        let AdmissionConfig { queue_max, queue_max_per_tenant, queue_time_max, .. } = self.config;
        let (in_tenant, in_all) = (queue_max_per_tenant.saturating_sub(own), queue_max.saturating_sub(self.queued));
        let running = tenant.map_or(0, |tenant| tenant.running);
        let cap = Bound::InFlight { running, queued: own };
        let is_capped = running >= ask.in_flight;
        let bound = if is_capped && (queue_max == 0 || queue_max_per_tenant == 0) {
            cap
        } else if queue_max_per_tenant > 0 && of_principal >= in_tenant {
            Bound::TenantQueue { configured: queue_max_per_tenant, used: own }
        } else if queue_max_per_tenant == 0 || own >= in_all {
            Bound::Queue { configured: queue_max, used: self.queued }
        } else if wait.total() <= ask.left.min(queue_time_max) {
            return Ok(());
        } else if wait.own > wait.all {
            cap
        } else if ask.left < queue_time_max {
            Bound::Deadline
        } else {
            Bound::QueueTime { configured: queue_time_max }
        };
        Err(Busy::until(bound, wait.total()))
    }

    /// When the turn of one more call of the principal's tenant would come, as things have been going.
    fn expected_wait(&self, principal: &Arc<Principal>, in_flight: u64) -> Wait {
        let name = &principal.tenant;
        let tenant = self.tenants.get(name);
        let (running, own) = tenant.map_or((0, 0), |tenant| (tenant.running, tenant.queued));
        let all = if self.running < self.config.running_max.get() {
            Duration::ZERO
        } else {
            let weight = self.quotas.weight(name);
            let cost = |mean: Mean| u128::from(mean.get().unwrap_or(CALL_COST).max(1));
            let own_cost =
                tenant.filter(|tenant| tenant.costs.get().is_some()).map_or(self.costs, |tenant| tenant.costs);
            // Of each turn of all, the tenant's part is its weight; a costly call takes several turns.
            let turns = u128::from(own.saturating_add(1)) * u128::from(self.turns.weight_waiting_with(name, weight))
                / u128::from(weight)
                * cost(own_cost)
                / cost(self.costs);
            let turns = turns.min(u128::from(self.queued.saturating_add(1)));
            part(self.holds, turns, u128::from(self.running))
        };
        let own = match tenant {
            Some(tenant) if running >= in_flight => {
                let excess = u128::from(running.saturating_sub(in_flight)) + u128::from(own) + 1;
                part(tenant.holds, excess, u128::from(running))
            }
            _ => Duration::ZERO,
        };
        Wait { all, own }
    }
}

/// How long a call would wait, for everybody's places and for its tenant's.
struct Wait {
    all: Duration,
    own: Duration,
}

impl Wait {
    fn total(&self) -> Duration {
        self.all.max(self.own)
    }
}

/// Until that many of the calls that run have ended.
fn part(holds: Mean, ended: u128, running: u128) -> Duration {
    let micros = u128::from(holds.get().unwrap_or(0)).saturating_mul(ended) / running.max(1);
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

/// What of a cost is fuel.
fn fuel_of(cost: u64) -> u64 {
    cost.saturating_sub(CALL_COST)
}

#[cfg(test)]
mod tests;
