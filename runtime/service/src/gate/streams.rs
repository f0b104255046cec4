//! The queries of a call whose rows are taken in batches.
//!
//! A query has one intent and one outcome in the trail, whatever the number of its batches: the outcome says how many rows and
//! bytes the guest took, and is written when the query ends or the guest lets go of it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use airlock_model::{
    AuditEvent, AuditKind, BatchCall, Decision, HostCall, HostError, HostReply, ResourceName, StreamId,
};
use airlock_resources::{Performed, StopNotice, Stream, StreamRequest};
use tokio::{
    sync::{Mutex as AsyncMutex, OwnedSemaphorePermit},
    time::Instant,
};

use super::{CallGate, table::Table};

/// The open queries of one call, by number.
pub(super) type Streams = Table<StreamId, Slot>;

/// A query's place. Its batches are taken one after the other.
pub(super) struct Slot {
    resource: ResourceName,
    stop: StopNotice,
    began: Instant,
    taken: Mutex<Taken>,
    /// Empty while a batch is taken.
    stream: AsyncMutex<Option<Stream>>,
    _room: OwnedSemaphorePermit,
}

/// What the outcome will say.
#[derive(Default)]
struct Taken {
    /// As the intent; there once that is recorded.
    event: Option<AuditEvent>,
    rows: u64,
    bytes: u64,
}

impl Streams {
    /// Keeps the event of a query that has begun until it ends.
    pub(super) fn keep(&self, id: StreamId, event: AuditEvent) {
        if let Some(slot) = self.find(id) {
            slot.taken().event = Some(event);
        }
    }
}

impl Slot {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CallGate {
    pub(super) async fn start_stream(&self, request: StreamRequest) -> Performed {
        let began = self.try_start(request).await;
        Performed::without_egress(began.map(HostReply::Streaming))
    }

    async fn try_start(&self, mut request: StreamRequest) -> Result<StreamId, HostError> {
        let (room, connection_by) = self.room()?;
        request.query.connection_by = connection_by;
        let (began, resource, stop) = (Instant::now(), request.query.resource.clone(), request.query.stop.clone());
        let stream = self.facts.settings.resources.stream(&self.facts.deployed.environment, request).await?;
        let stream = AsyncMutex::new(Some(stream));
        let slot = Slot { resource, stop, began, taken: Mutex::default(), stream, _room: room };
        Ok(self.streams.insert(StreamId, slot))
    }

    /// Charges for the next rows and takes them. Dropped midway, the query ends: it is not put back.
    pub(super) async fn next_batch(&self, asked: BatchCall) -> Result<HostReply, HostError> {
        let id = asked.stream;
        let slot = self.streams.find(id).filter(|slot| slot.resource == asked.resource);
        let call = HostCall::NextBatch(asked);
        if let Err(error) = self.budget.charge_call(&call) {
            return Err(self.deny_beyond_budget(&call, error));
        }
        let Some(slot) = slot else { return Ok(HostReply::Batch(None)) };
        let mut held = slot.stream.lock().await;
        let Some(stream) = held.take() else { return Ok(HostReply::Batch(None)) };
        let (reply, more) = match stream.next().await {
            Ok((rows, more)) => {
                let rows = Some(rows).filter(|rows| rows.row_count > 0 || rows.truncated);
                (self.budget.charge_reply(Performed::without_egress(Ok(HostReply::Batch(rows)))), more)
            }
            Err(error) => (Err(error), None),
        };
        slot.count(&reply);
        match (&reply, more) {
            (Ok(_), Some(more)) => *held = Some(more),
            _ => self.close(id, reply.as_ref().err()),
        }
        reply
    }

    /// Ends a query that the guest let go of.
    pub(super) fn end_stream(&self, id: StreamId) {
        self.close(id, None);
    }

    /// Ends the queries that the call left running.
    pub(super) fn end_streams(&self) {
        let cut = self.cut_short();
        for id in self.streams.ids() {
            self.close(id, cut.as_ref());
        }
    }

    fn close(&self, id: StreamId, error: Option<&HostError>) {
        let Some(slot) = self.streams.remove(id) else { return };
        let mut taken = slot.taken();
        let Some(mut event) = taken.event.take() else { return };
        event.kind = AuditKind::HostCallOutcome;
        event.decision = Some(Decision::Permit);
        event.sent = slot.stop.was_sent();
        event.reason = Some(error.map_or("ok", HostError::reason).to_owned());
        event.message = error.map(|error| self.told(error));
        (event.rows, event.bytes) = (Some(taken.rows), Some(taken.bytes));
        event.duration_us = Some(u64::try_from(slot.began.elapsed().as_micros()).unwrap_or(u64::MAX));
        self.enqueue_closing(event);
    }
}

impl Slot {
    fn count(&self, reply: &Result<HostReply, HostError>) {
        let Ok(reply) = reply else { return };
        let mut taken = self.taken();
        taken.bytes += reply.size_bytes();
        if let HostReply::Batch(Some(rows)) = reply {
            taken.rows += rows.row_count;
        }
    }
}
