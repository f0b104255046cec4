//! `resource batches`: a handle of the guest's stands for a query that the gate keeps.
//!
//! A pull is the back-pressure, and each batch is charged before the guest has it. A WIT `stream<rows>` would carry no errors
//! and would have its own buffers between gate and guest.

use airlock_model::{BatchCall, HostCall, HostReply, Kept, ResourceName, SqlCall, SqlVerb, StreamId};
use wasmtime::{
    Result,
    component::{LinkerInstance, Resource, ResourceType},
};

use super::Statement;
use crate::{
    imports::{asking, types::GuestRows},
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
    let query = move |(statement, parameters): Statement| {
        let (resource, verb) = (name.clone(), SqlVerb::Query);
        HostCall::Stream(SqlCall { resource, within: None, verb, statement, parameters })
    };
    asking::function(instance, "query-stream", query, started)?;
    let name = resource.clone();
    let next =
        move |(held,): (Held,)| HostCall::NextBatch(BatchCall { resource: name.clone(), stream: StreamId(held.rep()) });
    asking::function(instance, "[method]batches.next", next, batch)
}

fn started(reply: HostReply) -> Result<Held, HostReply> {
    if let HostReply::Streaming(StreamId(number)) = reply { Ok(Resource::new_own(number)) } else { Err(reply) }
}

fn batch(reply: HostReply) -> Result<Option<GuestRows>, HostReply> {
    if let HostReply::Batch(rows) = reply { Ok(rows.map(GuestRows::from)) } else { Err(reply) }
}
