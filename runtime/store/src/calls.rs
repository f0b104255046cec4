//! Call numbers: issued before a call runs, so that a call which leaves no record leaves a hole.
//!
//! Numbers are reserved on disk in blocks before any of a block is issued, and a start goes on above everything ever
//! reserved, so no number is used twice, whatever the crash. A start therefore leaves numbers behind that nobody used. The
//! `server_started` record explains them: its `call_number` is the first number of its run, and what lies between that and
//! the highest number recorded before it was reserved and left behind. Any call that touched a resource recorded an
//! intent with its number first, so no effect can hide there.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use rusqlite::{Connection, OptionalExtension as _};

use crate::{
    StoreError,
    chain::{Tx, stored_number},
    queue::{Job, Queue, Urgency, Write},
};

/// Numbers reserved at a time: about a second's worth at full load, so that the next block is durable in time.
pub(crate) const BLOCK: u64 = 65_536;

const COUNTER: &str = "call_numbers_reserved";

/// Issues call numbers.
pub(crate) struct CallNumbers {
    first: u64,
    next: AtomicU64,
    /// The last number that may be issued: durable on disk.
    reserved: AtomicU64,
    extending: AtomicBool,
}

impl CallNumbers {
    /// Reserves the first block of this run, durably.
    pub(crate) fn open(connection: &Connection) -> Result<Arc<Self>, StoreError> {
        let before = reserved(connection)?;
        let first = before.saturating_add(1);
        let reserved = before.saturating_add(BLOCK);
        reserve(connection, reserved)?;
        Ok(Arc::new(Self {
            first,
            next: AtomicU64::new(first),
            reserved: AtomicU64::new(reserved),
            extending: AtomicBool::new(false),
        }))
    }

    /// The first number of this run.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// The next number. Half a block before the end it asks the writer for another.
    pub(crate) fn next(self: &Arc<Self>, queue: &Queue) -> Result<u64, StoreError> {
        let reserved = self.reserved.load(Ordering::Acquire);
        let step = |next: u64| (next <= reserved).then(|| next.saturating_add(1));
        let issued = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
        let low = issued.map_or(true, |number| reserved.saturating_sub(number) < BLOCK / 2);
        if low && !self.extending.swap(true, Ordering::AcqRel) {
            let job = Extend { numbers: Arc::clone(self), to: reserved.saturating_add(BLOCK) };
            if let Err(error) = queue.push(Job::Write(Box::new(job)), Urgency::Awaited) {
                self.extending.store(false, Ordering::Release);
                return issued.map_err(|_| error);
            }
        }
        issued.map_err(|_| queue.pressure())
    }
}

struct Extend {
    numbers: Arc<CallNumbers>,
    to: u64,
}

impl Write for Extend {
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        reserve(tx.connection, self.to)
    }

    fn can_run_again(&self) -> bool {
        true
    }

    /// Whoever needs a number asks again.
    fn is_awaited(&self) -> bool {
        true
    }

    fn finish(self: Box<Self>, committed: Result<(), StoreError>) {
        if committed.is_ok() {
            self.numbers.reserved.store(self.to, Ordering::Release);
        }
        self.numbers.extending.store(false, Ordering::Release);
    }
}

fn reserved(connection: &Connection) -> Result<u64, StoreError> {
    let sql = "SELECT value FROM counters WHERE name = ?1";
    let value: Option<i64> = connection
        .query_row(sql, [COUNTER], |row| row.get(0))
        .optional()
        .map_err(StoreError::sqlite("read the call numbers"))?;
    u64::try_from(value.unwrap_or(0)).map_err(|_| StoreError::corrupt("the counter of call numbers"))
}

fn reserve(connection: &Connection, to: u64) -> Result<(), StoreError> {
    let sql =
        "INSERT INTO counters (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute((COUNTER, stored_number(to))))
        .map(|_| ())
        .map_err(StoreError::sqlite("reserve call numbers"))
}
