//! Host calls of guests, from their arguments to their results.

use airlock_model::{HostCall, HostReply};
use wasmtime::component::{Accessor, ComponentNamedList, Lift, LinkerInstance, Lower};

use super::{
    charge::{mismatched, through_gate},
    types::GuestHostError,
};
use crate::state::CallState;

/// Links a function whose arguments are one host call. `result` gives a reply of another kind back.
pub(in crate::imports) fn function<A, R>(
    instance: &mut LinkerInstance<'_, CallState>,
    name: &str,
    call: impl Fn(A) -> HostCall + Send + Sync + 'static,
    result: impl Fn(HostReply) -> Result<R, HostReply> + Copy + Send + Sync + 'static,
) -> wasmtime::Result<()>
where
    A: ComponentNamedList + Lift + Send + 'static,
    R: Lower + Send + 'static,
{
    instance.func_wrap_concurrent(name, move |accessor: &Accessor<CallState>, arguments: A| {
        let call = call(arguments);
        Box::pin(async move { Ok((ask(accessor, call, result).await?,)) })
    })
}

/// Sends one call through the gate and makes its reply the guest's.
async fn ask<R>(
    accessor: &Accessor<CallState>,
    call: HostCall,
    result: impl Fn(HostReply) -> Result<R, HostReply>,
) -> wasmtime::Result<Result<R, GuestHostError>> {
    Ok(match through_gate(accessor, call).await? {
        Ok(reply) => result(reply).map_err(|other| mismatched(&other).into()),
        Err(error) => Err(error.into()),
    })
}
