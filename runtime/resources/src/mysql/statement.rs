//! One statement in one session: begin, describe, check, bind, run, end.

use airlock_model::{HostReply, Rows, SqlVerb, StatementClass};

use super::{
    begin,
    explain::bad,
    fault::Fault,
    parameters::{self, Bound},
    placeholders,
    rows::{Page, Unread},
    session::{Ended, Prepared, Running, Session},
    shape,
    types::Type,
};
use crate::{SqlRequest, TransactionMode, database::refused};

/// Runs exactly one statement. A read is left for the session's reset to roll back; a change is committed.
///
/// # Errors
/// Why there is no reply. A change has then not been made, unless the session is committing.
pub(super) async fn run(session: &mut Session, request: &SqlRequest) -> Result<HostReply, Fault> {
    if request.verb == SqlVerb::Query {
        let columns = start(session, request).await?;
        return query(session, request, columns).await;
    }
    let ready = Ready::make(session, request, &begin::statement(session.kind, request)).await?;
    if request.class == StatementClass::Ddl {
        return change_schema(session, &ready).await;
    }
    let affected = execute(session, request, &ready).await?;
    session.commit().await?;
    Ok(HostReply::Affected(affected))
}

/// Starts a query, and leaves its rows to come.
///
/// # Errors
/// Why it cannot run.
pub(super) async fn start(session: &mut Session, request: &SqlRequest) -> Result<Vec<(String, Type)>, Fault> {
    let ready = Ready::make(session, request, &begin::statement(session.kind, request)).await?;
    match session.run(&ready.prepared, &ready.values).await? {
        Running::Columns(columns) => Ok(columns),
        Running::Done(_) | Running::Portions(_) => Err(without_columns()),
    }
}

async fn query(session: &mut Session, request: &SqlRequest, columns: Vec<(String, Type)>) -> Result<HostReply, Fault> {
    let mut page = Page::new(columns, request.rows_max, request.bytes_max)?;
    let ended = session.read(&mut page).await?;
    if ended == Ended::Complete {
        check_transaction(session)?;
    }
    Ok(HostReply::Rows(page.finish(&ended)?))
}

/// Runs one statement of an open transaction, and leaves the session ready for the next.
///
/// # Errors
/// Why there is no reply. The transaction can then only be rolled back.
pub(super) async fn run_within(
    session: &mut Session,
    mode: TransactionMode,
    request: &SqlRequest,
) -> Result<HostReply, Fault> {
    if request.class == StatementClass::Ddl {
        return Err(bad(
            "a statement that changes the schema ends the transaction on this database: run it outside of one",
        ));
    }
    let guards = request.class == StatementClass::Read && mode == TransactionMode::Write;
    let before = if guards { vec![begin::SAVEPOINT.to_owned()] } else { Vec::new() };
    let ready = Ready::make(session, request, &before).await?;
    let reply = match request.verb {
        SqlVerb::Query => HostReply::Rows(query_within(session, request, &ready).await?),
        SqlVerb::Execute => HostReply::Affected(execute(session, request, &ready).await?),
    };
    session.close(&ready.prepared);
    if guards {
        session.tell(begin::UNDO).await?;
    }
    check_transaction(session)?;
    Ok(reply)
}

/// A statement that the server has described, with the values to run it with.
struct Ready {
    prepared: Prepared,
    values: Vec<Bound>,
}

impl Ready {
    async fn make(session: &mut Session, request: &SqlRequest, before: &[String]) -> Result<Self, Fault> {
        check_verb(request)?;
        if !shape::fits(request.class, &request.statement) {
            return Err(Fault::Host(refused("a statement that does not begin like one of its class")));
        }
        let values = parameters::parse(&request.parameters)?;
        let (text, values) = placeholders::bind(&request.statement, values)?;
        let prepared = session.prepare(before, &text).await?;
        if usize::from(prepared.parameters) != values.len() {
            let (wanted, given) = (prepared.parameters, values.len());
            return Err(bad(&format!("the statement has {wanted} parameters and {given} values were given")));
        }
        // Before it runs: what has no columns is no read.
        if request.verb == SqlVerb::Query && prepared.columns == 0 {
            return Err(without_columns());
        }
        Ok(Self { prepared, values })
    }
}

fn without_columns() -> Fault {
    bad("`query` needs a statement that returns columns: use a SELECT")
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

/// Takes rows in portions, so that what a cap leaves over is never more than the rest of one.
async fn query_within(session: &mut Session, request: &SqlRequest, ready: &Ready) -> Result<Rows, Fault> {
    match session.run_portioned(&ready.prepared, &ready.values).await? {
        Running::Done(_) => Err(without_columns()),
        // The server keeps no cursor for what is small, as SHOW is.
        Running::Columns(columns) => {
            let mut page = Page::new(columns, request.rows_max, request.bytes_max)?;
            let ended = session.read_to_end(&mut page).await?;
            Ok(page.finish(&ended)?)
        }
        Running::Portions(columns) => {
            let mut page = Page::new(columns, request.rows_max, request.bytes_max)?;
            let mut ended = session.fetch(&ready.prepared, &mut page).await?;
            while ended == Ended::Suspended {
                ended = session.fetch(&ready.prepared, &mut page).await?;
            }
            Ok(page.finish(&ended)?)
        }
    }
}

/// Rows changed.
async fn execute(session: &mut Session, request: &SqlRequest, ready: &Ready) -> Result<u64, Fault> {
    let affected = match session.run(&ready.prepared, &ready.values).await? {
        Running::Done(affected) => affected,
        // The server says only now that it has columns; nothing has been committed.
        Running::Columns(_) | Running::Portions(_) if shape::changes_rows(&request.statement) => {
            return Err(bad("`execute` returns a count, not rows: leave RETURNING out"));
        }
        // A function that changes something is called with SELECT; its rows are nobody's, and it counts no rows changed.
        Running::Columns(_) | Running::Portions(_) => match session.read(&mut Unread).await? {
            Ended::Complete => 0,
            Ended::Suspended | Ended::Paused | Ended::Cut => {
                return Err(bad("`execute` returns a count, not rows, and this statement returns a large one"));
            }
        },
    };
    check_transaction(session)?;
    Ok(request.check_affected(affected)?)
}

/// Every statement of this class commits by itself, whatever stands before it.
async fn change_schema(session: &mut Session, ready: &Ready) -> Result<HostReply, Fault> {
    let returns_rows =
        || bad("`execute` returns a count, not rows: use a statement that changes the schema and returns nothing");
    if ready.prepared.columns > 0 {
        return Err(returns_rows());
    }
    session.begin_lasting();
    match session.run(&ready.prepared, &ready.values).await? {
        Running::Done(affected) => Ok(HostReply::Affected(affected)),
        Running::Columns(_) | Running::Portions(_) => Err(returns_rows()),
    }
}

/// INVARIANT: a statement never ends the transaction that it runs in. One that has done so all the same was misjudged.
pub(super) fn check_transaction(session: &mut Session) -> Result<(), Fault> {
    if session.is_in_transaction() {
        return Ok(());
    }
    session.distrust();
    tracing::error!("a statement has ended its transaction, and what it changed lasts");
    Err(Fault::Host(refused("a statement that ends its transaction; what it changed may last")))
}
