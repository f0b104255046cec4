//! Host work costs fuel: a guest cannot make the host busy for free.

use airlock_model::{HostCall, HostError, HostReply};
use wasmtime::{AsContextMut, Result, Trap, component::Accessor};

use crate::state::CallState;

/// What entering the host costs, about a microsecond of QuickJS.
const FUEL_PER_CALL: u64 = 5_000;
/// What a copied byte costs.
const FUEL_PER_BYTE: u64 = 1;

/// Takes the fuel for one host call and its copied bytes.
///
/// # Errors
/// `OutOfFuel`, as if the guest had spent it itself.
pub(super) fn charge(mut store: impl AsContextMut, bytes: u64) -> Result<()> {
    let mut store = store.as_context_mut();
    let cost = FUEL_PER_CALL.saturating_add(bytes.saturating_mul(FUEL_PER_BYTE));
    match store.get_fuel()?.checked_sub(cost) {
        Some(left) => store.set_fuel(left),
        None => {
            store.set_fuel(0)?;
            Err(Trap::OutOfFuel.into())
        }
    }
}

/// Sends one call through the gate, charging both directions.
pub(super) async fn through_gate(
    accessor: &Accessor<CallState>,
    call: HostCall,
) -> Result<Result<HostReply, HostError>> {
    let gate = accessor.with(|mut access| {
        charge(&mut access, call.size_bytes())?;
        Ok::<_, wasmtime::Error>(access.data_mut().gate.clone())
    })?;
    let answer = gate.call(call).await;
    if let Ok(reply) = &answer {
        accessor.with(|mut access| charge(&mut access, reply.size_bytes()))?;
    }
    Ok(answer)
}

/// The gate answered one kind of call with the reply of another: our own bug, reported and contained.
pub(super) fn mismatched(reply: &HostReply) -> HostError {
    tracing::error!(?reply, "the gate answered with a reply of another kind");
    HostError::Unavailable("the host could not answer this call".to_owned())
}
