//! Host work costs fuel: a guest cannot make the host busy for free.

use airlock_model::{HostCall, HostError, HostReply};
use wasmtime::{AsContextMut, Result, StoreContextMut, Trap, component::Accessor};

use crate::state::CallState;

/// What entering the host costs, about a microsecond of QuickJS.
const FUEL_PER_CALL: u64 = 5_000;
/// What a copied byte costs.
const FUEL_PER_BYTE: u64 = 1;

/// Fuel, the guest's own and the host's, after which a guest that calls the host lets others run.
///
/// Wasmtime's own interval begins anew with every charge, so that a guest which calls the host in a loop would never
/// meet it: neither its deadline nor its neighbours would get their turn.
const FUEL_PER_TURN: u64 = 1_000_000;

/// Takes the fuel for one host call and its copied bytes. True when others must run before it goes on.
///
/// # Errors
/// `OutOfFuel`, as if the guest had spent it itself.
fn charge(mut store: impl AsContextMut<Data = CallState>, bytes: u64) -> Result<bool> {
    let mut store = store.as_context_mut();
    let cost = FUEL_PER_CALL.saturating_add(bytes.saturating_mul(FUEL_PER_BYTE));
    let Some(left) = store.get_fuel()?.checked_sub(cost) else {
        store.set_fuel(0)?;
        return Err(Trap::OutOfFuel.into());
    };
    store.set_fuel(left)?;
    let turn_began_with = store.data_mut().fuel_at_turn.get_or_insert(left.saturating_add(cost));
    let is_over = turn_began_with.saturating_sub(left) >= FUEL_PER_TURN;
    if is_over {
        *turn_began_with = left;
    }
    Ok(is_over)
}

/// Charges a call of an import that is not concurrent, and lets others run when it is their turn.
pub(super) async fn charge_and_yield(store: &mut StoreContextMut<'_, CallState>, bytes: u64) -> Result<()> {
    if charge(&mut *store, bytes)? {
        let_others_run().await;
    }
    Ok(())
}

/// Gives the thread back. Twice: Wasmtime polls a concurrent host function first with a waker that wakes nobody, and again
/// at once, so that one yield would be over before anybody else had a turn.
async fn let_others_run() {
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
}

/// Sends one call through the gate, charging both directions.
pub(super) async fn through_gate(
    accessor: &Accessor<CallState>,
    call: HostCall,
) -> Result<Result<HostReply, HostError>> {
    let (is_over, gate) = accessor.with(|mut access| {
        let is_over = charge(&mut access, call.size_bytes())?;
        Ok::<_, wasmtime::Error>((is_over, access.data_mut().gate.clone()))
    })?;
    if is_over {
        let_others_run().await;
    }
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
