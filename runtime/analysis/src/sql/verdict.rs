//! Gathers the class of a statement while it is walked: the worst of everything found.

use std::collections::BTreeSet;

use airlock_model::{StatementClass, StatementReport};

/// Reasons beyond this many add nothing for a reader.
const REASONS_MAX: usize = 16;
const SHOWN_CHARS_MAX: usize = 100;

/// The verdict so far.
#[derive(Debug)]
pub(super) struct Verdict {
    class: StatementClass,
    because: Vec<String>,
    tables: BTreeSet<String>,
    unknown_calls: BTreeSet<String>,
}

impl Verdict {
    pub(super) fn new() -> Self {
        Self {
            class: StatementClass::Read,
            because: Vec::new(),
            tables: BTreeSet::new(),
            unknown_calls: BTreeSet::new(),
        }
    }

    /// Makes the class at least `class`, and keeps the reason unless it is `Read`.
    pub(super) fn raise(&mut self, class: StatementClass, reason: impl Into<String>) {
        if rank(class) > rank(self.class) {
            self.class = class;
        }
        let reason = reason.into();
        if class != StatementClass::Read && self.because.len() < REASONS_MAX && !self.because.contains(&reason) {
            self.because.push(reason);
        }
    }

    /// Something runs that may have an effect beyond the transaction.
    pub(super) fn runs_unknown(&mut self, name: &str) {
        if self.unknown_calls.len() < REASONS_MAX {
            self.unknown_calls.insert(shown(name));
        }
    }

    pub(super) fn table(&mut self, name: impl Into<String>) {
        self.tables.insert(name.into());
    }

    pub(super) fn into_report(self) -> StatementReport {
        StatementReport {
            class: self.class,
            tables: self.tables.into_iter().collect(),
            because: self.because,
            unknown_calls: self.unknown_calls.into_iter().collect(),
        }
    }
}

/// From harmless to worst.
const fn rank(class: StatementClass) -> u8 {
    match class {
        StatementClass::Read => 0,
        StatementClass::Write => 1,
        StatementClass::Ddl => 2,
        StatementClass::Session => 3,
        StatementClass::Admin => 4,
        StatementClass::Forbidden => 5,
    }
}

/// A name cut to a length that fits a message.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(SHOWN_CHARS_MAX).collect()
}
