//! The writer thread: group commit, what a full disk holds up, and the end of all writing after any other failure.

mod full_disk;
mod jobs;

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rusqlite::{Connection, wal::CheckpointMode};

use jobs::{Done, refuse, run_job};

use crate::{
    Checkpoint, StoreError,
    backlog::Group,
    chain::{Chain, Tx},
    database::WRITER_BUSY_MAX,
    error::is_full,
    queue::{Append, Job, Queue},
    relay::Answers,
    reserve::Reserve,
    room::Room,
};

/// Most jobs in one transaction, so that no answer waits for an endless group.
const GROUP_MAX: usize = 512;

/// Pages (4 KiB) that the write-ahead log may gain before it is copied into the database, 16 MiB.
const WAL_PAGES_MAX: i32 = 4_096;

/// When a log that could not be cut is tried again.
const CUT_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How long a store that closes still waits for a lock that another process holds.
const CLOSING_PATIENCE: Duration = Duration::from_secs(20);

/// Starts the thread that owns the only writing connection.
pub(crate) fn start(
    connection: Connection,
    queue: &Arc<Queue>,
    reserve: Reserve,
) -> Result<JoinHandle<()>, StoreError> {
    let mut writer = GroupWriter::new(connection, queue, reserve)?;
    thread::Builder::new()
        .name("airlock-store-writer".to_owned())
        .spawn(move || writer.run())
        .map_err(StoreError::io("start the thread", "airlock-store-writer"))
}

struct GroupWriter {
    connection: Connection,
    chain: Chain,
    queue: Arc<Queue>,
    pending: VecDeque<Job>,
    group: Vec<Done>,
    /// Where the chain ended before the open group.
    before_group: Checkpoint,
    room: Room,
    closing_since: Option<Instant>,
    wal_pages: Arc<AtomicI32>,
    wal_pages_copied: i32,
    /// When the log could not be cut.
    not_cut_since: Option<Instant>,
}

impl GroupWriter {
    fn new(mut connection: Connection, queue: &Arc<Queue>, reserve: Reserve) -> Result<Self, StoreError> {
        let chain = Chain::open(&connection)?;
        let wal_pages = Arc::new(AtomicI32::new(0));
        let seen = Arc::clone(&wal_pages);
        let hook = move |_: &mut rusqlite::hooks::Wal, pages| {
            seen.store(pages, Ordering::Relaxed);
            Ok(())
        };
        connection.wal_hook(Some(hook)).map_err(StoreError::sqlite("watch the log"))?;
        Ok(Self {
            connection,
            before_group: chain.head,
            chain,
            room: Room::new(reserve, queue),
            queue: Arc::clone(queue),
            closing_since: None,
            pending: VecDeque::new(),
            group: Vec::new(),
            wal_pages,
            wal_pages_copied: 0,
            not_cut_since: None,
        })
    }

    fn run(&mut self) {
        // However this thread ends, nobody may wait for it afterwards.
        let _end = CloseOnDrop(Arc::clone(&self.queue));
        while self.queue.take_all(&mut self.pending) {
            if let Err(error) = self.commit_all() {
                return self.stop(&error);
            }
        }
        if let Err(error) = self.fold_usage().and_then(|()| self.copy_log(CheckpointMode::TRUNCATE)) {
            tracing::error!(error = error.with_causes(), "could not tidy the state database while closing");
        }
    }

    fn commit_all(&mut self) -> Result<(), StoreError> {
        while !self.pending.is_empty() {
            match self.commit_group() {
                Err(StoreError::DiskFull) => self.outlast_full_disk()?,
                committed => committed?,
            }
        }
        self.look_for_room()
    }

    /// One transaction for as many jobs as wait; answers them when it is durable.
    fn commit_group(&mut self) -> Result<(), StoreError> {
        let began = Instant::now();
        self.transact()?;
        self.queue.committed(Group { jobs: self.group.len(), took: began.elapsed() });
        let mut answers = Answers::default();
        for done in self.group.drain(..) {
            done.finish(Ok(()), &mut answers);
        }
        answers.send();
        self.cut_log_of_erased()?;
        self.copy_log_if_long()
    }

    /// What was erased is in the log as it was until the log is cut. A reader in it delays that to a later group, and no call.
    fn cut_log_of_erased(&mut self) -> Result<(), StoreError> {
        let is_early = self.not_cut_since.is_some_and(|since| since.elapsed() < CUT_AGAIN_AFTER);
        if !self.chain.log_has_erased || is_early {
            return Ok(());
        }
        let patience = |timeout| self.connection.busy_timeout(timeout).map_err(StoreError::sqlite("set a time-out"));
        patience(Duration::ZERO)?;
        let is_cut = self.copy_log(CheckpointMode::TRUNCATE)?;
        patience(WRITER_BUSY_MAX)?;
        self.chain.log_has_erased = !is_cut;
        self.not_cut_since = (!is_cut).then(Instant::now);
        Ok(())
    }

