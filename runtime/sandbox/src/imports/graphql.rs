//! `resources:<name>/graphql@1.0.0`.

use airlock_model::{GraphqlCall, GraphqlVerb, HostCall, HostReply, ResourceName};
use wasmtime::component::{Linker, LinkerInstance};

use super::{asking, types::GuestAnswer};
use crate::state::CallState;

pub(super) fn link(linker: &mut Linker<CallState>, import: &str, resource: &ResourceName) -> wasmtime::Result<()> {
    let mut instance = linker.instance(import)?;
    function(&mut instance, "query", resource, GraphqlVerb::Query)?;
    function(&mut instance, "mutate", resource, GraphqlVerb::Mutate)
}

fn function(
    instance: &mut LinkerInstance<'_, CallState>,
    name: &str,
    resource: &ResourceName,
    verb: GraphqlVerb,
) -> wasmtime::Result<()> {
    let resource = resource.clone();
    let call = move |(document, variables)| {
        HostCall::Graphql(GraphqlCall { resource: resource.clone(), verb, document, variables })
    };
    asking::function(instance, name, call, answer)
}

fn answer(reply: HostReply) -> Result<GuestAnswer, HostReply> {
    if let HostReply::Graphql(reply) = reply { Ok(reply.into()) } else { Err(reply) }
}
