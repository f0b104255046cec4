//! `resources:<name>/http@1.0.0`.

mod exchange;

use airlock_model::{CoverCall, HostCall, HostReply, HttpCall, ResourceName};
use wasmtime::component::Linker;

use super::{
    asking,
    types::{GuestRequest, GuestResponse},
};
use crate::state::CallState;

pub(super) fn link(linker: &mut Linker<CallState>, import: &str, resource: &ResourceName) -> wasmtime::Result<()> {
    let mut instance = linker.instance(import)?;
    let name = resource.clone();
    let call = move |(request,)| HostCall::Http(http_call(&name, request));
    asking::function(&mut instance, "send", call, response)?;
    let name = resource.clone();
    let asked = move |(url,)| HostCall::Covers(CoverCall { resource: name.clone(), url });
    asking::function(&mut instance, "covers", asked, covered)?;
    exchange::link(&mut instance, resource)
}

fn http_call(resource: &ResourceName, request: GuestRequest) -> HttpCall {
    HttpCall {
        resource: resource.clone(),
        method: request.method,
        path: request.path,
        query: request.query,
        headers: request.headers,
        body: request.body,
    }
}

fn response(reply: HostReply) -> Result<GuestResponse, HostReply> {
    if let HostReply::Http(reply) = reply { Ok(reply.into()) } else { Err(reply) }
}

fn covered(reply: HostReply) -> Result<bool, HostReply> {
    if let HostReply::Covered(covered) = reply { Ok(covered) } else { Err(reply) }
}
