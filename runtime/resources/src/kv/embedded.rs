//! The embedded store: one SQLite file for each binding, and only statements of our own.
//!
//! A change is on disk before it is answered (write-ahead log, `synchronous = FULL`), and made in one transaction of the
//! one writer, which is what makes `increment` and `compare-and-set` atomic. Work runs on tokio's blocking threads.

mod command;
mod connection;
mod read;

use std::sync::Arc;

use airlock_model::{HostError, KvCommand, KvReply, ResourceName};
use tokio::time::timeout_at;

use super::{Answer, Sharing, check::EmbeddedSettings, full, too_late, unknown_effect};
use crate::{
    KvRequest,
    failed::Failed,
    places::Places,
    thread::{self, Lost, Waiting},
};
use connection::{Connections, Fault};

/// Reads at a time, and how many of them one tenant's. There is one writer.
const READS: (usize, usize) = (4, 2);
const WRITES: (usize, usize) = (1, 1);

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

/// One command on its thread.
struct Work<'a> {
    owner: &'a str,
    command: &'a KvCommand,
    tenant_bytes_max: u64,
    waiting: &'a Waiting,
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
            return Err(too_late(&self.resource).into());
        };
        let (owner, tenant_bytes_max) = (self.sharing.owner(&tenant).to_owned(), self.tenant_bytes_max);
        let connections = Arc::clone(&self.connections);
        let ended = thread::run(place, deadline, move |waiting| {
            let work = Work { owner: &owner, command: &command, tenant_bytes_max, waiting };
            run(&connections, &work)
        });
        match ended.await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(fault)) => Err(self.explain(fault).into()),
            Err(Lost::Late) if changes => Err(unknown_effect()),
            Err(Lost::Late) => Err(too_late(&self.resource).into()),
            Err(error @ Lost::Panicked(_)) => {
                tracing::error!(resource = %self.resource, %error, "a command is lost");
                Err(if changes { Failed::Unknown(self.unusable()) } else { self.unusable().into() })
            }
        }
    }

    fn explain(&self, fault: Fault) -> HostError {
        let resource = &self.resource;
        match fault {
            Fault::Host(error) => error,
            Fault::Over => too_late(resource),
            Fault::TenantFull => full(resource, "the tenant's share, `tenant_bytes_max` of the binding, is used up"),
            Fault::Sqlite(error) if connection::is_full(&error) => {
                tracing::error!(%resource, %error, "an embedded store is full");
                full(resource, "the file has reached `file_bytes_max` of the binding, or the disk its end")
            }
            Fault::Sqlite(error) if connection::is_busy(&error) => {
                HostError::Unavailable(format!("`{resource}` is locked by another process, try again"))
            }
            Fault::Sqlite(error) => {
                tracing::error!(%resource, %error, "an embedded store failed");
                self.unusable()
            }
        }
    }

    fn unusable(&self) -> HostError {
        HostError::Unavailable(format!("`{}` cannot be used; the operator's log says why", self.resource))
    }
}

/// Blocks.
fn run(connections: &Connections, work: &Work<'_>) -> Result<KvReply, Fault> {
    if work.waiting.is_over() {
        return Err(Fault::Over);
    }
    let mut connection = connections.take(work.command.changes())?;
    connection.busy_timeout(work.waiting.left().min(connection::BUSY_WAIT_MAX))?;
    let ended =
        if work.command.changes() { command::change(&mut connection, work) } else { command::apply(&connection, work) };
    // What a change began and did not commit is undone by now. After an error of the database's it is closed.
    if !matches!(ended, Err(Fault::Sqlite(_))) {
        connections.put_back(work.command.changes(), connection);
    }
    ended
}
