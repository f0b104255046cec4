//! The jobs of one group: run, and answered.

use super::run_sql;
use crate::{
    Appended, StoreError,
    chain::Tx,
    queue::{Append, Job, Write},
    relay::Answers,
};

/// A job of the open group that ran, and how.
pub(super) enum Done {
    Append(Append, Result<Appended, StoreError>),
    Write(Box<dyn Write>, Result<(), StoreError>),
}

impl Done {
    /// The failure that ends the group, if this job met one.
    pub(super) fn spoiled(&self) -> Option<&StoreError> {
        let error = match self {
            Self::Append(_, result) => result.as_ref().err(),
            Self::Write(_, result) => result.as_ref().err(),
        };
        error.filter(|error| error.ends_the_group())
    }

    pub(super) fn finish(self, committed: Result<(), StoreError>, answers: &mut Answers) {
        match self {
            Self::Append(Append { reply: Some(reply), relay, .. }, result) => {
                answers.add(relay, reply, committed.and(result));
            }
            Self::Append(Append { reply: None, .. }, _) => {}
            Self::Write(job, result) => job.finish(committed.and(result)),
        }
    }
}

pub(super) fn refuse(job: Job, error: &StoreError) {
    let done = match job {
        Job::Append(append) => Done::Append(append, Err(error.clone())),
        Job::Write(write) => Done::Write(write, Err(error.clone())),
    };
    let mut answers = Answers::default();
    done.finish(Err(error.clone()), &mut answers);
    answers.send();
}

pub(super) fn run_job(tx: &mut Tx<'_>, job: Job) -> Done {
    match job {
        Job::Append(append) => {
            let result = tx.record(&append.event);
            Done::Append(append, result)
        }
        Job::Write(mut write) => {
            let result = run_alone(tx, write.as_mut());
            Done::Write(write, result)
        }
    }
}

/// Runs a job behind a savepoint: when it fails, its neighbours in the group do not.
fn run_alone(tx: &mut Tx<'_>, write: &mut dyn Write) -> Result<(), StoreError> {
    let head = tx.head();
    run_sql(tx.connection, "SAVEPOINT job", "open a savepoint")?;
    let result = write.run(tx);
    match &result {
        Ok(()) => {}
        Err(error) if error.ends_the_group() => return result,
        Err(_) => {
            tx.rewind(head);
            run_sql(tx.connection, "ROLLBACK TO job", "undo a job")?;
        }
    }
    run_sql(tx.connection, "RELEASE job", "close a savepoint")?;
    result
}
