//! `resource exchange`: a handle of the guest's stands for an HTTP exchange that the gate keeps.
//!
//! Each step is a call of its own, which is the back-pressure both ways, and is charged before the guest has its answer.

use airlock_model::{ExchangeCall, ExchangeId, ExchangeStep, HostCall, HostReply, Kept, ResourceName};
use wasmtime::{
    Result,
    component::{LinkerInstance, Resource, ResourceType},
};

use super::http_call;
use crate::{
    imports::{
        asking,
        types::{GuestHead, GuestRequest},
    },
    state::CallState,
};

/// What a guest holds of an exchange; its number is the gate's.
struct Exchange;

type Held = Resource<Exchange>;

pub(super) fn link(instance: &mut LinkerInstance<'_, CallState>, resource: &ResourceName) -> Result<()> {
    instance.resource("exchange", ResourceType::host::<Exchange>(), |store, number| {
        store.data().gate.release(Kept::Exchange(ExchangeId(number)));
        Ok(())
    })?;
    let name = resource.clone();
    let open = move |(request,): (GuestRequest,)| HostCall::Open(http_call(&name, request));
    asking::function(instance, "open", open, opened)?;
    let name = resource.clone();
    let write = move |(held, bytes): (Held, Vec<u8>)| step(&name, &held, ExchangeStep::Write(bytes));
    asking::function(instance, "[method]exchange.write", write, written)?;
    let name = resource.clone();
    let respond = move |(held,): (Held,)| step(&name, &held, ExchangeStep::Head);
    asking::function(instance, "[method]exchange.response", respond, head)?;
    let name = resource.clone();
    let next = move |(held,): (Held,)| step(&name, &held, ExchangeStep::Next);
    asking::function(instance, "[method]exchange.next", next, piece)
}

fn step(resource: &ResourceName, held: &Held, step: ExchangeStep) -> HostCall {
    HostCall::Exchange(ExchangeCall { resource: resource.clone(), exchange: ExchangeId(held.rep()), step })
}

fn opened(reply: HostReply) -> Result<Held, HostReply> {
    if let HostReply::Opened(ExchangeId(number)) = reply { Ok(Resource::new_own(number)) } else { Err(reply) }
}

fn written(reply: HostReply) -> Result<(), HostReply> {
    if let HostReply::Ended = reply { Ok(()) } else { Err(reply) }
}

fn head(reply: HostReply) -> Result<GuestHead, HostReply> {
    if let HostReply::Head(head) = reply { Ok(head.into()) } else { Err(reply) }
}

fn piece(reply: HostReply) -> Result<Option<Vec<u8>>, HostReply> {
    if let HostReply::Piece(piece) = reply { Ok(piece) } else { Err(reply) }
}
