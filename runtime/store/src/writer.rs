//! The writer thread: group commit, and the end of all writing after the first failure.

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

use crate::{
    Appended, StoreError,
    backlog::Group,
    chain::{Chain, Tx},
    queue::{Append, Job, Queue, Write},
    relay::Answers,
};

/// Most jobs in one transaction, so that no answer waits for an endless group.
const GROUP_MAX: usize = 512;

/// Pages (4 KiB) that the write-ahead log may gain before it is copied into the database, 16 MiB.
const WAL_PAGES_MAX: i32 = 4_096;

/// How long a store that closes still waits for a lock that another process holds.
const CLOSING_PATIENCE: Duration = Duration::from_secs(20);

/// Starts the thread that owns the only writing connection.
pub(crate) fn start(connection: Connection, queue: &Arc<Queue>) -> Result<JoinHandle<()>, StoreError> {
    let mut writer = GroupWriter::new(connection, queue)?;
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
    wal_pages: Arc<AtomicI32>,
    wal_pages_copied: i32,
}

/// A job of the open group that ran, and how.
enum Done {
    Append(Append, Result<Appended, StoreError>),
    Write(Box<dyn Write>, Result<(), StoreError>),
}

impl Done {
    /// The failure that ends the group, if this job met one.
    fn spoiled(&self) -> Option<&StoreError> {
        let error = match self {
            Self::Append(_, result) => result.as_ref().err(),
            Self::Write(_, result) => result.as_ref().err(),
        };
        error.filter(|error| error.spoils_the_file())
    }

    fn finish(self, committed: Result<(), StoreError>, answers: &mut Answers) {
        match self {
            Self::Append(Append { reply: Some(reply), relay, .. }, result) => {
                answers.add(relay, reply, committed.and(result));
            }
            Self::Append(Append { reply: None, .. }, _) => {}
            Self::Write(job, result) => job.finish(committed.and(result)),
        }
    }
}

impl GroupWriter {
    fn new(mut connection: Connection, queue: &Arc<Queue>) -> Result<Self, StoreError> {
        let chain = Chain::open(&connection)?;
        let wal_pages = Arc::new(AtomicI32::new(0));
        let seen = Arc::clone(&wal_pages);
        let hook = move |_: &mut rusqlite::hooks::Wal, pages| {
            seen.store(pages, Ordering::Relaxed);
            Ok(())
        };
        connection.wal_hook(Some(hook)).map_err(StoreError::sqlite("watch the log"))?;
        let queue = Arc::clone(queue);
        Ok(Self {
            connection,
            chain,
            queue,
            pending: VecDeque::new(),
            group: Vec::new(),
            wal_pages,
            wal_pages_copied: 0,
        })
    }

    fn run(&mut self) {
        // However this thread ends, nobody may wait for it afterwards.
        let _end = CloseOnDrop(Arc::clone(&self.queue));
        while self.queue.take_all(&mut self.pending) {
            while !self.pending.is_empty() {
                if let Err(error) = self.commit_group() {
                    return self.stop(&error);
                }
            }
        }
        if let Err(error) = self.copy_log(CheckpointMode::TRUNCATE) {
            tracing::error!(error = error.with_causes(), "could not tidy the state database while closing");
        }
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
        self.copy_log_if_long()
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
        self.copy_log(CheckpointMode::PASSIVE)
    }

    fn transact(&mut self) -> Result<(), StoreError> {
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
        }
        run_sql(&self.connection, "COMMIT", "commit")
    }

    /// Begins a transaction, waiting for whoever holds the lock: nothing is written yet, so nothing is in doubt, and no
    /// event may be lost. Callers are not kept waiting that long. A store that closes gives up in the end.
    fn begin(&mut self) -> Result<(), StoreError> {
        let mut closing_since = None;
        loop {
            let begun = run_sql(&self.connection, "BEGIN IMMEDIATE", "begin a transaction");
            if self.queue.closed().is_some() {
                closing_since.get_or_insert_with(Instant::now);
            }
            let patient = closing_since.is_none_or(|since| since.elapsed() < CLOSING_PATIENCE);
            let held = begun.as_ref().is_err_and(StoreError::is_lock) && patient;
            if self.queue.set_held(held) != held {
                match held {
                    true => tracing::error!("{}; no call is taken until then", StoreError::Held),
                    false => tracing::info!("the state database is free again; calls are taken"),
                }
            }
            if !held {
                return begun;
            }
            self.release_callers();
        }
    }

    /// Tells everybody who waits for an event that it is not durable. The events stay, to be written when that is possible.
    fn release_callers(&mut self) {
        self.queue.take_more(&mut self.pending);
        let mut answers = Answers::default();
        for job in &mut self.pending {
            if let Job::Append(Append { reply, relay, .. }) = job
                && let Some(reply) = reply.take()
            {
                answers.add(relay.take(), reply, Err(StoreError::Held));
            }
        }
        answers.send();
    }

    /// Copies what it can without waiting for readers; the rest stays for the next time.
    fn copy_log(&self, mode: CheckpointMode) -> Result<(), StoreError> {
        match self.connection.wal_checkpoint_v2(None::<&str>, mode) {
            Ok(_) => Ok(()),
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => Ok(()),
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

fn refuse(job: Job, error: &StoreError) {
    let done = match job {
        Job::Append(append) => Done::Append(append, Err(error.clone())),
        Job::Write(write) => Done::Write(write, Err(error.clone())),
    };
    let mut answers = Answers::default();
    done.finish(Err(error.clone()), &mut answers);
    answers.send();
}

fn run_job(tx: &mut Tx<'_>, job: Job) -> Done {
    match job {
        Job::Append(append) => {
            let result = tx.record(&append.event);
            Done::Append(append, result)
        }
        Job::Write(mut write) => {
            let result = run_alone(tx, write.as_mut());
            Done::Write(write, result)
        }
    }
}

/// Runs a job behind a savepoint: when it fails, its neighbours in the group do not.
fn run_alone(tx: &mut Tx<'_>, write: &mut dyn Write) -> Result<(), StoreError> {
    let head = tx.head();
    run_sql(tx.connection, "SAVEPOINT job", "open a savepoint")?;
    let result = write.run(tx);
    match &result {
        Ok(()) => {}
        Err(error) if error.spoils_the_file() => return result,
        Err(_) => {
            tx.rewind(head);
            run_sql(tx.connection, "ROLLBACK TO job", "undo a job")?;
        }
    }
    run_sql(tx.connection, "RELEASE job", "close a savepoint")?;
    result
}

fn run_sql(connection: &Connection, sql: &str, doing: &'static str) -> Result<(), StoreError> {
    let run = || connection.prepare_cached(sql)?.execute([]);
    run().map(|_| ()).map_err(StoreError::sqlite(doing))
}
