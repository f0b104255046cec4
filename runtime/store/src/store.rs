//! The store: one state directory, held by one process.

use std::{future::Future, ops::Deref, path::Path, sync::Arc, thread::JoinHandle};

use airlock_model::{AuditEvent, AuditKind};
use tokio::sync::oneshot;

use crate::{
    Appended, Reader, StoreError, StoreOptions,
    artifacts::Artifacts,
    calls::CallNumbers,
    chain::Tx,
    database, files,
    lock::DirectoryLock,
    options::SyncMode,
    queue::{Append, Job, Queue, Urgency, settle},
    relay::Relays,
    reserve::Reserve,
    space::SpaceWatch,
    writer,
};

/// A state directory open for reading and writing; it reads like a [`Reader`].
///
/// Dropping it writes out what is queued, waits for that, and then lets go of the directory.
pub struct Store {
    reader: Reader,
    pub(crate) artifacts: Arc<Artifacts>,
    pub(crate) queue: Arc<Queue>,
    relays: Relays,
    calls: Arc<CallNumbers>,
    pub(crate) space: Arc<SpaceWatch>,
    writer: Option<JoinHandle<()>>,
    // INVARIANT: the last field, so that the directory is free only after everything else is closed.
    _lock: DirectoryLock,
}

impl Store {
    /// Opens a state directory with the settings of a server.
    ///
    /// # Errors
    /// As [`Store::open_with`].
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_with(dir, StoreOptions::default())
    }

    /// Opens a state directory, creating and migrating what is missing. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process holds it, [`StoreError::Schema`] when a newer program wrote it,
    /// [`StoreError::Io`] and [`StoreError::Sqlite`] when the files cannot be used, [`StoreError::DiskFull`].
    pub fn open_with(dir: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        files::create_dir(dir)?;
        let lock = DirectoryLock::take(dir)?;
        if options.sync == SyncMode::OffForBenchmarksOnly {
            tracing::warn!(
                "the audit trail does not wait for the disk: a power cut loses records; for benchmarks only"
            );
        }
        let reserve = Reserve::open(dir, options.reserve_bytes)?;
        let connection = database::open_writer(dir, options.sync)?;
        let calls = CallNumbers::open(&connection)?;
        let reader = Reader::open(dir, options.readers)?;
        let artifacts = Arc::new(Artifacts::open(dir)?);
        let queue = Arc::new(Queue::new());
        let writer = Some(writer::start(connection, &queue, reserve)?);
        let space = Arc::new(SpaceWatch::new(dir, options.free_bytes_min));
        Ok(Self { reader, artifacts, queue, relays: Relays::default(), calls, space, writer, _lock: lock })
    }

    /// Opens a state directory for reading only, whether or not a server runs on it.
    ///
    /// # Errors
    /// [`StoreError::Schema`] when another version of the program wrote it, [`StoreError::Io`] when there is none.
    pub fn open_read_only(dir: &Path) -> Result<Reader, StoreError> {
        Reader::open(dir, std::num::NonZeroUsize::MIN)
    }

    /// Whether a new call may start: records can be written, and there is room to close what is open.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] for good, [`StoreError::DiskLow`] and [`StoreError::DiskFull`] until space is freed,
    /// [`StoreError::Held`] until another process lets go of the database.
    pub fn ready(&self) -> Result<(), StoreError> {
        match self.queue.obstacle() {
            Some(error) => Err(error),
            None => self.space.check(),
        }
    }

    /// The reading half.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Appends an event; resolves when it is on disk, and with it everything queued before it.
    ///
    /// The event takes its place at the call, not at the first poll, and keeps it when the future is dropped.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] after a failed write, [`StoreError::Busy`] when 65,536 jobs wait. With
    /// [`StoreError::DiskFull`] and [`StoreError::Held`] the event is not durable yet; it keeps its place and is written when
    /// it can be.
    pub fn append(&self, event: AuditEvent) -> impl Future<Output = Result<Appended, StoreError>> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        let job = Job::Append(Append { event: Box::new(event), reply: Some(reply), relay: self.relays.here() });
        let queued = self.queue.push(job, Urgency::Awaited);
        settle(queued, answer)
    }

    /// Queues an event in order without waiting for the disk, which it reaches within about ten milliseconds or with the
    /// next [`Store::append`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] after a failed write. [`StoreError::Busy`] at once, never a wait, when 16,384 jobs
    /// wait: the caller is a host call, which is then denied, so nothing happens that is not recorded.
    pub fn enqueue(&self, event: AuditEvent) -> Result<(), StoreError> {
        self.queue.push(Job::Append(Append { event: Box::new(event), reply: None, relay: None }), Urgency::Unawaited)
    }

    /// As [`Store::enqueue`], for a record that closes an open one: it takes the room that is kept for those.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] after a failed write; [`StoreError::Busy`] only when 65,536 jobs wait.
    pub fn enqueue_closing(&self, event: AuditEvent) -> Result<(), StoreError> {
        self.queue.push(Job::Append(Append { event: Box::new(event), reply: None, relay: None }), Urgency::Closing)
    }

    /// The next call number: never issued before, also not before a crash. Does not wait.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Busy`] when no further block of numbers could be reserved.
    pub fn next_call_number(&self) -> Result<u64, StoreError> {
        self.calls.next(&self.queue)
    }

    /// The event to append first after opening: it says from which call number on this run counts.
    #[must_use]
    pub fn server_started_event(&self, time_unix_ms: u64) -> AuditEvent {
        let first = self.calls.first();
        let message =
            format!("call numbers of this run start at {first}; unused ones below were reserved by runs before");
        let mut event = AuditEvent::new(AuditKind::ServerStarted, time_unix_ms);
        event.call_number = Some(first);
        event.message = Some(message);
        event
    }

    /// Runs `work` inside a group's transaction; resolves when it is on disk.
    pub(crate) fn write<T, F>(&self, work: F) -> impl Future<Output = Result<T, StoreError>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.queue.write(work)
    }
}

/// A store is a reader that can also write: everything that reads is written once.
impl Deref for Store {
    type Target = Reader;
    fn deref(&self) -> &Reader {
        &self.reader
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.queue.close(StoreError::unavailable("the store is closing"));
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the writer thread of the state database panicked");
        }
    }
}