    /// The log starts over by itself after a copy, unless a reader is in it; then it grows on until the next time.
    fn copy_log_if_long(&mut self) -> Result<(), StoreError> {
        let pages = self.wal_pages.load(Ordering::Relaxed);
        if pages < self.wal_pages_copied {
            self.wal_pages_copied = 0;
        }
        if pages.saturating_sub(self.wal_pages_copied) < WAL_PAGES_MAX {
            return Ok(());
        }
        self.wal_pages_copied = pages;
        self.copy_log(CheckpointMode::PASSIVE).map(|_| ())
    }

    fn transact(&mut self) -> Result<(), StoreError> {
        self.before_group = self.chain.head;
        self.begin()?;
        {
            let mut tx = Tx::new(&self.connection, &mut self.chain)?;
            while self.group.len() < GROUP_MAX
                && let Some(job) = self.pending.pop_front()
            {
                let done = run_job(&mut tx, job);
                let spoiled = done.spoiled().cloned();
                self.group.push(done);
                if let Some(error) = spoiled {
                    return Err(error);
                }
            }
            tx.index()?;
        }
        self.chain.usage.close_group(&self.connection, self.chain.head)?;
        run_sql(&self.connection, "COMMIT", "commit")
    }

    /// What the next start would have to read from the trail. Nothing is lost when it has to.
    fn fold_usage(&mut self) -> Result<(), StoreError> {
        if !self.chain.usage.is_behind(self.chain.head) {
            return Ok(());
        }
        self.begin()?;
        self.chain.usage.fold(&self.connection, self.chain.head.seq)?;
        run_sql(&self.connection, "COMMIT", "commit")
    }

    /// Begins a transaction, waiting for whoever holds the lock: nothing is written yet, so nothing is in doubt, and no
    /// event may be lost. Callers are not kept waiting that long. A store that closes gives up in the end.
    fn begin(&mut self) -> Result<(), StoreError> {
        loop {
            let begun = run_sql(&self.connection, "BEGIN IMMEDIATE", "begin a transaction");
            let held = begun.as_ref().is_err_and(StoreError::is_lock) && self.is_patient();
            if self.queue.set_held(held) != held {
                match held {
                    true => tracing::error!("{}; no call is taken until then", StoreError::Held),
                    false => tracing::info!("the state database is free again; calls are taken"),
                }
            }
            if !held {
                return begun;
            }
            self.release_callers(&StoreError::Held);
        }
    }

    /// Whether to wait for what others have to do. A store that closes does not do so for ever.
    fn is_patient(&mut self) -> bool {
        if self.queue.closed().is_some() {
            self.closing_since.get_or_insert_with(Instant::now);
        }
        self.closing_since.is_none_or(|since| since.elapsed() < CLOSING_PATIENCE)
    }

    /// Tells everybody who waits for an event that it is not durable. The events stay, to be written when that is possible.
    fn release_callers(&mut self, why: &StoreError) {
        self.queue.take_more(&mut self.pending);
        let mut answers = Answers::default();
        for job in &mut self.pending {
            if let Job::Append(Append { reply, relay, .. }) = job
                && let Some(reply) = reply.take()
            {
                answers.add(relay.take(), reply, Err(why.clone()));
            }
        }
        answers.send();
    }

    /// Copies what it can without waiting for readers; the rest stays for the next time. So does all of it when the database
    /// cannot grow: the log still has everything. Gives whether nothing stayed.
    fn copy_log(&self, mode: CheckpointMode) -> Result<bool, StoreError> {
        match self.connection.wal_checkpoint_v2(None::<&str>, mode) {
            Ok(_) => Ok(true),
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => Ok(false),
            Err(error) if is_full(&error) => {
                tracing::warn!(
                    "the disk is too full to copy the log into the state database; it grows until there is room"
                );
                Ok(false)
            }
            Err(error) => Err(StoreError::sqlite("copy the log into the database")(error)),
        }
    }

    /// After a failed write nobody knows what the file holds: the kernel may have dropped the very pages that a second
    /// fsync would then report as written. So nothing is rolled back, retried or copied; everybody is told.
    fn stop(&mut self, error: &StoreError) {
        let cause = error.with_causes();
        tracing::error!(error = cause, "the state database failed; no call is taken any more");
        let unavailable = StoreError::unavailable(cause);
        self.queue.close(unavailable.clone());
        let mut answers = Answers::default();
        for done in self.group.drain(..) {
            done.finish(Err(unavailable.clone()), &mut answers);
        }
        answers.send();
        loop {
            for job in self.pending.drain(..) {
                refuse(job, &unavailable);
            }
            if !self.queue.take_all(&mut self.pending) {
                return;
            }
        }
    }
}

/// Closes the queue when the writer thread ends, by a panic too.
struct CloseOnDrop(Arc<Queue>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        let ended = StoreError::unavailable("the writer thread ended");
        self.0.close(ended.clone());
        let mut rest = VecDeque::new();
        while self.0.take_all(&mut rest) {
            for job in rest.drain(..) {
                refuse(job, &ended);
            }
        }
    }
}

fn run_sql(connection: &Connection, sql: &str, doing: &'static str) -> Result<(), StoreError> {
    let run = || connection.prepare_cached(sql)?.execute([]);
    run().map(|_| ()).map_err(StoreError::sqlite(doing))
}
