//! The transactions that a call has open.
//!
//! A transaction is kept here while the guest runs, and taken out for as long as a statement runs in it. Nothing else of the
//! call waits for it, except for the connection it holds; that wait is short (see [`CallGate::connection_by`]).

use airlock_model::{
    AuditKind, Decision, HostError, HostReply, ResourceName, StatementClass, TransactionCall, TransactionId,
    TransactionStep,
};
use airlock_resources::{BeginRequest, Performed, SqlRequest, Transaction, TransactionMode};
use tokio::sync::{Mutex as AsyncMutex, OwnedSemaphorePermit};

use super::{CallGate, notes::Notes, plan::Act, table::Table};

/// The open transactions of one call, by number.
pub(super) type Transactions = Table<TransactionId, Slot>;

/// A transaction's place. Statements of one transaction run one after the other, in the order of their asking.
pub(super) struct Slot {
    resource: ResourceName,
    mode: TransactionMode,
    /// Empty while a statement runs in it, and after the end.
    transaction: AsyncMutex<Option<Transaction>>,
    _room: OwnedSemaphorePermit,
}

impl Transactions {
    /// Whether committing it makes changes last.
    pub(super) fn may_write(&self, id: TransactionId) -> bool {
        self.find(id).is_some_and(|slot| slot.mode == TransactionMode::Write)
    }
}

impl CallGate {
    pub(super) fn plan_transaction(&self, call: TransactionCall, notes: &mut Notes) -> Result<Act, HostError> {
        notes.event.resource = Some(call.resource.to_string());
        notes.event.operation = Some(call.step.as_str().to_owned());
        notes.event.transaction = call.step.transaction().map(|TransactionId(number)| number);
        notes.has_effect = false;
        let transaction = call.step.transaction().and_then(|id| self.transactions.find(id));
        if transaction.is_some_and(|slot| slot.resource != call.resource) {
            return Err(HostError::BadRequest("the transaction is one of another resource".to_owned()));
        }
        match call.step {
            TransactionStep::Begin => {
                let mode = self.judge().transaction(&call.resource, notes)?;
                notes.event.class = Some(match mode {
                    TransactionMode::Read => StatementClass::Read,
                    TransactionMode::Write => StatementClass::Write,
                });
                Ok(Act::Begin(BeginRequest {
                    resource: call.resource,
                    tenant: self.facts.principal.tenant.clone(),
                    mode,
                    connection_by: self.connection_by(),
                    deadline: self.deadline,
                }))
            }
            TransactionStep::Commit(id) => {
                notes.has_effect = self.transactions.may_write(id);
                Ok(Act::Commit(id))
            }
            TransactionStep::Rollback(id) => Ok(Act::Rollback(id)),
        }
    }

    pub(super) async fn begin(&self, request: BeginRequest) -> Performed {
        let (room, connection_by) = match self.room() {
            Ok(room) => room,
            Err(error) => return Performed::without_egress(Err(error)),
        };
        let request = BeginRequest { connection_by, ..request };
        let (resource, mode) = (request.resource.clone(), request.mode);
        let begun = self.facts.settings.resources.begin(&self.facts.deployed.environment, request).await;
        Performed::without_egress(begun.map(|transaction| {
            let slot = Slot { resource, mode, transaction: AsyncMutex::new(Some(transaction)), _room: room };
            HostReply::Begun(self.transactions.insert(TransactionId, slot))
        }))
    }

    /// Dropped midway, the transaction is rolled back: it is not put back.
    pub(super) async fn perform_within(&self, id: TransactionId, request: SqlRequest) -> Performed {
        let Some(slot) = self.transactions.find(id).filter(|slot| slot.resource == request.resource) else {
            return has_ended();
        };
        let mut held = slot.transaction.lock().await;
        let Some(transaction) = held.take() else { return has_ended() };
        let (transaction, performed) = transaction.perform(request).await;
        if transaction.is_none() {
            self.let_go(id, "a statement in the transaction failed");
        }
        *held = transaction;
        performed
    }

    pub(super) async fn commit(&self, id: TransactionId) -> Performed {
        match self.take(id).await {
            Some(transaction) => transaction.commit(self.deadline).await,
            None => has_ended(),
        }
    }

    /// One that has ended is refused: after a commit that nobody knows the outcome of, the trail must not say that it was undone.
    pub(super) async fn roll_back(&self, id: TransactionId) -> Performed {
        match self.take(id).await {
            Some(transaction) => transaction.rollback().await,
            None => has_ended(),
        }
    }

    /// Takes a transaction out for good, after the statements that were asked for before.
    async fn take(&self, id: TransactionId) -> Option<Transaction> {
        let slot = self.transactions.find(id)?;
        let transaction = slot.transaction.lock().await.take();
        self.transactions.remove(id);
        transaction
    }

    /// Rolls back a transaction that nobody ended, and records it.
    pub(super) fn let_go(&self, id: TransactionId, why: &str) {
        let Some(slot) = self.transactions.remove(id) else { return };
        let mut event = self.facts.event(AuditKind::HostCallOutcome);
        event.resource = Some(slot.resource.to_string());
        event.operation = Some("rollback".to_owned());
        event.transaction = Some(id.0);
        event.decision = Some(Decision::Permit);
        event.reason = Some("ok".to_owned());
        event.message = Some(format!("{why}: it is rolled back"));
        // It closes the transaction: there is room for it also when the trail's queue is full.
        self.enqueue_closing(event);
    }

    pub(super) fn let_go_of_all(&self) {
        for id in self.transactions.ids() {
            self.let_go(id, "the function ended before the transaction did");
        }
    }
}

fn has_ended() -> Performed {
    let text = "the transaction has ended: a statement in it failed, or it was committed or rolled back; begin another";
    Performed::without_egress(Err(HostError::BadRequest(text.to_owned())))
}
