//! Approvals: each step is one transaction together with its audit event.

mod executing;
mod find;
mod row;

use airlock_model::{
    Approval, ApprovalId, ApprovalPolicy, ApprovalRefusal, ApprovalState, ApprovalStep, AuditEvent, AuditKind,
    EnvironmentName, Principal, TenantName, Terms,
};

use crate::{Store, StoreError, chain::Tx};
use row::{by_name, executing, insert, latest, oldest_open, open_count, save};

pub use executing::Executing;
pub use find::{ApprovalFilter, Standing};

/// Requests of one tenant that wait for one function in one environment. A guest that asks for something else each time must
/// not bury those who decide.
pub const PENDING_MAX: u64 = 100;

/// What came of asking.
#[derive(Debug)]
pub enum Claim {
    /// It is recorded as being executed, durably.
    Granted(Box<Executing>),
    /// A person has to decide first, or has said no.
    Refused(Box<Approval>),
    /// Nothing stands for it, and too many wait already.
    Full,
}

/// What a person says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// Yes, within these terms and this policy.
    Approve(Terms, ApprovalPolicy),
    /// No, because.
    Reject(String),
    /// No longer.
    Revoke(Option<String>),
}

/// Whose word it is: the principal and the environment of the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decider {
    /// The `sub` decides and the tenant bounds what it can be about.
    pub principal: Principal,
    /// Of the token.
    pub environment: EnvironmentName,
}

/// Why a decision was not stored.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// By the approval's own rules.
    #[error(transparent)]
    Refused(#[from] ApprovalRefusal),
    /// By the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Asks whether something may be executed now, and records in the same transaction that it is about to be: `intent` with the
    /// approval's name. Where it may not, there is a pending request afterwards, unless a person has said no or
    /// [`PENDING_MAX`] wait already.
    ///
    /// `new` is the request as it would be stored.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Busy`].
    pub async fn claim_approval(&self, new: Approval, intent: AuditEvent) -> Result<Claim, StoreError> {
        let queue = std::sync::Arc::clone(&self.queue);
        self.write(move |tx| {
            let Some(mut found) = current(tx, &new, &intent)? else { return Ok(Claim::Full) };
            let now = new.requested_unix_ms;
            match found.progress.after(ApprovalStep::Execute, now) {
                Ok(progress) => found.progress = progress,
                Err(_) => return Ok(Claim::Refused(Box::new(found))),
            }
            if found.progress.state == ApprovalState::Executing {
                found.executed = None;
                save(tx.connection, &found)?;
                record(tx, &found, AuditKind::ApprovalExecuting, intent.clone())?;
            }
            let kind = intent.kind;
            record(tx, &found, kind, intent.clone())?;
            Ok(Claim::Granted(Box::new(Executing::new(queue, found, intent))))
        })
        .await
    }

    /// Makes a request where nothing stands yet: no approval, no open request and no refusal. `None` when [`PENDING_MAX`] wait.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Busy`].
    pub async fn request_approval(&self, new: Approval, event: AuditEvent) -> Result<Option<Approval>, StoreError> {
        self.write(move |tx| current(tx, &new, &event)).await
    }

    /// A person decides.
    ///
    /// # Errors
    /// [`DecideError::Refused`] when it is not theirs to decide, or not any more; nothing has changed then.
    pub async fn decide_approval(
        &self,
        id: ApprovalId,
        by: Decider,
        word: Word,
        event: AuditEvent,
    ) -> Result<Approval, DecideError> {
        let decided = self.write(move |tx| {
            let Some(mut found) = by_name(tx.connection, &id)? else { return Ok(Err(ApprovalRefusal::NotYours)) };
            let now = event.time_unix_ms;
            if by.principal.tenant == found.asked.tenant && by.environment == found.asked.environment {
                expire(tx, &mut found, &event)?;
            }
            let (kind, said) = say(&mut found, &by, word, now);
            if let Err(refused) = said {
                return Ok(Err(refused));
            }
            save(tx.connection, &found)?;
            let reason = found.decided.as_ref().and_then(|decided| decided.reason.clone());
            record(tx, &found, kind, AuditEvent { message: reason.or(event.message.clone()), ..event })?;
            Ok(Ok(found))
        });
        Ok(decided.await??)
    }

    /// Says of everything that was being executed when a process ended that nobody knows what became of it. To be called once
    /// after opening, before anything is executed. Gives how many there were.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`], [`StoreError::Busy`].
    pub async fn lose_executions(&self, now_unix_ms: u64) -> Result<usize, StoreError> {
        self.write(move |tx| {
            let left = executing(tx.connection)?;
            for approval in &left {
                let mut event = AuditEvent::new(AuditKind::ApprovalUnknown, now_unix_ms);
                event.message = Some("the server ended while it was being executed".to_owned());
                event.principal = asked_by(approval);
                lose(tx, approval.clone(), event)?;
            }
            Ok(left.len())
        })
        .await
    }
}

