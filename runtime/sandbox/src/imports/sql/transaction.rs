//! `resource transaction`: a handle of the guest's stands for a transaction that the gate keeps.

use airlock_model::{
    HostCall, HostReply, Kept, ResourceName, SqlVerb, TransactionCall, TransactionId, TransactionStep,
};
use wasmtime::{
    Result,
    component::{Accessor, LinkerInstance, Resource, ResourceType},
};

use super::{execute, mismatched, query, sql_call, through_gate};
use crate::{imports::types::GuestHostError, state::CallState};

/// What a guest holds of a transaction; its number is the gate's.
struct Transaction;

type Held = Resource<Transaction>;

pub(super) fn link(instance: &mut LinkerInstance<'_, CallState>, resource: &ResourceName) -> Result<()> {
    instance.resource("transaction", ResourceType::host::<Transaction>(), |store, number| {
        store.data().gate.release(Kept::Transaction(TransactionId(number)));
        Ok(())
    })?;
    link_ends(instance, resource)?;
    let name = resource.clone();
    instance.func_wrap_concurrent(
        "[method]transaction.query",
        move |accessor: &Accessor<CallState>, (held, statement, parameters): (Held, String, String)| {
            let call = sql_call(&name, Some(id(&held)), SqlVerb::Query, (statement, parameters));
            Box::pin(async move { Ok((query(accessor, call).await?,)) })
        },
    )?;
    let name = resource.clone();
    instance.func_wrap_concurrent(
        "[method]transaction.execute",
        move |accessor: &Accessor<CallState>, (held, statement, parameters): (Held, String, String)| {
            let call = sql_call(&name, Some(id(&held)), SqlVerb::Execute, (statement, parameters));
            Box::pin(async move { Ok((execute(accessor, call).await?,)) })
        },
    )
}

fn link_ends(instance: &mut LinkerInstance<'_, CallState>, resource: &ResourceName) -> Result<()> {
    let name = resource.clone();
    instance.func_wrap_concurrent("begin", move |accessor: &Accessor<CallState>, (): ()| {
        let call = call(&name, TransactionStep::Begin);
        Box::pin(async move { Ok((begin(accessor, call).await?,)) })
    })?;
    let name = resource.clone();
    instance.func_wrap_concurrent(
        "[method]transaction.commit",
        move |accessor: &Accessor<CallState>, (held,): (Held,)| {
            let call = call(&name, TransactionStep::Commit(id(&held)));
            Box::pin(async move { Ok((end(accessor, call).await?,)) })
        },
    )?;
    let name = resource.clone();
    instance.func_wrap_concurrent(
        "[method]transaction.rollback",
        move |accessor: &Accessor<CallState>, (held,): (Held,)| {
            let call = call(&name, TransactionStep::Rollback(id(&held)));
            Box::pin(async move { Ok((end(accessor, call).await?,)) })
        },
    )
}

fn id(held: &Held) -> TransactionId {
    TransactionId(held.rep())
}

fn call(resource: &ResourceName, step: TransactionStep) -> HostCall {
    HostCall::Transaction(TransactionCall { resource: resource.clone(), step })
}

async fn begin(accessor: &Accessor<CallState>, call: HostCall) -> Result<Result<Held, GuestHostError>> {
    Ok(match through_gate(accessor, call).await? {
        Ok(HostReply::Begun(TransactionId(number))) => Ok(Resource::new_own(number)),
        Ok(other) => Err(mismatched(&other).into()),
        Err(error) => Err(error.into()),
    })
}

async fn end(accessor: &Accessor<CallState>, call: HostCall) -> Result<Result<(), GuestHostError>> {
    Ok(match through_gate(accessor, call).await? {
        Ok(HostReply::Ended) => Ok(()),
        Ok(other) => Err(mismatched(&other).into()),
        Err(error) => Err(error.into()),
    })
}
