//! `resources:<name>/http@1.0.0`.

use airlock_model::{HostCall, HostReply, HttpCall, ResourceName};
use wasmtime::{
    Result,
    component::{Accessor, Linker},
};

use super::{
    charge::{mismatched, through_gate},
    types::{GuestHostError, GuestRequest, GuestResponse},
};
use crate::state::CallState;

pub(super) fn link(linker: &mut Linker<CallState>, import: &str, resource: &ResourceName) -> Result<()> {
    let resource = resource.clone();
    linker.instance(import)?.func_wrap_concurrent("send", move |accessor: &Accessor<CallState>, (request,)| {
        let call = http_call(&resource, request);
        Box::pin(async move { Ok((send(accessor, call).await?,)) })
    })
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

async fn send(accessor: &Accessor<CallState>, call: HostCall) -> Result<Result<GuestResponse, GuestHostError>> {
    Ok(match through_gate(accessor, call).await? {
        Ok(HostReply::Http(reply)) => Ok(reply.into()),
        Ok(other) => Err(mismatched(&other).into()),
        Err(error) => Err(error.into()),
    })
}
