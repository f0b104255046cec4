//! One statement in one session: begin, describe, check, bind, run, end.

use std::time::Duration;

use airlock_model::{HostReply, SqlVerb, StatementClass};
use tokio::time::Instant;

use super::{
    explain::bad,
    fault::Fault,
    parameters,
    rows::{Page, Unread},
    session::{Ended, Prepared, Session},
    types::{Described, Types},
};
use crate::SqlRequest;

/// How much longer than the statement a transaction of ours may stay open when nobody ends it.
const IDLE_GRACE: Duration = Duration::from_secs(5);

/// Runs exactly one statement. A read is left for the session's reset to roll back; a change is committed.
///
/// # Errors
/// Why there is no reply. A change has then not been made, unless the session is committing.
pub(super) async fn run(session: &mut Session, types: &Types, request: &SqlRequest) -> Result<HostReply, Fault> {
    check_verb(request)?;
    let values = parameters::parse(&request.parameters)?;
    let prepared = session.prepare(&begin(request), &request.statement).await?;
    if request.verb == SqlVerb::Query && prepared.columns.is_empty() {
        return Err(bad("`query` needs a statement that returns columns: use a SELECT"));
    }
    let described = types.describe(session, &prepared).await?;
    let values = parameters::encode(&values, &described.parameters)?;
    match request.verb {
        SqlVerb::Query => query(session, request, (prepared, described), &values).await,
        SqlVerb::Execute => execute(session, !prepared.columns.is_empty(), &values).await,
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

/// Opens the transaction. A read takes its snapshot here: after a first query the server refuses to make the transaction
/// writable (25001), which before it accepts without a word.
fn begin(request: &SqlRequest) -> String {
    let left = request.deadline.saturating_duration_since(Instant::now());
    let (left, idle) = (left.as_millis().max(1), (left + IDLE_GRACE).as_millis());
    let (mode, first) = match request.class {
        StatementClass::Read => ("READ ONLY", "; SELECT 1"),
        _ => ("READ WRITE", ""),
    };
    format!(
        "BEGIN TRANSACTION {mode}; SET LOCAL statement_timeout = {left}; SET LOCAL lock_timeout = {left}; \
         SET LOCAL idle_in_transaction_session_timeout = {idle}{first}"
    )
}

async fn query(
    session: &mut Session,
    request: &SqlRequest,
    (prepared, described): (Prepared, Described),
    values: &[Option<String>],
) -> Result<HostReply, Fault> {
    let mut page = Page::new(prepared.columns, described.columns, request.rows_max, request.bytes_max)?;
    let ended = session.run(values, &mut page).await?;
    Ok(HostReply::Rows(page.finish(&ended)?))
}

async fn execute(session: &mut Session, returns_rows: bool, values: &[Option<String>]) -> Result<HostReply, Fault> {
    let Ended::Complete(tag) = session.run(values, &mut Unread).await? else {
        return Err(bad("`execute` returns a count, not rows, and this statement returns a very large one"));
    };
    let (verb, count) = tag.split_once(' ').unwrap_or((&tag, ""));
    // A function that changes something is called with SELECT; its rows are nobody's, and it counts no rows changed.
    if returns_rows && verb != "SELECT" {
        return Err(bad("`execute` returns a count, not rows: leave RETURNING out"));
    }
    let affected = if verb == "SELECT" { 0 } else { count.rsplit(' ').next().unwrap_or_default().parse().unwrap_or(0) };
    session.commit().await?;
    Ok(HostReply::Affected(affected))
}