/// What stands for a binding now: the latest, unless it has ended and may be asked for anew. `None` where there is no room for
/// another request.
fn current(tx: &mut Tx<'_>, new: &Approval, event: &AuditEvent) -> Result<Option<Approval>, StoreError> {
    let now = new.requested_unix_ms;
    let mut latest = latest(tx.connection, &new.asked.binding())?;
    if let Some(found) = &mut latest {
        expire(tx, found, event)?;
        if stands(found, now) {
            let is_new_author = new.authors.iter().filter(|author| found.add_author(author)).count() > 0;
            if is_new_author {
                save(tx.connection, found)?;
            }
            return Ok(latest);
        }
    }
    if !has_room(tx, new, event)? {
        return Ok(None);
    }
    let unknown = latest.filter(|found| found.progress.state == ApprovalState::Unknown);
    let new = Approval { follows_unknown: unknown.map(|found| found.id), ..new.clone() };
    insert(tx.connection, &new)?;
    record(tx, &new, AuditKind::ApprovalRequested, event.clone())?;
    Ok(Some(new))
}

/// A no stands until the request would have ended, so that nobody is asked the same again at once.
fn stands(found: &Approval, now_unix_ms: u64) -> bool {
    match found.progress.state {
        ApprovalState::Pending | ApprovalState::Approved | ApprovalState::Executing => true,
        ApprovalState::Rejected => found.progress.expires_unix_ms.is_some_and(|end| now_unix_ms < end),
        ApprovalState::Used | ApprovalState::Unknown | ApprovalState::Expired | ApprovalState::Revoked => false,
    }
}

/// Requests that have ended make room.
fn has_room(tx: &mut Tx<'_>, new: &Approval, event: &AuditEvent) -> Result<bool, StoreError> {
    if open_count(tx.connection, &new.asked)? < PENDING_MAX {
        return Ok(true);
    }
    // One body after the other, because this is the store's only writer and a queue stays full for long.
    for _ in 0..PENDING_MAX {
        let Some(mut oldest) = oldest_open(tx.connection, &new.asked)? else { break };
        let before = oldest.progress.state;
        expire(tx, &mut oldest, event)?;
        if oldest.progress.state == before {
            break;
        }
    }
    Ok(open_count(tx.connection, &new.asked)? < PENDING_MAX)
}

/// Writes down that the time of an approval has passed, if it has.
fn expire(tx: &mut Tx<'_>, found: &mut Approval, event: &AuditEvent) -> Result<(), StoreError> {
    let Ok(progress) = found.progress.after(ApprovalStep::Expire, event.time_unix_ms) else { return Ok(()) };
    found.progress = progress;
    save(tx.connection, found)?;
    let mut seen = AuditEvent::new(AuditKind::ApprovalExpired, event.time_unix_ms);
    seen.principal.clone_from(&event.principal);
    record(tx, found, AuditKind::ApprovalExpired, seen)
}

fn say(found: &mut Approval, by: &Decider, word: Word, now: u64) -> (AuditKind, Result<(), ApprovalRefusal>) {
    let Principal { subject, tenant, .. } = &by.principal;
    let approver = airlock_model::Approver { subject, tenant, environment: &by.environment };
    match word {
        Word::Approve(terms, policy) => (AuditKind::ApprovalGranted, found.approve(approver, terms, &policy, now)),
        Word::Reject(reason) => {
            (AuditKind::ApprovalRejected, found.withdraw(approver, ApprovalStep::Reject, Some(reason), now))
        }
        Word::Revoke(reason) => {
            (AuditKind::ApprovalRevoked, found.withdraw(approver, ApprovalStep::Revoke, reason, now))
        }
    }
}

/// Nobody knows what became of an execution.
fn lose(tx: &mut Tx<'_>, mut found: Approval, event: AuditEvent) -> Result<(), StoreError> {
    // It has ended already.
    let Ok(progress) = found.progress.after(ApprovalStep::Lose, event.time_unix_ms) else { return Ok(()) };
    found.progress = progress;
    save(tx.connection, &found)?;
    record(tx, &found, AuditKind::ApprovalUnknown, event)
}

/// The event of a step, in the transaction of the step.
fn record(tx: &mut Tx<'_>, approval: &Approval, kind: AuditKind, event: AuditEvent) -> Result<(), StoreError> {
    let asked = &approval.asked;
    let mut event = AuditEvent { kind, approval: Some(approval.id.to_string()), ..event };
    event.function = Some((&asked.function).into());
    event.environment = Some((&asked.environment).into());
    event.resource = Some(asked.resource.to_string());
    if event.revision.is_none() && !approval.revision.is_empty() {
        event.revision = Some(approval.revision.as_str().into());
    }
    tx.record(&event).map(drop)
}

/// Whose call an execution is.
fn asked_by(approval: &Approval) -> Option<std::sync::Arc<Principal>> {
    let execution = approval.asked.execution.as_ref()?;
    Some(std::sync::Arc::new(Principal {
        tenant: approval.asked.tenant.clone(),
        app: execution.app.clone(),
        subject: execution.subject.clone(),
        actor: execution.actor.clone(),
    }))
}

/// Whether an approval can be seen by a tenant in an environment.
fn is_visible(approval: &Approval, tenant: &TenantName, environment: &EnvironmentName) -> bool {
    approval.asked.tenant == *tenant && approval.asked.environment == *environment
}
