//! `resource batches`: a handle of the guest's stands for a query that the gate keeps.
//!
//! A pull is the back-pressure, and each batch is charged before the guest has it. A WIT `stream<rows>` would carry no errors
//! and would have its own buffers between gate and guest.

use airlock_model::{BatchCall, HostCall, HostReply, Kept, ResourceName, SqlCall, SqlVerb, StreamId};
use wasmtime::{
    Result,
    component::{Accessor, LinkerInstance, Resource, ResourceType},
};

use super::{Statement, mismatched, through_gate};
use crate::{
    imports::types::{GuestHostError, GuestRows},
    state::CallState,
};

/// What a guest holds of a query; its number is the gate's.
struct Batches;

type Held = Resource<Batches>;

pub(super) fn link(instance: &mut LinkerInstance<'_, CallState>, resource: &ResourceName) -> Result<()> {
    instance.resource("batches", ResourceType::host::<Batches>(), |store, number| {
        store.data().gate.release(Kept::Stream(StreamId(number)));
        Ok(())
    })?;
    let name = resource.clone();
    instance.func_wrap_concurrent("query-stream", move |accessor: &Accessor<CallState>, statement: Statement| {
        let (statement, parameters) = statement;
        let (resource, verb) = (name.clone(), SqlVerb::Query);
        let call = HostCall::Stream(SqlCall { resource, within: None, verb, statement, parameters });
        Box::pin(async move { Ok((start(accessor, call).await?,)) })
    })?;
    let name = resource.clone();
    instance.func_wrap_concurrent("[method]batches.next", move |accessor: &Accessor<CallState>, (held,): (Held,)| {
        let call = HostCall::NextBatch(BatchCall { resource: name.clone(), stream: StreamId(held.rep()) });
        Box::pin(async move { Ok((next(accessor, call).await?,)) })
    })
}

async fn start(accessor: &Accessor<CallState>, call: HostCall) -> Result<Result<Held, GuestHostError>> {
    Ok(match through_gate(accessor, call).await? {
        Ok(HostReply::Streaming(StreamId(number))) => Ok(Resource::new_own(number)),
        Ok(other) => Err(mismatched(&other).into()),
        Err(error) => Err(error.into()),
    })
}

async fn next(accessor: &Accessor<CallState>, call: HostCall) -> Result<Result<Option<GuestRows>, GuestHostError>> {
    Ok(match through_gate(accessor, call).await? {
        Ok(HostReply::Batch(rows)) => Ok(rows.map(GuestRows::from)),
        Ok(other) => Err(mismatched(&other).into()),
        Err(error) => Err(error.into()),
    })
}
