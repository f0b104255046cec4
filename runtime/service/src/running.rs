//! The calls that run now, so that whoever began one can also stop it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use airlock_access::{Presented, VerifiedToken};
use airlock_model::{AuditKind, Failure, InvocationId, Outcome, Reason, Revocation};
use airlock_sandbox::Run;
use tokio::sync::oneshot;

use crate::{
    App,
    record::CallFacts,
    refusals::{Refused, Subject},
};

/// Call numbers come one after the other, so neighbours in time never wait for the same lock.
const SHARDS: usize = 16;

/// How a caller names the calls it wants stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallName {
    /// One run.
    Invocation(String),
    /// Every run that was asked for under this name.
    Request(String),
}

/// Calls by number. A call that has ended has no entry, however it ended.
#[derive(Default)]
pub(crate) struct Running([Mutex<HashMap<u64, Entry>>; SHARDS]);

struct Entry {
    facts: Arc<CallFacts>,
    request_id: Option<Arc<str>>,
    stop: oneshot::Sender<Failure>,
}

/// A running call's place among the others; dropping it, also while unwinding, takes it out.
pub(crate) struct RunningCall {
    running: Arc<Running>,
    number: u64,
    stopped: oneshot::Receiver<Failure>,
}

impl Running {
    /// From here on the call can be cancelled.
    pub(crate) fn enter(self: &Arc<Self>, facts: Arc<CallFacts>, request_id: Option<Arc<str>>) -> RunningCall {
        let (number, (stop, stopped)) = (facts.number, oneshot::channel());
        self.shard(number).insert(number, Entry { facts, request_id, stop });
        RunningCall { running: self.clone(), number, stopped }
    }

    /// Stops the calls of that name which the token may stop.
    fn cancel(&self, name: &CallName, token: &VerifiedToken) -> Vec<InvocationId> {
        self.stop(|entry| entry.is_meant(name, token), &cancelled_by(token))
    }

    /// Stops the calls that a revocation ends.
    pub(crate) fn cut(&self, revocation: &Revocation, failure: &Failure) -> Vec<InvocationId> {
        self.stop(|entry| entry.facts.is_ended_by(revocation), failure)
    }

    fn stop(&self, is_meant: impl Fn(&Entry) -> bool, failure: &Failure) -> Vec<InvocationId> {
        let mut stopped = Vec::new();
        for shard in &self.0 {
            let meant = lock(shard).extract_if(|_, entry| is_meant(entry)).collect::<Vec<_>>();
            // Outside the lock: this wakes the call's own task.
            for (_, entry) in meant {
                // A call that ended in this very moment needs no stop and is not claimed as stopped.
                if entry.stop.send(failure.clone()).is_ok() {
                    stopped.push(entry.facts.invocation.clone());
                }
            }
        }
        stopped
    }

    fn count(&self) -> usize {
        self.0.iter().map(|shard| lock(shard).len()).sum()
    }

    fn shard(&self, number: u64) -> MutexGuard<'_, HashMap<u64, Entry>> {
        let [first, ..] = &self.0;
        lock(self.0.get(number as usize % SHARDS).unwrap_or(first))
    }
}

/// Every change is one step: a poisoned lock still guards true entries.
fn lock(shard: &Mutex<HashMap<u64, Entry>>) -> MutexGuard<'_, HashMap<u64, Entry>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Entry {
    /// Whether the name means this call and the token is of who began it, for where it runs and for what runs.
    fn is_meant(&self, name: &CallName, token: &VerifiedToken) -> bool {
        let is_named = match name {
            CallName::Invocation(id) => *self.facts.invocation.0 == **id,
            CallName::Request(id) => self.request_id.as_deref() == Some(id),
        };
        let (began, asks) = (&self.facts.principal, token.principal());
        let is_own = began.tenant == asks.tenant && began.app == asks.app && began.subject == asks.subject;
        let deployed = &self.facts.deployed;
        is_named && is_own && *token.environment() == deployed.environment && token.covers(&deployed.function)
    }
}

impl RunningCall {
    /// Runs to the end or until somebody cancels; then the run is dropped, and with it guest and host calls.
    pub(crate) async fn until_cancelled(mut self, run: impl Future<Output = Run>) -> Run {
        tokio::select! {
            biased;
            ended = run => ended,
            // What the sandbox measured went with the store; the gate's own counts stay.
            Ok(failure) = &mut self.stopped => Run { outcome: Outcome::Failed(failure), fuel: 0, memory_bytes: 0 },
        }
    }
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        self.running.shard(self.number).remove(&self.number);
    }
}

/// How a cancelled call ends, in its answer and in the trail.
fn cancelled_by(token: &VerifiedToken) -> Failure {
    let principal = token.principal();
    let actor = principal.actor.as_ref().map(|actor| format!(", for whom `{actor}` acts,")).unwrap_or_default();
    let message = format!("cancelled by `{}`{actor} with token `{}`", principal.subject, token.token_id());
    Failure::new(Reason::Cancelled, message, "nothing to do: whoever may cancel this call did")
}

/// One text, whether there is no such call, it has ended, or it is somebody else's.
fn not_yours(name: &CallName) -> Failure {
    let what = match name {
        CallName::Invocation(id) => format!("invocation `{id}`"),
        CallName::Request(id) => format!("request `{id}`"),
    };
    let message = format!("the token covers no running call named by {what}");
    let hint = "calls are cancelled with a token of the same tenant, app and subject, for the same environment and \
                function; one that has ended cannot be cancelled";
    Failure::new(Reason::NotGranted, message, hint)
}

impl App {
    /// Stops running calls of the caller's own. They end with `cancelled`, which their record says with the name of who
    /// asked; their permits are free when this returns or shortly after.
    ///
    /// # Errors
    /// `token_invalid`; `not_granted` when the token covers no running call of that name.
    pub fn cancel(&self, bearer: Presented<'_>, name: &CallName) -> Result<Vec<InvocationId>, Failure> {
        let refuse = |environment: &str, refused: Refused| {
            let subject = Subject { rpc: Some("InvocationService.Cancel"), function: None, environment };
            self.refusals.record(&self.backends, AuditKind::ControlRefused, subject, refused)
        };
        let token = self.verify(&self.settings(), bearer).map_err(|why| refuse("", why))?;
        let cancelled = self.running.cancel(name, &token);
        if cancelled.is_empty() {
            return Err(refuse(token.environment().as_str(), Refused::by(&token)(not_yours(name))));
        }
        Ok(cancelled)
    }

    /// How many calls run now.
    #[must_use]
    pub fn running_calls(&self) -> usize {
        self.running.count()
    }
}
