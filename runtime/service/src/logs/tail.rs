//! What somebody asks to see of the lines, and who may.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use airlock_access::{Authorized, Control, Presented};
use airlock_model::{AppName, ControlScope, EnvironmentName, Failure, FunctionName, LogLevel, Reason};
use tokio::{sync::mpsc, time::interval};

use super::{
    LogEntry,
    follow::{Followed, Following, may_see},
    keep,
};
use crate::{App, app::Backends, clock, control::About};

/// Lines of the past in one answer: the last.
const PAST_MAX: usize = 10_000;
const PAST_BYTES_MAX: usize = 8 << 20;
/// Lines that wait for the connection; what is beyond waits in the follower's own queue.
const SENDING_MAX: usize = 16;
/// How often it is asked whether the token is still good.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Which lines; everything that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Only of this function.
    pub function: Option<FunctionName>,
    /// Only of this call.
    pub invocation: Option<String>,
    /// Only of calls of this application.
    pub app: Option<AppName>,
    /// Only of this level and above.
    pub level: Option<LogLevel>,
    /// Those that are kept first.
    pub past: bool,
    /// And then those that come, until the reader goes away.
    pub follow: bool,
}

impl LogQuery {
    pub(super) fn wants(&self, entry: &LogEntry) -> bool {
        self.function.as_ref().is_none_or(|function| *function == entry.function)
            && self.invocation.as_deref().is_none_or(|invocation| *invocation == *entry.invocation)
            && self.app.as_ref().is_none_or(|app| *app == entry.app)
            && self.level.is_none_or(|level| entry.level >= level)
    }
}

/// What a reader is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogEvent {
    /// A line.
    Line(Arc<LogEntry>),
    /// So many lines came while the reader did not read.
    Dropped(u64),
}

/// What a reader is told until there is no more, or until it may not be told any more.
pub type LogEvents = mpsc::Receiver<Result<LogEvent, Failure>>;

impl App {
    /// Lines of the token's own tenant and environment and of functions that it names, for a token with `logs:read`: those that
    /// are kept, then those that come. Ends with an error when the token does.
    ///
    /// # Errors
    /// Refusals; `tenant_busy` and `overloaded` when too many follow.
    pub async fn tail_logs(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        query: LogQuery,
    ) -> Result<LogEvents, Failure> {
        let about = About("LogService.Tail", &environment, query.function.as_ref());
        let permit = Arc::new(self.authorize(bearer, ControlScope::LogsRead, about)?);
        let logs = &self.backends.logs;
        // Before the past is read, so that no line falls between the two.
        // Whoever only reads the past takes a place as well: it costs more than to follow.
        let following = logs.follow(query.clone(), Arc::clone(&permit))?;
        let mut past = Vec::new();
        if query.past {
            let place = logs.keeper.place(&environment, &permit.principal().tenant);
            let (query, permit) = (query.clone(), Arc::clone(&permit));
            let read = move || keep::read(&place, PAST_MAX, |entry| query.wants(entry) && may_see(&permit, entry));
            past = tokio::task::spawn_blocking(read).await.map_err(Failure::internal)?.map_err(Failure::internal)?;
            keep_newest(&mut past);
        }
        let (to, events) = mpsc::channel(SENDING_MAX);
        let backends = Arc::downgrade(&self.backends);
        let still_good = move || still_good(&backends, &permit);
        tokio::spawn(tell(to, past, (following, query.follow), still_good));
        Ok(events)
    }
}

/// Whether a token that was good still is; not when the server is about to end.
fn still_good(backends: &Weak<Backends>, permit: &Authorized<Control>) -> Result<(), Failure> {
    let token = permit.token();
    if clock::now_unix_s() >= token.expires_at_unix_s() {
        return Err(Failure::new(Reason::TokenInvalid, "the token has ended", "follow again with a new one"));
    }
    let ending = || Failure::new(Reason::Overloaded, "the server is about to end", "follow again in a moment");
    backends.upgrade().ok_or_else(ending)?.revocations.check_token(token)
}

/// What waits for a slow reader is bounded in bytes too: of the past, the last.
fn keep_newest(past: &mut Vec<LogEntry>) {
    let mut room = PAST_BYTES_MAX;
    let fits = |entry: &LogEntry| {
        room = room.checked_sub(entry.message.len().saturating_add(entry.fields.len()))?;
        Some(())
    };
    let kept = past.iter().rev().map_while(fits).count();
    past.drain(..past.len().saturating_sub(kept));
}

/// Ends with the reader.
async fn tell(
    to: mpsc::Sender<Result<LogEvent, Failure>>,
    past: Vec<LogEntry>,
    (following, goes_on): (Following, bool),
    still_good: impl Fn() -> Result<(), Failure>,
) {
    for entry in past {
        if let Err(ended) = still_good() {
            let _ = to.send(Err(ended)).await;
            return;
        }
        if to.send(Ok(LogEvent::Line(Arc::new(entry)))).await.is_err() {
            return;
        }
    }
    if !goes_on {
        return;
    }
    let mut ask = interval(ASK_EVERY);
    loop {
        let next = tokio::select! {
            next = following.next() => next,
            _ = ask.tick() => {
                let Err(ended) = still_good() else { continue };
                // The reader may have gone in this moment.
                let _ = to.send(Err(ended)).await;
                return;
            }
            () = to.closed() => return,
        };
        let event = match next {
            Followed::Line(entry) => LogEvent::Line(entry),
            Followed::Dropped(count) => LogEvent::Dropped(count),
        };
        if to.send(Ok(event)).await.is_err() {
            return;
        }
    }
}
