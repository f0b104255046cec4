//! The completions of a call that come as they are made.
//!
//! As with streamed queries, a completion has one intent and one outcome in the trail. What was reserved for it is settled
//! when its last piece says what it took; let go of before that, it stays taken.

use std::sync::{Mutex, MutexGuard, PoisonError};

use airlock_model::{
    AuditEvent, AuditKind, CompletionPiece, Decision, HostCall, HostError, HostReply, PieceCall, ResourceName, StreamId,
};
use airlock_resources::{Begun, CompletionStream, LlmRequest, Performed, Took, Traffic};
use tokio::{
    sync::{Mutex as AsyncMutex, OwnedSemaphorePermit},
    time::Instant,
};

use super::{
    CallGate,
    intent::OpenIntent,
    llm::{Paid, recorded},
    table::Table,
    trail::{OUTCOME_UNKNOWN, describe_traffic},
};

/// The open completions of one call, by number.
pub(super) type Completions = Table<StreamId, Slot>;

/// A completion's place. Its pieces are taken one after the other.
pub(super) struct Slot {
    resource: ResourceName,
    began: Instant,
    taken: Mutex<Taken>,
    /// Empty while a piece is waited for.
    stream: AsyncMutex<Option<CompletionStream>>,
    _room: OwnedSemaphorePermit,
}

/// What the outcome will say.
struct Taken {
    /// As the intent; there once that is recorded.
    event: Option<AuditEvent>,
    paid: Option<Paid>,
    bytes: u64,
    traffic: Traffic,
}

/// How a completion ended.
#[derive(Clone, Copy)]
struct End<'a> {
    took: Took,
    text: Option<&'a str>,
    error: Option<&'a HostError>,
}

impl Completions {
    /// Keeps the event of a completion that has begun until it ends.
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
    pub(super) async fn start_completion(
        &self,
        request: LlmRequest,
        paid: Paid,
        open: &mut OpenIntent<'_>,
    ) -> Performed {
        let room = match self.room() {
            Ok((room, _)) => room,
            Err(error) => return Performed::without_egress(Err(error)),
        };
        let (began, resource) = (Instant::now(), request.resource.clone());
        let paid = Paid { reservation: paid.reservation.sent(), ..paid };
        let (resources, environment) = (&self.facts.settings.resources, &self.facts.deployed.environment);
        let Begun { stream, took, traffic } = resources.stream_completion(environment, request).await;
        let reply = match stream {
            Ok(stream) => {
                let taken = Taken { event: None, paid: Some(paid), bytes: 0, traffic };
                let stream = AsyncMutex::new(Some(stream));
                let slot = Slot { resource, began, taken: Mutex::new(taken), stream, _room: room };
                Ok(HostReply::Completing(self.completions.insert(StreamId, slot)))
            }
            Err(error) => {
                let spending = paid.settle(took);
                if let Some(event) = open.event() {
                    event.spending = Some(spending);
                    describe_traffic(event, &traffic);
                }
                let is_outcome_unknown = took == Took::Unknown;
                return Performed { is_outcome_unknown, ..Performed::without_egress(Err(error)) };
            }
        };
        Performed::without_egress(reply)
    }

    /// Charges for the next piece and waits for it. Dropped midway, the completion ends: it is not put back.
    pub(super) async fn next_piece(&self, asked: PieceCall) -> Result<HostReply, HostError> {
        let id = asked.stream;
        let slot = self.completions.find(id).filter(|slot| slot.resource == asked.resource);
        let call = HostCall::NextPiece(asked);
        if let Err(error) = self.budget.charge_call(&call) {
            return Err(self.deny_beyond_budget(&call, error));
        }
        let Some(slot) = slot else { return Ok(HostReply::Completed(None)) };
        let mut held = slot.stream.lock().await;
        let Some(stream) = held.take() else { return Ok(HostReply::Completed(None)) };
        let next = stream.next().await;
        slot.taken().traffic = next.traffic;
        let (piece, more) = match next.piece {
            Ok((piece, more)) => (Ok(piece), more),
            Err(error) => (Err(error), None),
        };
        let text =
            if let Ok(CompletionPiece::Done(completion)) = &piece { Some(completion.text.clone()) } else { None };
        let reply = piece.map(|piece| HostReply::Completed(Some(piece)));
        let reply = self.budget.charge_reply(Performed::without_egress(reply));
        slot.taken().bytes += reply.as_ref().map_or(0, HostReply::size_bytes);
        match (&reply, more) {
            (Ok(_), Some(more)) => *held = Some(more),
            _ => self.end_completion(id, End { took: next.took, text: text.as_deref(), error: reply.as_ref().err() }),
        }
        reply
    }

    /// Ends a completion that the guest let go of.
    pub(super) fn let_go_of_completion(&self, id: StreamId) {
        self.end_completion(id, End { took: Took::Unknown, text: None, error: None });
    }

    pub(super) fn let_go_of_completions(&self) {
        self.completions.ids().into_iter().for_each(|id| self.let_go_of_completion(id));
    }

    fn end_completion(&self, id: StreamId, end: End<'_>) {
        let Some(slot) = self.completions.remove(id) else { return };
        let mut taken = slot.taken();
        let Some(paid) = taken.paid.take() else { return };
        let record = paid.record;
        let spending = paid.settle(end.took);
        let Some(mut event) = taken.event.take() else { return };
        event.kind = AuditKind::HostCallOutcome;
        event.decision = Some(Decision::Permit);
        let unknown = if end.took == Took::Unknown { OUTCOME_UNKNOWN } else { "ok" };
        event.reason = Some(end.error.map_or(unknown, HostError::reason).to_owned());
        event.message = end.error.map(|error| self.told(error)).or_else(|| recorded(record, end.text?));
        event.spending = Some(spending);
        event.bytes = Some(taken.bytes);
        describe_traffic(&mut event, &taken.traffic);
        event.duration_us = Some(u64::try_from(slot.began.elapsed().as_micros()).unwrap_or(u64::MAX));
        self.enqueue_closing(event);
    }
}
