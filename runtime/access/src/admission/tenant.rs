//! What is known of one tenant: its calls that run, and those that wait, in fair turns between its principals.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use airlock_model::Principal;

use super::{fair::FairOrder, mean::Mean};

/// The name of one call that waits.
pub(super) type WaiterId = u64;

/// Principals of one tenant are equals.
const PRINCIPAL_WEIGHT: u32 = 1;

/// A tenant with calls that run or wait.
#[derive(Default)]
pub(super) struct Tenant {
    pub(super) running: u64,
    pub(super) queued: u32,
    /// How long its calls hold their places, in microseconds.
    pub(super) holds: Mean,
    /// What its calls cost.
    pub(super) costs: Mean,
    /// INVARIANT: no line is empty, and each waits in `turns`.
    lines: HashMap<Arc<Principal>, VecDeque<InLine>>,
    turns: FairOrder<Arc<Principal>>,
    /// The largest `in_flight` of a call that waits or waited since the queue was last empty.
    in_flight_max: u64,
}

struct InLine {
    id: WaiterId,
    in_flight: u64,
}

impl Tenant {
    /// How many calls of the principal wait.
    pub(super) fn queued_by(&self, principal: &Arc<Principal>) -> u32 {
        self.lines.get(principal).map_or(0, |line| u32::try_from(line.len()).unwrap_or(u32::MAX))
    }

    pub(super) fn push(&mut self, principal: &Arc<Principal>, id: WaiterId, in_flight: u64) {
        self.lines.entry(Arc::clone(principal)).or_default().push_back(InLine { id, in_flight });
        self.turns.wait(principal, PRINCIPAL_WEIGHT);
        self.queued = self.queued.saturating_add(1);
        self.in_flight_max = self.in_flight_max.max(in_flight);
    }

    /// Whether a call that waits could run, as far as the tenant's own cap goes.
    pub(super) fn can_run(&self) -> bool {
        self.next_line().is_some()
    }

    /// Takes the call whose turn it is out of its line, and charges its principal.
    pub(super) fn pop(&mut self, cost: u64) -> Option<WaiterId> {
        let principal = self.next_line()?.clone();
        let next = self.lines.get_mut(&principal)?.pop_front()?;
        self.turns.serve(&principal, cost, PRINCIPAL_WEIGHT);
        self.after_leaving(&principal);
        Some(next.id)
    }

    /// Takes a call out of its line that no longer wants its turn.
    pub(super) fn remove(&mut self, principal: &Arc<Principal>, id: WaiterId) {
        let Some(line) = self.lines.get_mut(principal) else { return };
        let Some(place) = line.iter().position(|waiting| waiting.id == id) else { return };
        line.remove(place);
        self.after_leaving(principal);
    }

    /// A call of the principal that had waited ended.
    pub(super) fn correct(&mut self, principal: &Arc<Principal>, charged: u64, spent: u64) {
        self.turns.correct(principal, charged, spent, PRINCIPAL_WEIGHT);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.running == 0 && self.queued == 0
    }

    /// The first principal in turn whose oldest call the tenant's cap lets run. A call with a narrower cap of its own, by its
    /// token for instance, holds up its own principal and nobody else.
    fn next_line(&self) -> Option<&Arc<Principal>> {
        if self.running >= self.in_flight_max {
            return None;
        }
        let oldest = |principal: &&Arc<Principal>| self.lines.get(*principal).and_then(VecDeque::front);
        self.turns.in_turn().find(|principal| oldest(principal).is_some_and(|call| self.running < call.in_flight))
    }

    fn after_leaving(&mut self, principal: &Arc<Principal>) {
        self.queued = self.queued.saturating_sub(1);
        if self.lines.get(principal).is_some_and(VecDeque::is_empty) {
            self.lines.remove(principal);
            self.turns.leave(principal);
        }
        if self.queued == 0 {
            self.turns.clear();
            self.in_flight_max = 0;
        }
    }
}
