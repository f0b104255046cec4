//! The HTTP exchanges of a call that are carried out step by step.
//!
//! An exchange has one intent and one outcome in the trail, whatever the number of its steps: the outcome says where it went and
//! what crossed the network, and is written when it ends or the guest lets go of it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use airlock_model::{
    AuditEvent, AuditKind, Decision, ExchangeCall, ExchangeId, ExchangeStep, HostCall, HostError, HostReply,
    ResourceName,
};
use airlock_resources::{HttpExchange, HttpRequest, Passing, Performed};
use tokio::{sync::Mutex as AsyncMutex, time::Instant};

use super::{
    CallGate,
    table::Table,
    trail::{OUTCOME_UNKNOWN, describe_traffic},
};

/// Exchanges that one call has open at a time.
const OPEN_MAX: usize = 16;

/// The open exchanges of one call, by number.
pub(super) type Exchanges = Table<ExchangeId, Slot>;

/// An exchange's place. Its steps are taken one after the other.
pub(super) struct Slot {
    resource: ResourceName,
    began: Instant,
    noted: Mutex<Noted>,
    /// Empty while a step is taken.
    exchange: AsyncMutex<Option<HttpExchange>>,
    passing: Passing,
    /// Whether it may change something.
    changes: bool,
}

/// What the outcome will say.
#[derive(Default)]
struct Noted {
    /// As the intent; there once that is recorded.
    event: Option<AuditEvent>,
    /// Whether a step was taken: something may have left.
    has_begun: bool,
    status: Option<u16>,
    bytes: u64,
}

impl Noted {
    /// Why it ended.
    fn reason<'a>(&self, error: Option<&'a HostError>, may_have_changed: bool) -> &'a str {
        match error {
            Some(_) if may_have_changed && self.status.is_none() => OUTCOME_UNKNOWN,
            Some(error) => error.reason(),
            None if self.has_begun && self.status.is_none() => OUTCOME_UNKNOWN,
            None => "ok",
        }
    }
}

impl Exchanges {
    /// Keeps the event of an exchange until it ends.
    pub(super) fn keep(&self, id: ExchangeId, event: AuditEvent) {
        if let Some(slot) = self.find(id) {
            slot.noted().event = Some(event);
        }
    }
}

impl Slot {
    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, reply: &HostReply) {
        let mut noted = self.noted();
        noted.bytes = noted.bytes.saturating_add(reply.size_bytes());
        if let HostReply::Head(head) = reply {
            noted.status = Some(head.status);
        }
    }
}

impl CallGate {
    pub(super) async fn open_exchange(&self, request: HttpRequest) -> Performed {
        Performed::without_egress(self.try_open(request).await.map(HostReply::Opened))
    }

    async fn try_open(&self, request: HttpRequest) -> Result<ExchangeId, HostError> {
        let (resource, changes) = (request.resource.clone(), !request.method.is_safe());
        let exchange = self.facts.settings.resources.exchange(&self.facts.deployed.environment, request).await?;
        let (began, passing) = (Instant::now(), exchange.passing());
        let exchange = AsyncMutex::new(Some(exchange));
        let slot = Slot { resource, began, noted: Mutex::default(), exchange, passing, changes };
        self.exchanges.insert_below(OPEN_MAX, ExchangeId, slot).ok_or_else(|| {
            let text = format!("a call may have {OPEN_MAX} exchanges open at a time: end one before the next");
            HostError::BadRequest(text)
        })
    }

    /// Charges for the next step and takes it. Dropped midway, the exchange ends: it is not put back.
    pub(super) async fn step(&self, asked: ExchangeCall) -> Result<HostReply, HostError> {
        let id = asked.exchange;
        let slot = self.exchanges.find(id).filter(|slot| slot.resource == asked.resource);
        let call = HostCall::Exchange(asked);
        if let Err(error) = self.budget.charge_call(&call) {
            return Err(self.deny_beyond_budget(&call, error));
        }
        let HostCall::Exchange(ExchangeCall { step, .. }) = call else { return Err(over()) };
        let Some(slot) = slot else { return after_the_end(&step) };
        let mut held = slot.exchange.lock().await;
        let Some(mut exchange) = held.take() else { return after_the_end(&step) };
        slot.noted().has_begun = true;
        let taken = match self.budget.check_egress() {
            Ok(()) => take(&mut exchange, step).await,
            Err(exhausted) => Err(exhausted),
        };
        let reply = self.budget.charge_reply(Performed::without_egress(taken));
        match &reply {
            Ok(HostReply::Piece(None)) => self.close_exchange(id, None),
            Ok(reply) => {
                slot.note(reply);
                *held = Some(exchange);
            }
            Err(error) => self.close_exchange(id, Some(error)),
        }
        reply
    }

    /// Breaks off an exchange that the guest let go of.
    pub(super) fn end_exchange(&self, id: ExchangeId) {
        self.close_exchange(id, None);
    }

    pub(super) fn end_exchanges(&self) {
        let cut = self.cut_short();
        for id in self.exchanges.ids() {
            self.close_exchange(id, cut.as_ref());
        }
    }

    fn close_exchange(&self, id: ExchangeId, error: Option<&HostError>) {
        let Some(slot) = self.exchanges.remove(id) else { return };
        let mut noted = slot.noted();
        let Some(mut event) = noted.event.take() else { return };
        event.kind = AuditKind::HostCallOutcome;
        event.decision = Some(Decision::Permit);
        let traffic = slot.passing.traffic();
        let may_have_changed = slot.changes && traffic.sent_bytes > 0;
        event.reason = Some(noted.reason(error, may_have_changed).to_owned());
        describe_traffic(&mut event, &traffic);
        event.message = error.map(|error| self.told(error));
        (event.status, event.bytes) = (noted.status, Some(noted.bytes));
        event.duration_us = Some(u64::try_from(slot.began.elapsed().as_micros()).unwrap_or(u64::MAX));
        self.enqueue_closing(event);
    }
}

async fn take(exchange: &mut HttpExchange, step: ExchangeStep) -> Result<HostReply, HostError> {
    match step {
        ExchangeStep::Write(bytes) => exchange.write(bytes).await.map(|()| HostReply::Ended),
        ExchangeStep::Head => exchange.head().await.map(HostReply::Head),
        ExchangeStep::Next => exchange.next().await.map(HostReply::Piece),
    }
}

/// What has ended has no more pieces, and takes none.
fn after_the_end(step: &ExchangeStep) -> Result<HostReply, HostError> {
    match step {
        ExchangeStep::Next => Ok(HostReply::Piece(None)),
        ExchangeStep::Write(_) | ExchangeStep::Head => Err(over()),
    }
}

fn over() -> HostError {
    HostError::BadRequest("the exchange has ended".to_owned())
}
