//! `resources:<name>/http@1.0.0`.

use airlock_model::{HostCall, HostReply, HttpCall, ResourceName};
use wasmtime::component::Linker;

use super::{
    asking,
    types::{GuestRequest, GuestResponse},
};
use crate::state::CallState;

pub(super) fn link(linker: &mut Linker<CallState>, import: &str, resource: &ResourceName) -> wasmtime::Result<()> {
    let resource = resource.clone();
    let call = move |(request,)| http_call(&resource, request);
    asking::function(&mut linker.instance(import)?, "send", call, response)
}

fn http_call(resource: &ResourceName, request: GuestRequest) -> HostCall {
    HostCall::Http(HttpCall {
        resource: resource.clone(),
        method: request.method,
        path: request.path,
        query: request.query,
        headers: request.headers,
        body: request.body,
    })
}

fn response(reply: HostReply) -> Result<GuestResponse, HostReply> {
    if let HostReply::Http(reply) = reply { Ok(reply.into()) } else { Err(reply) }
}
