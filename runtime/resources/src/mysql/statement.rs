//! One statement in one session: begin, describe, check, bind, run, end.

use airlock_model::{HostReply, SqlVerb, StatementClass};

use super::{
    begin,
    explain::bad,
    fault::Fault,
    parameters::{self, Bound},
    rows::{Page, Unread},
    session::{Ended, Prepared, Running, Session},
    shape,
};
use crate::{SqlRequest, database::refused};

/// Runs exactly one statement. A read is left for the session's reset to roll back; a change is committed.
///
/// # Errors
/// Why there is no reply. A change has then not been made, unless the session is committing.
pub(super) async fn run(session: &mut Session, request: &SqlRequest) -> Result<HostReply, Fault> {
    check_verb(request)?;
    if !shape::fits(request.class, &request.statement) {
        return Err(Fault::Host(refused("a statement that does not begin like one of its class")));
    }
    let values = parameters::parse(&request.parameters)?;
    let prepared = session.prepare(&begin::statements(session.kind, request), &request.statement).await?;
    if usize::from(prepared.parameters) != values.len() {
        let (wanted, given) = (prepared.parameters, values.len());
        return Err(bad(&format!("the statement has {wanted} parameters and {given} values were given")));
    }
    match request.verb {
        SqlVerb::Query => query(session, request, &prepared, &values).await,
        SqlVerb::Execute if request.class == StatementClass::Ddl => change_schema(session, &prepared, &values).await,
        SqlVerb::Execute => execute(session, request, &prepared, &values).await,
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

async fn query(
    session: &mut Session,
    request: &SqlRequest,
    prepared: &Prepared,
    values: &[Bound],
) -> Result<HostReply, Fault> {
    let without_columns = || bad("`query` needs a statement that returns columns: use a SELECT");
    // Before it runs: what has no columns is no read.
    if prepared.columns == 0 {
        return Err(without_columns());
    }
    let Running::Columns(columns) = session.run(prepared, values).await? else { return Err(without_columns()) };
    let mut page = Page::new(columns, request.rows_max, request.bytes_max)?;
    let ended = session.read(&mut page).await?;
    if ended == Ended::Complete {
        check_transaction(session)?;
    }
    Ok(HostReply::Rows(page.finish(&ended)?))
}

async fn execute(
    session: &mut Session,
    request: &SqlRequest,
    prepared: &Prepared,
    values: &[Bound],
) -> Result<HostReply, Fault> {
    let affected = match session.run(prepared, values).await? {
        Running::Done(affected) => affected,
        // The server says only now that it has columns; nothing has been committed.
        Running::Columns(_) if shape::changes_rows(&request.statement) => {
            return Err(bad("`execute` returns a count, not rows: leave RETURNING out"));
        }
        // A function that changes something is called with SELECT; its rows are nobody's, and it counts no rows changed.
        Running::Columns(_) => match session.read(&mut Unread).await? {
            Ended::Complete => 0,
            Ended::Cut => {
                return Err(bad("`execute` returns a count, not rows, and this statement returns a large one"));
            }
        },
    };
    check_transaction(session)?;
    session.commit().await?;
    Ok(HostReply::Affected(affected))
}

/// Every statement of this class commits by itself, whatever stands before it.
async fn change_schema(session: &mut Session, prepared: &Prepared, values: &[Bound]) -> Result<HostReply, Fault> {
    if prepared.columns > 0 {
        return Err(bad(
            "`execute` returns a count, not rows: use a statement that changes the schema and returns nothing",
        ));
    }
    session.begin_lasting();
    match session.run(prepared, values).await? {
        Running::Done(affected) => Ok(HostReply::Affected(affected)),
        Running::Columns(_) => Err(bad("`execute` returns a count, not rows")),
    }
}

/// INVARIANT: a statement never ends the transaction that it runs in. One that has done so all the same was misjudged.
fn check_transaction(session: &mut Session) -> Result<(), Fault> {
    if session.is_in_transaction() {
        return Ok(());
    }
    session.distrust();
    tracing::error!("a statement has ended its transaction, and what it changed lasts");
    Err(Fault::Host(refused("a statement that ends its transaction; what it changed may last")))
}
