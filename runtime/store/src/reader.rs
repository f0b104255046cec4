//! Reads: a small pool of threads, each with a connection that cannot write.

use std::{
    num::NonZeroUsize,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
};

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::{StoreError, database};

/// Reads that may wait for a thread.
const WAITING_MAX: usize = 1_024;

type Read = Box<dyn FnOnce(&Connection) + Send>;

/// Everything that can be read from a state directory. Works beside a running server and without one.
///
/// Dropping it waits for the reads that are under way.
pub struct Reader {
    jobs: Option<SyncSender<Read>>,
    threads: Vec<JoinHandle<()>>,
}

impl Reader {
    pub(crate) fn open(dir: &Path, threads: NonZeroUsize) -> Result<Self, StoreError> {
        let (jobs, waiting) = sync_channel(WAITING_MAX);
        let waiting = Arc::new(Mutex::new(waiting));
        let threads = (0..threads.get()).map(|_| start(dir, &waiting)).collect::<Result<_, _>>()?;
        Ok(Self { jobs: Some(jobs), threads })
    }

    /// Runs `work` on one of the threads. Dropping the future does not stop work that began.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let closed = || StoreError::unavailable("the reader threads ended");
        let (reply, answer) = oneshot::channel();
        // Nobody may be waiting any more.
        let read: Read = Box::new(move |connection| drop(reply.send(work(connection))));
        match self.jobs.as_ref().ok_or_else(closed)?.try_send(read) {
            Ok(()) => answer.await.map_err(|_| closed())?,
            Err(TrySendError::Full(_)) => Err(StoreError::Busy { queued: WAITING_MAX }),
            Err(TrySendError::Disconnected(_)) => Err(closed()),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Hanging up is what ends the threads.
        self.jobs = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a reader thread of the state database panicked");
            }
        }
    }
}

fn start(dir: &Path, waiting: &Arc<Mutex<Receiver<Read>>>) -> Result<JoinHandle<()>, StoreError> {
    let connection = database::open_reader(dir)?;
    let waiting = Arc::clone(waiting);
    let serve = move || {
        loop {
            let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(read) = next else { return };
            read(&connection);
        }
    };
    let builder = thread::Builder::new().name("airlock-store-reader".to_owned());
    builder.spawn(serve).map_err(StoreError::io("start the thread", "airlock-store-reader"))
}
