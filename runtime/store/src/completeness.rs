//! Completeness: every call number that was issued has a record that says how the call ended.

use std::collections::BTreeMap;

use airlock_model::{AuditEvent, AuditKind, TrailCut};
use serde::Serialize;

/// Open ranges remembered at most; beyond that the lowest is taken as never finished. Bounds memory, and is far above
/// the number of calls that can be in flight.
const OPEN_MAX: usize = 65_536;

/// Open ranges that a cut writes down at most; the next moment has fewer.
const STANDING_MAX: usize = 1_000;

/// Ranges listed at most in a report; the counts go on.
const LISTED_MAX: usize = 1_000;

/// A run of numbers, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct NumberRange {
    /// The lowest.
    pub first: u64,
    /// The highest.
    pub last: u64,
}

impl NumberRange {
    /// How many numbers.
    fn count(self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }
}

/// A list that stays short while its count goes on.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    pub(crate) ranges: Vec<NumberRange>,
    pub(crate) count: u64,
}

impl Listed {
    pub(crate) fn add(&mut self, range: NumberRange) {
        self.count = self.count.saturating_add(range.count());
        if self.ranges.len() < LISTED_MAX {
            self.ranges.push(range);
        }
    }
}

/// What the trail says about call numbers. Judged apart from integrity: a whole chain may be incomplete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallReport {
    /// No number is unfinished and none was used twice.
    pub complete: bool,
    /// Calls with a closing record: finished, refused or abandoned.
    pub finished: u64,
    /// Numbers issued and never closed, the first 1,000 ranges. Beside a running server, also the calls in flight.
    pub unfinished: Vec<NumberRange>,
    /// How many numbers that are in all.
    pub unfinished_count: u64,
    /// Closing records for numbers that were closed already, or that belong to an earlier run.
    pub repeated: u64,
}

/// The highest number issued, and first and last of what is issued and not closed.
pub(crate) type CallStanding = (u64, Vec<(u64, u64)>);

/// Follows call numbers through the trail, in memory that does not grow with it.
#[derive(Debug, Default)]
pub(crate) struct CallLedger {
    /// The highest number seen, or the last one before the numbers of the run being read.
    highest: u64,
    /// First to last of what is issued and not yet closed.
    open: BTreeMap<u64, u64>,
    finished: u64,
    repeated: u64,
    unfinished: Listed,
}

impl CallLedger {
    /// Goes on where records were cut off.
    pub(crate) fn after(cut: &TrailCut) -> Self {
        Self { highest: cut.highest_call, open: cut.open_calls.iter().copied().collect(), ..Self::default() }
    }

    /// The highest number issued, and what is issued and not closed; `None` when that is too much to write down.
    pub(crate) fn standing(&self) -> Option<CallStanding> {
        let open = || self.open.iter().map(|(first, last)| (*first, *last)).collect();
        (self.open.len() <= STANDING_MAX).then(|| (self.highest, open()))
    }

    pub(crate) fn see(&mut self, event: &AuditEvent) {
        let Some(number) = event.call_number else { return };
        match event.kind {
            AuditKind::ServerStarted => self.start_run(number),
            AuditKind::InvocationRefused | AuditKind::InvocationFinished | AuditKind::InvocationAbandoned => {
                self.issued(number);
                self.close(number);
            }
            _ => self.issued(number),
        }
    }

    pub(crate) fn report(mut self) -> CallReport {
        self.give_up_open();
        CallReport {
            complete: self.unfinished.count == 0 && self.repeated == 0,
            finished: self.finished,
            unfinished_count: self.unfinished.count,
            unfinished: self.unfinished.ranges,
            repeated: self.repeated,
        }
    }

    /// A new run: what the old one left open stays open for ever, what it never showed was only reserved.
    fn start_run(&mut self, first: u64) {
        self.give_up_open();
        let before = first.saturating_sub(1);
        if before < self.highest {
            self.repeated = self.repeated.saturating_add(1);
        }
        self.highest = self.highest.max(before);
    }

    /// Numbers are issued in order, so one that is seen proves all below it.
    fn issued(&mut self, number: u64) {
        if number <= self.highest {
            return;
        }
        self.open.insert(self.highest.saturating_add(1), number);
        self.highest = number;
        if self.open.len() > OPEN_MAX
            && let Some((first, last)) = self.open.pop_first()
        {
            self.unfinished.add(NumberRange { first, last });
        }
    }

    fn close(&mut self, number: u64) {
        let range = self.open.range(..=number).next_back().map(|(first, last)| (*first, *last));
        let Some((first, last)) = range.filter(|(_, last)| number <= *last) else {
            self.repeated = self.repeated.saturating_add(1);
            return;
        };
        self.open.remove(&first);
        if first < number {
            self.open.insert(first, number.saturating_sub(1));
        }
        if number < last {
            self.open.insert(number.saturating_add(1), last);
        }
        self.finished = self.finished.saturating_add(1);
    }

    fn give_up_open(&mut self) {
        for (first, last) in std::mem::take(&mut self.open) {
            self.unfinished.add(NumberRange { first, last });
        }
    }
}
