//! An execution between its beginning, which is on disk, and its end.

use std::sync::Arc;

use airlock_model::{Approval, ApprovalId, ApprovalScope, ApprovalStep, AuditEvent, AuditKind, Executed};

use super::{NOT_SENT, by_name, lose, record, save};
use crate::{
    StoreError,
    chain::Tx,
    queue::{Job, Queue, Urgency, Write},
};

/// The right to execute once, and the duty to say what came of it: dropped before [`Executing::begin`] it says that nothing was
/// sent, and after that nobody knows.
#[must_use]
pub struct Executing {
    queue: Arc<Queue>,
    approval: Approval,
    event: AuditEvent,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing has been sent.
    Granted,
    /// The statement may have reached the backend.
    Begun,
    /// It is settled.
    Ended,
}

impl Executing {
    pub(super) fn new(queue: Arc<Queue>, approval: Approval, event: AuditEvent) -> Self {
        Self { queue, approval, event, stage: Stage::Granted }
    }

    /// What it rests on.
    #[must_use]
    pub fn approval(&self) -> &Approval {
        &self.approval
    }

    /// The statement is sent now.
    pub fn begin(&mut self) {
        self.stage = Stage::Begun;
    }

    /// It has ended, and so.
    pub fn finish(mut self, executed: Executed) {
        self.settle(Some(executed));
    }

    /// It has ended, and nobody knows how.
    pub fn lose(mut self) {
        self.settle(None);
    }

    /// Queues the end behind everything before it; nobody waits, and a crash before it is on disk makes it unknown.
    fn settle(&mut self, executed: Option<Executed>) {
        self.stage = Stage::Ended;
        // One that stands for every execution has no end of its own: the trail has the outcome of each.
        if self.approval.asked.scope() == ApprovalScope::Statement {
            return;
        }
        let settlement = Settlement { id: self.approval.id.clone(), executed, event: self.event.clone() };
        let job = Job::Write(Box::new(settlement));
        if let Err(error) = self.queue.push(job, Urgency::Closing) {
            tracing::error!(approval = %self.approval.id, %error, "the end of an execution could not be recorded");
        }
    }
}

impl Drop for Executing {
    fn drop(&mut self) {
        match self.stage {
            Stage::Granted => self.settle(Some(Executed { outcome: NOT_SENT.to_owned(), rows: None })),
            Stage::Begun => self.settle(None),
            Stage::Ended => {}
        }
    }
}

impl std::fmt::Debug for Executing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Executing").field("approval", &self.approval.id).finish_non_exhaustive()
    }
}

/// The end of one execution, on its way to the disk.
struct Settlement {
    id: ApprovalId,
    executed: Option<Executed>,
    event: AuditEvent,
}

impl Write for Settlement {
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        match by_name(tx.connection, &self.id)? {
            Some(found) => end(tx, found, self.executed.clone(), self.event.clone()),
            None => Err(StoreError::corrupt(format!("approval `{}`", self.id))),
        }
    }

    fn can_run_again(&self) -> bool {
        true
    }

    fn is_awaited(&self) -> bool {
        false
    }

    fn finish(self: Box<Self>, committed: Result<(), StoreError>) {
        if let Err(error) = committed {
            tracing::error!(approval = %self.id, %error, "the end of an execution could not be recorded");
        }
    }
}

fn end(
    tx: &mut Tx<'_>,
    mut found: Approval,
    executed: Option<Executed>,
    mut event: AuditEvent,
) -> Result<(), StoreError> {
    let Some(executed) = executed else {
        event.message = Some("whether it took effect is not known".to_owned());
        return lose(tx, found, event);
    };
    // It was given up as lost before.
    let Ok(progress) = found.progress.after(ApprovalStep::Finish, event.time_unix_ms) else { return Ok(()) };
    found.progress = progress;
    (event.reason, event.rows) = (Some(executed.outcome.clone()), executed.rows);
    found.executed = Some(executed);
    save(tx.connection, &found)?;
    record(tx, &found, AuditKind::ApprovalUsed, event)
}
