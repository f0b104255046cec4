//! Host work costs fuel: a guest cannot make the host busy for free.

use airlock_model::{HostCall, HostError, HostReply, Limit};
use tokio::{task::yield_now, time::Instant};
use wasmtime::{AsContextMut, Result, StoreContextMut, Trap, component::Accessor};

use crate::{limiter::LimitTrap, run::FUEL_YIELD_INTERVAL, state::CallState};

/// What entering the host costs, about a microsecond of QuickJS.
const FUEL_PER_CALL: u64 = 5_000;
/// What a copied byte costs.
const FUEL_PER_BYTE: u64 = 1;

/// Takes the fuel for one host call and its copied bytes.
///
/// Setting fuel begins a new interval between two yields, so a guest that calls often enough would never yield by itself:
/// the deadline is looked at here, and [`give_way`] lets others go on.
///
/// # Errors
/// `OutOfFuel`, as if the guest had spent it itself, and the deadline.
pub(super) fn charge(mut store: impl AsContextMut<Data = CallState>, bytes: u64) -> Result<()> {
    let mut store = store.as_context_mut();
    let state = store.data();
    if Instant::now() >= state.deadline {
        return Err(LimitTrap { limit: Limit::WallTimeMs, used: state.wall_time_ms }.into());
    }
    let cost = FUEL_PER_CALL.saturating_add(bytes.saturating_mul(FUEL_PER_BYTE));
    match store.get_fuel()?.checked_sub(cost) {
        Some(left) => store.set_fuel(left),
        None => {
            store.set_fuel(0)?;
            Err(Trap::OutOfFuel.into())
        }
    }
}

/// Whether as much fuel went since others last had their turn as a guest without host calls could spend.
fn is_due(mut store: impl AsContextMut<Data = CallState>) -> Result<bool> {
    let mut store = store.as_context_mut();
    let left = store.get_fuel()?;
    let is_due = store.data().fuel_at_turn.saturating_sub(left) >= FUEL_YIELD_INTERVAL;
    if is_due {
        store.data_mut().fuel_at_turn = left;
    }
    Ok(is_due)
}

/// Charges a call that the host answers at once, and lets others go on when it is their turn.
///
/// # Errors
/// Those of [`charge`].
pub(super) async fn give_way(store: &mut StoreContextMut<'_, CallState>, bytes: u64) -> Result<()> {
    charge(&mut *store, bytes)?;
    if is_due(&mut *store)? {
        yield_now().await;
    }
    Ok(())
}

/// Sends one call through the gate, charging both directions.
pub(super) async fn through_gate(
    accessor: &Accessor<CallState>,
    call: HostCall,
) -> Result<Result<HostReply, HostError>> {
    let (gate, is_due) = accessor.with(|mut access| {
        charge(&mut access, call.size_bytes())?;
        let is_due = is_due(&mut access)?;
        Ok::<_, wasmtime::Error>((access.data_mut().gate.clone(), is_due))
    })?;
    if is_due {
        yield_now().await;
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
