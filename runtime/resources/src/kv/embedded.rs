//! The embedded store: one SQLite file for each binding, and only statements of our own.
//!
//! A change is on disk before it is answered (write-ahead log, `synchronous = FULL`), and made in one transaction of the
//! one writer, which is what makes `increment` and `compare-and-set` atomic. Work runs on tokio's blocking threads.

mod command;
mod connection;
mod read;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use airlock_model::{HostError, KvCommand, KvReply, ResourceName};
use tokio::{
    task::JoinError,
    time::{Instant, timeout, timeout_at},
};

use super::{Answer, Sharing, check::EmbeddedSettings, full, too_late, unknown_effect};
use crate::{KvRequest, places::Places};
use connection::{Connections, Fault};

/// Reads at a time, and how many of them one tenant's. There is one writer.
const READS: (usize, usize) = (4, 2);
const WRITES: (usize, usize) = (1, 1);
/// How long a call that is over waits to hear what became of its change.
const GRACE: Duration = Duration::from_millis(40);

/// One file and its connections.
#[derive(Debug)]
pub(crate) struct Embedded {
    resource: ResourceName,
    sharing: Sharing,
    value_bytes_max: u64,
    tenant_bytes_max: u64,
    connections: Arc<Connections>,
    reads: Places,
    writes: Places,
}

/// One command on its way to a thread.
struct Work {
    owner: String,
    command: KvCommand,
    tenant_bytes_max: u64,
    deadline: Instant,
    /// Set when nobody waits any more.
    is_over: Arc<AtomicBool>,
}

impl Work {
    fn is_over(&self) -> bool {
        self.is_over.load(Relaxed) || Instant::now() >= self.deadline
    }
}

/// Tells the thread when the call is dropped.
struct OverOnDrop(Arc<AtomicBool>);

impl Drop for OverOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

impl Embedded {
    pub(super) fn new(resource: ResourceName, settings: EmbeddedSettings) -> Self {
        Self {
            resource,
            sharing: settings.sharing,
            value_bytes_max: settings.value_bytes_max,
            tenant_bytes_max: settings.tenant_bytes_max,
            connections: Arc::new(Connections::new(settings.file, settings.file_bytes_max)),
            reads: Places::new(READS.0, READS.1),
            writes: Places::new(WRITES.0, WRITES.1),
        }
    }

    pub(super) fn value_bytes_max(&self) -> u64 {
        self.value_bytes_max
    }

    pub(super) async fn perform(&self, request: KvRequest) -> Answer {
        let KvRequest { tenant, command, deadline, .. } = request;
        let changes = command.changes();
        let places = if changes { &self.writes } else { &self.reads };
        let Ok(Some(place)) = timeout_at(deadline, places.take(&tenant)).await else {
            return Err(too_late(&self.resource));
        };
        let is_over = Arc::new(AtomicBool::new(false));
        let _over_on_drop = OverOnDrop(Arc::clone(&is_over));
        let owner = self.sharing.owner(&tenant).to_owned();
        let work = Work { owner, command, tenant_bytes_max: self.tenant_bytes_max, deadline, is_over };
        let connections = Arc::clone(&self.connections);
        let mut running = tokio::task::spawn_blocking(move || {
            let ended = run(&connections, &work);
            drop(place);
            ended
        });
        if let Ok(ended) = timeout_at(deadline, &mut running).await {
            return self.joined(ended);
        }
        match timeout(GRACE, running).await {
            Ok(ended) => self.joined(ended),
            Err(_) if changes => Err(unknown_effect()),
            Err(_) => Err(too_late(&self.resource)),
        }
    }

    fn joined(&self, ended: Result<Result<KvReply, Fault>, JoinError>) -> Answer {
        let resource = &self.resource;
        let unusable = || HostError::Unavailable(format!("`{resource}` cannot be used; the operator's log says why"));
        match ended {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(Fault::Host(error))) => Err(error),
            Ok(Err(Fault::Over)) => Err(too_late(resource)),
            Ok(Err(Fault::TenantFull)) => {
                Err(full(resource, "the tenant's share, `tenant_bytes_max` of the binding, is used up"))
            }
            Ok(Err(Fault::Sqlite(error))) if connection::is_full(&error) => {
                tracing::error!(%resource, %error, "an embedded store is full");
                Err(full(resource, "the file has reached `file_bytes_max` of the binding, or the disk its end"))
            }
            Ok(Err(Fault::Sqlite(error))) if connection::is_busy(&error) => {
                Err(HostError::Unavailable(format!("`{resource}` is locked by another process, try again")))
            }
            Ok(Err(Fault::Sqlite(error))) => {
                tracing::error!(%resource, %error, "an embedded store failed");
                Err(unusable())
            }
            Err(error) => {
                tracing::error!(%resource, %error, "a command ended in a panic");
                Err(unusable())
            }
        }
    }
}

/// Blocks.
fn run(connections: &Connections, work: &Work) -> Result<KvReply, Fault> {
    if work.is_over() {
        return Err(Fault::Over);
    }
    let mut connection = connections.take(work.command.changes())?;
    let wait = work.deadline.saturating_duration_since(Instant::now());
    connection.busy_timeout(wait.min(connection::BUSY_WAIT_MAX))?;
    let reply = if work.command.changes() {
        command::change(&mut connection, work)
    } else {
        command::apply(&connection, work)
    }?;
    // After an error it is closed: whatever was begun with it is undone.
    connections.put_back(work.command.changes(), connection);
    Ok(reply)
}
