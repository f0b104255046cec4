//! `resources:<name>/llm@1.0.0`. Requests and completions are JSON text, as rows are: one carrier for every language.

use airlock_model::{HostCall, HostReply, Kept, LlmCall, LlmVerb, PieceCall, ResourceName, StreamId};
use serde::Serialize;
use wasmtime::{
    Result,
    component::{Linker, LinkerInstance, Resource, ResourceType},
};

use super::asking;
use crate::state::CallState;

/// What a guest holds of a completion; its number is the gate's.
struct Pieces;

type Held = Resource<Pieces>;

pub(super) fn link(linker: &mut Linker<CallState>, import: &str, resource: &ResourceName) -> Result<()> {
    let mut instance = linker.instance(import)?;
    let llm = &mut instance;
    llm.resource("pieces", ResourceType::host::<Pieces>(), |store, number| {
        store.data().gate.release(Kept::Completion(StreamId(number)));
        Ok(())
    })?;
    request(llm, "complete", resource, LlmVerb::Complete, completion)?;
    request(llm, "complete-stream", resource, LlmVerb::Stream, started)?;
    let name = resource.clone();
    let next =
        move |(held,): (Held,)| HostCall::NextPiece(PieceCall { resource: name.clone(), stream: StreamId(held.rep()) });
    asking::function(llm, "[method]pieces.next", next, piece)
}

fn request<R>(
    instance: &mut LinkerInstance<'_, CallState>,
    name: &str,
    resource: &ResourceName,
    verb: LlmVerb,
    result: fn(HostReply) -> std::result::Result<R, HostReply>,
) -> Result<()>
where
    R: wasmtime::component::Lower + Send + 'static,
{
    let resource = resource.clone();
    let call = move |(request,)| HostCall::Llm(LlmCall { resource: resource.clone(), verb, request });
    asking::function(instance, name, call, result)
}

fn completion(reply: HostReply) -> std::result::Result<String, HostReply> {
    if let HostReply::Completion(completion) = reply { Ok(json(&completion)) } else { Err(reply) }
}

fn started(reply: HostReply) -> std::result::Result<Held, HostReply> {
    if let HostReply::Completing(StreamId(number)) = reply { Ok(Resource::new_own(number)) } else { Err(reply) }
}

fn piece(reply: HostReply) -> std::result::Result<Option<String>, HostReply> {
    if let HostReply::Completed(piece) = reply { Ok(piece.as_ref().map(json)) } else { Err(reply) }
}

/// Texts, numbers and JSON itself: nothing that has no form.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
