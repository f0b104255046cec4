//! Transactions and streams of the host for tests: they note what is asked of them.

use std::pin::Pin;
use std::sync::Arc;

use wasmtime::component::{Accessor, LinkerInstance, Resource, ResourceType};

use super::{Affected, Column, HostError, Rows, Shared, overlapping, query};

pub(super) fn link(sql: &mut LinkerInstance<'_, ()>, seen: &Shared) -> wasmtime::Result<()> {
    streams(sql, seen)?;
    transactions(sql, seen)
}

fn note(seen: &Shared, what: &str) {
    seen.lock().unwrap().statements.push((what.to_owned(), String::new()));
}

struct Batches;

/// A query with two batches, which are counted by what they note.
fn streams(sql: &mut LinkerInstance<'_, ()>, seen: &Shared) -> wasmtime::Result<()> {
    let dropped = Arc::clone(seen);
    sql.resource("batches", ResourceType::host::<Batches>(), move |_, _| {
        note(&dropped, "drop");
        Ok(())
    })?;
    let begun = Arc::clone(seen);
    sql.func_wrap_concurrent("query-stream", move |_: &Accessor<()>, (statement, _): (String, String)| {
        note(&begun, &statement);
        Box::pin(async { Ok((Ok::<_, HostError>(Resource::<Batches>::new_own(3)),)) })
            as Pin<Box<dyn Future<Output = _> + Send>>
    })?;
    let asked = Arc::clone(seen);
    sql.func_wrap_concurrent("[method]batches.next", move |_: &Accessor<()>, (_,): (Resource<Batches>,)| {
        note(&asked, "next");
        let taken = asked.lock().unwrap().statements.iter().filter(|(said, _)| said == "next").count();
        let column = Column { name: "n".to_owned(), database_type: "INTEGER".to_owned() };
        let rows = Rows { columns: vec![column], rows: format!("[[{taken}],[{taken}]]"), truncated: taken == 2 };
        Box::pin(async move { Ok((Ok::<_, HostError>((taken <= 2).then_some(rows)),)) })
            as Pin<Box<dyn Future<Output = _> + Send>>
    })
}

struct Transaction;

type Opened = Resource<Transaction>;

/// Transactions that note what is asked of them, each as a statement of its own.
fn transactions(sql: &mut LinkerInstance<'_, ()>, seen: &Shared) -> wasmtime::Result<()> {
    let dropped = Arc::clone(seen);
    sql.resource("transaction", ResourceType::host::<Transaction>(), move |_, rep| {
        note(&dropped, &format!("drop {rep}"));
        Ok(())
    })?;
    let begun = Arc::clone(seen);
    sql.func_wrap_concurrent("begin", move |_: &Accessor<()>, (): ()| {
        note(&begun, "begin");
        Box::pin(async { Ok((Ok::<Opened, HostError>(Resource::new_own(7)),)) })
            as Pin<Box<dyn Future<Output = _> + Send>>
    })?;
    let queries = Arc::clone(seen);
    sql.func_wrap_concurrent(
        "[method]transaction.query",
        move |_: &Accessor<()>, (within, statement, parameters): (Opened, String, String)| {
            let seen = Arc::clone(&queries);
            Box::pin(async move {
                overlapping(&seen, &format!("{}: {statement}", within.rep()), &parameters).await;
                Ok((query(&statement, &parameters),))
            }) as Pin<Box<dyn Future<Output = _> + Send>>
        },
    )?;
    let executions = Arc::clone(seen);
    sql.func_wrap_concurrent(
        "[method]transaction.execute",
        move |_: &Accessor<()>, (within, statement, parameters): (Opened, String, String)| {
            let seen = Arc::clone(&executions);
            Box::pin(async move {
                overlapping(&seen, &format!("{}: {statement}", within.rep()), &parameters).await;
                Ok((Ok::<_, HostError>(Affected { rows: 2.0 }),))
            }) as Pin<Box<dyn Future<Output = _> + Send>>
        },
    )?;
    for end in ["commit", "rollback"] {
        let seen = Arc::clone(seen);
        sql.func_wrap_concurrent(
            &format!("[method]transaction.{end}"),
            move |_: &Accessor<()>, (within,): (Opened,)| {
                note(&seen, &format!("{}: {end}", within.rep()));
                Box::pin(async { Ok((Ok::<(), HostError>(()),)) }) as Pin<Box<dyn Future<Output = _> + Send>>
            },
        )?;
    }
    Ok(())
}
