//! The writer's part: gathers what records add, and folds it into the rows.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use airlock_model::AuditEvent;
use rusqlite::Connection;

use super::{Measures, contribution::Contribution, key::SharedKey, table};
use crate::{Checkpoint, StoreError, chain::stored_number, revisions::execute};

/// How often rows are written: so much of the trail is read again after a crash, and behind the rows by every report.
const FOLD_EVERY: Duration = Duration::from_secs(2);

/// Rows in memory. More of them are folded at once, so that nobody fills it by calling under many names. Tests
/// come to that at once.
const ROWS_MAX: usize = if cfg!(test) { 16 } else { 1_024 };

/// Records of the trail that a start counts in one transaction.
const CATCH_UP: u32 = 8_192;

/// What the records since the last fold add.
pub(crate) struct Ledger {
    /// Of jobs that may still be undone, with the numbers of their records.
    noted: Vec<(u64, Contribution)>,
    rows: HashMap<SharedKey, Measures>,
    /// The last record in the rows of the database.
    through: u64,
    folded_at: Instant,
}

impl Ledger {
    /// Goes on where the rows of the database end, reading what the trail has behind that. Blocks, for as long as it takes to read
    /// two seconds of records, or all of them the first time.
    pub(crate) fn open(connection: &Connection, head: Checkpoint) -> Result<Self, StoreError> {
        let through = table::through(connection)?;
        let mut ledger = Self { noted: Vec::new(), rows: HashMap::new(), through, folded_at: Instant::now() };
        if through > head.seq {
            tracing::error!(
                through,
                head = head.seq,
                "usage was counted beyond the end of the trail, which was cut off"
            );
            ledger.through = head.seq;
        }
        while ledger.through < head.seq {
            execute(connection, "BEGIN IMMEDIATE", [])?;
            let through = ledger.catch_up(connection, ledger.through, head.seq)?;
            ledger.fold(connection, through)?;
            execute(connection, "COMMIT", [])?;
        }
        Ok(ledger)
    }

    /// Takes in the next records of the trail. Says which is the last that is in.
    fn catch_up(&mut self, connection: &Connection, from: u64, end: u64) -> Result<u64, StoreError> {
        let (rows, mut read, mut last) = (&mut self.rows, 0, from);
        table::each_record(connection, from, CATCH_UP, |seq, contribution| {
            (read, last) = (read + 1, seq);
            if let Some(contribution) = contribution {
                add(rows, contribution);
            }
        })?;
        Ok(if read < CATCH_UP { end } else { last })
    }

    /// Reads anew what it knew at a record: a transaction was undone in which it may have settled or folded.
    pub(crate) fn restore(&mut self, connection: &Connection, head: Checkpoint) -> Result<(), StoreError> {
        self.noted.clear();
        self.rows.clear();
        self.through = table::through(connection)?;
        let mut position = self.through;
        while position < head.seq {
            position = self.catch_up(connection, position, head.seq)?;
        }
        Ok(())
    }

    /// Notes what a record adds, once it is certain that the record stays.
    pub(crate) fn note(&mut self, seq: u64, event: &AuditEvent) {
        if let Some(contribution) = Contribution::of(event) {
            self.noted.push((seq, contribution));
        }
    }

    /// Forgets records that were undone.
    pub(crate) fn forget_after(&mut self, seq: u64) {
        while self.noted.last().is_some_and(|(noted, _)| *noted > seq) {
            self.noted.pop();
        }
    }

    fn settle(&mut self) {
        self.noted.drain(..).for_each(|(_, contribution)| add(&mut self.rows, contribution));
    }

    /// At the end of a group, in its transaction: writes what has gathered, when it is time to.
    pub(crate) fn close_group(&mut self, connection: &Connection, head: Checkpoint) -> Result<(), StoreError> {
        self.settle();
        if self.rows.len() < ROWS_MAX && self.folded_at.elapsed() < FOLD_EVERY {
            return Ok(());
        }
        self.fold(connection, head.seq)
    }

    /// Writes everything that has gathered, jobs of the open group included. In the caller's transaction, which must not go on when this
    /// fails.
    pub(crate) fn fold_all(&mut self, connection: &Connection, head: Checkpoint) -> Result<(), StoreError> {
        self.settle();
        self.fold(connection, head.seq)
    }

    /// Counts the hours from that one on anew, from all records that are there. In the caller's transaction, which must not go on
    /// when this fails.
    pub(crate) fn count_anew(
        &mut self,
        connection: &Connection,
        head: Checkpoint,
        first_hour: u64,
    ) -> Result<(), StoreError> {
        // What is in memory may be of hours that are left as they are. Records of this group are in the trail already.
        self.fold_all(connection, head)?;
        execute(connection, "DELETE FROM usage WHERE hour >= ?1", [stored_number(first_hour)])?;
        let mut after = 0;
        loop {
            let (rows, before) = (&mut self.rows, after);
            table::each_record(connection, before, CATCH_UP, |seq, contribution| {
                after = seq;
                if let Some(contribution) = contribution.filter(|one| one.key.hour >= first_hour) {
                    add(rows, contribution);
                }
            })?;
            self.fold(connection, head.seq)?;
            if after == before {
                return Ok(());
            }
        }
    }

    /// Whether the rows of the database hold less than the trail.
    pub(crate) fn is_behind(&self, head: Checkpoint) -> bool {
        self.through < head.seq
    }

    #[cfg(test)]
    pub(crate) fn rows_in_memory(&self) -> usize {
        self.rows.len()
    }

    /// Writes what has gathered, and up to where that is. In the caller's transaction.
    pub(crate) fn fold(&mut self, connection: &Connection, through: u64) -> Result<(), StoreError> {
        for (key, measures) in self.rows.drain() {
            table::add(connection, key.hour, &key.to_key(), measures)?;
        }
        table::set_through(connection, through)?;
        (self.through, self.folded_at) = (through, Instant::now());
        Ok(())
    }
}

fn add(rows: &mut HashMap<SharedKey, Measures>, contribution: Contribution) {
    match rows.get_mut(&contribution.key) {
        Some(measures) => contribution.add_to(measures),
        None => {
            let mut measures = Measures::default();
            let key = contribution.key.clone();
            contribution.add_to(&mut measures);
            rows.insert(key, measures);
        }
    }
}
