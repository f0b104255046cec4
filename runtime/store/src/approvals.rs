//! Approvals: each step is one transaction together with its audit event.

mod executing;
mod find;
mod row;

use airlock_model::{
    Approval, ApprovalId, ApprovalPolicy, ApprovalRefusal, ApprovalState, ApprovalStep, AuditEvent, AuditKind,
    EnvironmentName, Principal, TenantName, Terms,
};

use crate::{Store, StoreError, chain::Tx};
use row::{by_name, executing, insert, latest, open_count, over, save};

pub use executing::Executing;
pub use find::{ApprovalFilter, Standing};

/// Requests of one tenant that wait for one function in one environment. A guest that asks for something else each time must
/// not bury those who decide.
pub const PENDING_MAX: u64 = 100;

/// The outcome of an execution that was approved and given up before anything was sent.
const NOT_SENT: &str = "not_sent";

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
    /// `new` is the request as it would be stored. `clock` says the milliseconds since the Unix epoch; it is read in the
    /// transaction, because a claim may wait for it until the approval has ended.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Busy`].
    pub async fn claim_approval(
        &self,
        new: Approval,
        intent: AuditEvent,
        clock: impl FnOnce() -> u64 + Send + 'static,
    ) -> Result<Claim, StoreError> {
        let queue = std::sync::Arc::clone(&self.queue);
        self.write(move |tx| {
            let now = clock();
            let Some(mut found) = current(tx, &new, (&intent, now))? else { return Ok(Claim::Full) };
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
        self.write(move |tx| {
            let now = event.time_unix_ms;
            current(tx, &new, (&event, now))
        })
        .await
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
                expire(tx, &mut found, (&event, now))?;
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
fn current(tx: &mut Tx<'_>, new: &Approval, (event, now): Seen<'_>) -> Result<Option<Approval>, StoreError> {
    let mut latest = latest(tx.connection, &new.asked.binding())?;
    if let Some(found) = &mut latest {
        expire(tx, found, (event, now))?;
        if stands(found, now) {
            let is_new_author = new.authors.iter().filter(|author| found.add_author(author)).count() > 0;
            if is_new_author {
                save(tx.connection, found)?;
            }
            return Ok(latest);
        }
    }
    if !has_room(tx, new, (event, now))? {
        return Ok(None);
    }
    let new = Approval { follows_unknown: latest.and_then(still_unknown), ..new.clone() };
    insert(tx.connection, &new)?;
    record(tx, &new, AuditKind::ApprovalRequested, event.clone())?;
    Ok(Some(new))
}

/// The execution that nobody knows the outcome of, for whoever decides on the next: also when requests in between ended before
/// anything was sent.
fn still_unknown(latest: Approval) -> Option<ApprovalId> {
    if latest.progress.state == ApprovalState::Unknown {
        return Some(latest.id);
    }
    let was_sent = latest.executed.is_some_and(|executed| executed.outcome != NOT_SENT);
    latest.follows_unknown.filter(|_| !was_sent)
}

/// A no stands until the request would have ended, so that nobody is asked the same again at once.
fn stands(found: &Approval, now_unix_ms: u64) -> bool {
    match found.progress.state {
        ApprovalState::Pending | ApprovalState::Approved | ApprovalState::Executing => true,
        ApprovalState::Rejected => found.progress.expires_unix_ms.is_some_and(|end| now_unix_ms < end),
        ApprovalState::Used | ApprovalState::Unknown | ApprovalState::Expired | ApprovalState::Revoked => false,
    }
}

/// Requests that have ended make room, whichever of them were asked for first: how long one waits can change in between.
fn has_room(tx: &mut Tx<'_>, new: &Approval, seen: Seen<'_>) -> Result<bool, StoreError> {
    if open_count(tx.connection, &new.asked)? < PENDING_MAX {
        return Ok(true);
    }
    for mut ended in over(tx.connection, &new.asked, seen.1)? {
        expire(tx, &mut ended, seen)?;
    }
    Ok(open_count(tx.connection, &new.asked)? < PENDING_MAX)
}

/// Who looks, as the event of the step says, and when: milliseconds since the Unix epoch.
type Seen<'a> = (&'a AuditEvent, u64);

/// Writes down that the time of an approval has passed, if it has.
fn expire(tx: &mut Tx<'_>, found: &mut Approval, (event, now): Seen<'_>) -> Result<(), StoreError> {
    let Ok(progress) = found.progress.after(ApprovalStep::Expire, now) else { return Ok(()) };
    found.progress = progress;
    save(tx.connection, found)?;
    let mut seen = AuditEvent::new(AuditKind::ApprovalExpired, now);
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
