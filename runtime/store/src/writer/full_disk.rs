//! What the writer does when the disk is full: nothing is in doubt then, so nothing ends.

use std::{mem, thread};

use super::{GroupWriter, jobs::Done, run_sql};
use crate::{StoreError, queue::Job, room::LOOK_EVERY};

impl GroupWriter {
    /// SQLite had no room for all of the group, so it is no transaction, and the next one is written over what there is of it. It is
    /// tried again, with the room that was kept for it or when there is some.
    pub(super) fn outlast_full_disk(&mut self) -> Result<(), StoreError> {
        self.undo_group()?;
        if self.room.make() {
            return Ok(());
        }
        if !self.is_patient() {
            return Err(StoreError::DiskFull);
        }
        self.release_callers(&StoreError::DiskFull);
        self.refuse_awaited_writes();
        thread::sleep(LOOK_EVERY);
        Ok(())
    }

    /// Events go back to where they were. So does what can be done again; the rest is refused, and nothing of it happened.
    fn undo_group(&mut self) -> Result<(), StoreError> {
        if !self.connection.is_autocommit() {
            run_sql(&self.connection, "ROLLBACK", "undo a group")?;
        }
        self.chain.rewind(self.before_group);
        self.chain.usage.restore(&self.connection, self.before_group)?;
        for done in self.group.drain(..).rev() {
            match done {
                Done::Append(append, _) => self.pending.push_front(Job::Append(append)),
                Done::Write(write, _) if write.can_run_again() => self.pending.push_front(Job::Write(write)),
                Done::Write(write, _) => write.finish(Err(StoreError::DiskFull)),
            }
        }
        Ok(())
    }

    /// Calls begin again when the room for their records is kept and a small write is on disk.
    pub(super) fn look_for_room(&mut self) -> Result<(), StoreError> {
        if !self.room.is_to_look() || !self.room.take() {
            return Ok(());
        }
        match self.probe() {
            Ok(()) => self.room.is_back(),
            Err(StoreError::DiskFull) => {
                self.undo_group()?;
                self.room.make();
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// A value that changes each time: SQLite does not write what is there already.
    fn probe(&mut self) -> Result<(), StoreError> {
        self.before_group = self.chain.head;
        self.begin()?;
        let sql = "INSERT INTO counters (name, value) VALUES ('room_found', 1) \
                   ON CONFLICT (name) DO UPDATE SET value = value + 1";
        run_sql(&self.connection, sql, "look for room")?;
        run_sql(&self.connection, "COMMIT", "commit")
    }

    /// Whoever waits for more than an event is told soon; what nobody waits for stays.
    fn refuse_awaited_writes(&mut self) {
        for job in mem::take(&mut self.pending) {
            match job {
                Job::Write(write) if write.is_awaited() => write.finish(Err(StoreError::DiskFull)),
                job => self.pending.push_back(job),
            }
        }
    }
}
