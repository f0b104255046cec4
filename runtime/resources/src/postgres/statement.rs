//! One statement in one session: begin, describe, check, bind, run, end.

use std::{num::NonZeroU16, time::Duration};

use airlock_model::{HostError, HostReply, Rows, SqlVerb, StatementClass};
use tokio::time::Instant;

use super::{
    explain::bad,
    fault::Fault,
    parameters,
    rows::{Page, Unread},
    session::{Ended, Prepared, Session},
    types::{Described, Types},
};
use crate::{SqlRequest, TransactionMode};

/// How much longer than the statement a transaction of ours may stay open when nobody ends it.
const IDLE_GRACE: Duration = Duration::from_secs(5);
/// Rows that are taken at a time where the session has to stay usable when nobody wants the rest.
const PORTION_ROWS: NonZeroU16 = NonZeroU16::new(100).unwrap();

/// What opens a savepoint that cannot write: a statement of class read stays one inside a transaction that may write. The
/// server refuses to make it writable again before it ends.
const READ_ONLY: &str = "SAVEPOINT airlock; SET LOCAL transaction_read_only = on";
const NO_LONGER_READ_ONLY: &str = "RELEASE SAVEPOINT airlock";

/// Runs exactly one statement. A read is left for the session's reset to roll back; a change is committed.
///
/// # Errors
/// Why there is no reply. A change has then not been made, unless the session is committing.
pub(super) async fn run(session: &mut Session, types: &Types, request: &SqlRequest) -> Result<HostReply, Fault> {
    let mode = if request.class == StatementClass::Read { TransactionMode::Read } else { TransactionMode::Write };
    let ready = Ready::make(session, types, request, &begin(mode, request.deadline)).await?;
    match request.verb {
        SqlVerb::Query => {
            let mut page = ready.page(request)?;
            request.stop.sent();
            let ended = session.run(&ready.values, &mut page).await?;
            Ok(HostReply::Rows(page.finish(&ended)?))
        }
        SqlVerb::Execute => {
            let affected = request.check_affected(execute(session, request, &ready).await?)?;
            session.commit().await?;
            Ok(HostReply::Affected(affected))
        }
    }
}

/// Runs one statement of an open transaction, and leaves the session ready for the next.
///
/// # Errors
/// Why there is no reply. The transaction can then only be rolled back.
pub(super) async fn run_within(
    session: &mut Session,
    types: &Types,
    mode: TransactionMode,
    request: &SqlRequest,
) -> Result<HostReply, Fault> {
    let guards = request.class == StatementClass::Read && mode == TransactionMode::Write;
    let ready = Ready::make(session, types, request, if guards { READ_ONLY } else { "" }).await?;
    let reply = match request.verb {
        SqlVerb::Query => HostReply::Rows(query_within(session, request, &ready).await?),
        SqlVerb::Execute => HostReply::Affected(request.check_affected(execute(session, request, &ready).await?)?),
    };
    if guards {
        session.ask(NO_LONGER_READ_ONLY).await?;
    }
    Ok(reply)
}

/// A statement that the server has described, with the values to run it with.
pub(super) struct Ready {
    prepared: Prepared,
    described: Described,
    pub(super) values: Vec<Option<String>>,
}

impl Ready {
    /// A query that only reads, in a transaction of its own.
    ///
    /// # Errors
    /// Why it cannot run.
    pub(super) async fn to_read(session: &mut Session, types: &Types, request: &SqlRequest) -> Result<Self, Fault> {
        Self::make(session, types, request, &begin(TransactionMode::Read, request.deadline)).await
    }

    async fn make(session: &mut Session, types: &Types, request: &SqlRequest, begin: &str) -> Result<Self, Fault> {
        check_verb(request)?;
        let values = parameters::parse(&request.parameters)?;
        let prepared = session.prepare(begin, &request.statement).await?;
        if request.verb == SqlVerb::Query && prepared.columns.is_empty() {
            return Err(bad("`query` needs a statement that returns columns: use a SELECT"));
        }
        let described = types.describe(session, &prepared).await?;
        let values = parameters::encode(&values, &described.parameters)?;
        Ok(Self { prepared, described, values })
    }

