//! Records what was turned away, without letting strangers fill the disk.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use airlock_access::VerifiedToken;
use airlock_model::{AuditEvent, AuditKind, Decision, Failure};
use airlock_store::Store;

use crate::clock;

/// Refusals of callers without a valid token that are recorded in one second; the rest is counted.
const ANONYMOUS_PER_SECOND_MAX: u64 = 20;

/// A refusal, with the caller if the token was good enough to name one.
pub(crate) struct Refused {
    pub(crate) failure: Failure,
    pub(crate) token: Option<VerifiedToken>,
}

impl Refused {
    pub(crate) fn by(token: &VerifiedToken) -> impl FnOnce(Failure) -> Self {
        let token = token.clone();
        |failure| Self { failure, token: Some(token) }
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self { failure, token: None }
    }
}

/// Limits how many anonymous refusals reach the audit trail.
#[derive(Default)]
pub(crate) struct Refusals {
    second: AtomicU64,
    in_second: AtomicU64,
    unrecorded: AtomicU64,
}

impl Refusals {
    /// Puts a refusal on record and gives the failure back for the caller.
    pub(crate) fn record(&self, store: &Store, kind: AuditKind, subject: Subject<'_>, refused: Refused) -> Failure {
        let Refused { failure, token } = refused;
        if token.is_none() && !self.has_room(clock::now_unix_s()) {
            self.unrecorded.fetch_add(1, Relaxed);
            return failure;
        }
        let mut event = AuditEvent::new(kind, clock::now_unix_ms());
        event.decision = Some(Decision::Deny);
        event.reason = Some(failure.reason.to_string());
        event.message = Some(self.message(&failure));
        event.function = subject.function.map(Arc::from);
        event.environment = (!subject.environment.is_empty()).then(|| subject.environment.into());
        if let Some(token) = token {
            event.principal = Some(token.principal().clone());
            event.token_id = Some(token.token_id().clone());
        }
        if let Err(error) = store.enqueue(event) {
            tracing::error!(%error, "a refusal could not be recorded");
        }
        failure
    }

    fn has_room(&self, now_s: u64) -> bool {
        if self.second.swap(now_s, Relaxed) != now_s {
            self.in_second.store(0, Relaxed);
        }
        self.in_second.fetch_add(1, Relaxed) < ANONYMOUS_PER_SECOND_MAX
    }

    fn message(&self, failure: &Failure) -> String {
        match self.unrecorded.swap(0, Relaxed) {
            0 => failure.message.clone(),
            count => format!(
                "{} (and {count} more refusals without a valid token, not recorded one by one)",
                failure.message
            ),
        }
    }
}

/// What a refused request was about.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) function: Option<&'a str>,
    /// Empty when the request named none.
    pub(crate) environment: &'a str,
}
