//! Whose turn it is: start-time fair queueing.
//!
//! Every flow has a start in virtual time; the flow that waits with the earliest start is next. What it is served costs moves
//! its start on by cost over weight, so whoever takes much waits long. A flow that begins to wait starts no earlier than the
//! clock, which is the latest start served: time in which nothing was asked for is not saved up. While two flows wait, what
//! they are served, each over its weight, differs by no more than one call of each (Goyal, Vin, Cheng: Start-time Fair
//! Queueing, 1996, theorem 1). Costs are charged as estimates and corrected when they are known, which is the same rule
//! applied later.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
};

/// Cost over weight, in fixed point.
type Virtual = u128;

/// Bits behind the point: a weight of a thousand still divides a cost of one.
const FRACTION_BITS: u32 = 16;

/// Flows that are remembered while they do not wait, because they have not paid yet.
const FLOWS_MAX: usize = 4_096;

/// Flows of one level: tenants, or the principals of one tenant.
pub(super) struct FairOrder<K> {
    flows: HashMap<K, Flow>,
    /// The flows that wait, by start and then in the order in which they came.
    waiting: BTreeMap<(Virtual, u64), K>,
    clock: Virtual,
    turns: u64,
    weight_waiting: u64,
}

struct Flow {
    start: Virtual,
    weight: u32,
    /// Set while it waits: the second half of its key.
    turn: Option<u64>,
}

impl<K> Default for FairOrder<K> {
    fn default() -> Self {
        Self { flows: HashMap::new(), waiting: BTreeMap::new(), clock: 0, turns: 0, weight_waiting: 0 }
    }
}

impl<K: Clone + Eq + Hash> FairOrder<K> {
    /// The flow has something to be served.
    pub(super) fn wait(&mut self, key: &K, weight: u32) {
        let (clock, turn) = (self.clock, self.next_turn());
        let flow = self.flow(key);
        if flow.turn.is_some() {
            return;
        }
        flow.start = flow.start.max(clock);
        flow.weight = weight;
        flow.turn = Some(turn);
        let start = flow.start;
        self.waiting.insert((start, turn), key.clone());
        self.weight_waiting = self.weight_waiting.saturating_add(weight.into());
    }

    /// The flow has nothing that could be served.
    pub(super) fn leave(&mut self, key: &K) {
        let Some(flow) = self.flows.get_mut(key) else { return };
        if let Some(turn) = flow.turn.take() {
            self.waiting.remove(&(flow.start, turn));
            self.weight_waiting = self.weight_waiting.saturating_sub(flow.weight.into());
        }
        if flow.start <= self.clock {
            self.flows.remove(key);
        }
    }

    /// The flows that wait, the next one first.
    pub(super) fn in_turn(&self) -> impl Iterator<Item = &K> {
        self.waiting.values()
    }

    /// Weights of the flows that wait, this one among them.
    pub(super) fn weight_waiting_with(&self, key: &K, weight: u32) -> u64 {
        let waits = self.flows.get(key).is_some_and(|flow| flow.turn.is_some());
        self.weight_waiting.saturating_add(if waits { 0 } else { weight.into() })
    }

    /// The flow is served something, whether or not it had to wait for it.
    pub(super) fn serve(&mut self, key: &K, cost: u64, weight: u32) {
        let clock = self.clock;
        let flow = self.flow(key);
        if flow.turn.is_none() {
            flow.start = flow.start.max(clock);
        }
        let start = flow.start;
        self.clock = clock.max(start);
        self.shift(key, start.saturating_add(share(cost, weight)));
    }

    /// What was charged as an estimate turned out to be something else. A flow that is forgotten owes nothing.
    pub(super) fn correct(&mut self, key: &K, charged: u64, spent: u64, weight: u32) {
        let Some(flow) = self.flows.get(key) else { return };
        let start = match spent.checked_sub(charged) {
            Some(more) => flow.start.saturating_add(share(more, weight)),
            None => flow.start.saturating_sub(share(charged.saturating_sub(spent), weight)),
        };
        self.shift(key, start);
    }

    /// Forgets a flow that does not wait and owes nothing.
    pub(super) fn forget_settled(&mut self, key: &K) {
        if self.flows.get(key).is_some_and(|flow| flow.turn.is_none() && flow.start <= self.clock) {
            self.flows.remove(key);
        }
    }

    /// Nobody waits and nothing is being served: what is owed is owed to nobody.
    pub(super) fn clear(&mut self) {
        self.flows.clear();
        self.waiting.clear();
        self.weight_waiting = 0;
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.flows.len()
    }

    /// The flow, made if it is new. Flows are forgotten rather than collected without end.
    fn flow(&mut self, key: &K) -> &mut Flow {
        if self.flows.len() >= FLOWS_MAX && !self.flows.contains_key(key) {
            let clock = self.clock;
            self.flows.retain(|_, flow| flow.turn.is_some() || flow.start > clock);
            if self.flows.len() >= FLOWS_MAX {
                self.flows.retain(|_, flow| flow.turn.is_some());
            }
        }
        self.flows.entry(key.clone()).or_insert(Flow { start: self.clock, weight: 1, turn: None })
    }

    /// Moves a flow to another start, and behind all others with the same.
    fn shift(&mut self, key: &K, start: Virtual) {
        let turn = self.next_turn();
        let Some(flow) = self.flows.get_mut(key) else { return };
        let before = flow.start;
        flow.start = start;
        if let Some(place) = &mut flow.turn
            && let Some(name) = self.waiting.remove(&(before, *place))
        {
            *place = turn;
            self.waiting.insert((start, turn), name);
        }
    }

    fn next_turn(&mut self) -> u64 {
        self.turns = self.turns.wrapping_add(1);
        self.turns
    }
}

fn share(cost: u64, weight: u32) -> Virtual {
    (Virtual::from(cost) << FRACTION_BITS) / Virtual::from(weight.max(1))
}

#[cfg(test)]
mod tests;