    /// A page for its rows, with the caps of the request.
    ///
    /// # Errors
    /// `Limit` when the names of the columns alone are larger than those.
    pub(super) fn page(&self, request: &SqlRequest) -> Result<Page, HostError> {
        Page::new(self.prepared.columns.clone(), self.described.columns.clone(), request.rows_max, request.bytes_max)
    }
}

fn check_verb(request: &SqlRequest) -> Result<(), Fault> {
    if request.statement.contains('\0') {
        return Err(bad("the statement contains a NUL byte"));
    }
    match (request.verb, request.class) {
        (SqlVerb::Query, StatementClass::Read) => Ok(()),
        (SqlVerb::Execute, StatementClass::Read) => {
            Err(bad("`execute` changes something: use `query` for a statement that reads"))
        }
        (SqlVerb::Query, _) => Err(bad("`query` only reads: use `execute` for a statement that changes something")),
        (SqlVerb::Execute, _) => Ok(()),
    }
}

/// Opens the transaction of one statement.
fn begin(mode: TransactionMode, deadline: Instant) -> String {
    match mode {
        TransactionMode::Read => opening("READ ONLY", deadline),
        TransactionMode::Write => opening("READ WRITE", deadline),
    }
}

/// Opens a transaction of several statements. One that reads sees a single state, as of now.
pub(super) fn begin_several(mode: TransactionMode, deadline: Instant) -> String {
    match mode {
        TransactionMode::Read => opening("ISOLATION LEVEL REPEATABLE READ READ ONLY", deadline),
        TransactionMode::Write => opening("READ WRITE", deadline),
    }
}

/// The timeouts are set by a query, which takes the snapshot: after a first query the server refuses to make a transaction that
/// reads writable (25001), which before it accepts without a word. One query is also cheaper than three `SET LOCAL`.
fn opening(mode: &str, deadline: Instant) -> String {
    let left = deadline.saturating_duration_since(Instant::now());
    let (left, idle) = (left.as_millis().max(1), (left + IDLE_GRACE).as_millis());
    format!(
        "BEGIN TRANSACTION {mode}; SELECT pg_catalog.set_config('statement_timeout', '{left}', true), \
         pg_catalog.set_config('lock_timeout', '{left}', true), \
         pg_catalog.set_config('idle_in_transaction_session_timeout', '{idle}', true)"
    )
}

/// Takes rows in portions, so that what a cap leaves over is never more than the rest of one.
async fn query_within(session: &mut Session, request: &SqlRequest, ready: &Ready) -> Result<Rows, Fault> {
    let mut page = ready.page(request)?;
    request.stop.sent();
    let mut ended = session.start(&ready.values, PORTION_ROWS, &mut page).await?;
    while matches!(ended, Ended::Suspended) {
        ended = session.more(PORTION_ROWS, &mut page).await?;
    }
    if matches!(ended, Ended::Cut) {
        session.drain().await?;
        session.check_transaction()?;
    }
    Ok(page.finish(&ended)?)
}

/// Rows changed.
async fn execute(session: &mut Session, request: &SqlRequest, ready: &Ready) -> Result<u64, Fault> {
    request.stop.sent();
    let Ended::Complete(tag) = session.run(&ready.values, &mut Unread).await? else {
        return Err(bad("`execute` returns a count, not rows, and this statement returns a very large one"));
    };
    let (verb, count) = tag.split_once(' ').unwrap_or((&tag, ""));
    // A function that changes something is called with SELECT; its rows are nobody's, and it counts no rows changed.
    if !ready.prepared.columns.is_empty() && verb != "SELECT" {
        return Err(bad("`execute` returns a count, not rows: leave RETURNING out"));
    }
    Ok(if verb == "SELECT" { 0 } else { count.rsplit(' ').next().unwrap_or_default().parse().unwrap_or(0) })
}
