//! Host work costs fuel: a guest cannot make the host busy for free.

use airlock_model::{HostCall, HostError, HostReply, Limit};
use tokio::{task::yield_now, time::Instant};
use wasmtime::{AsContextMut, Result, StoreContextMut, Trap, component::Accessor};

use crate::{
    limiter::LimitTrap,
    run::FUEL_YIELD_INTERVAL,
    state::{CallState, TURN_TIME_MAX},
};

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
fn charge(mut store: impl AsContextMut<Data = CallState>, bytes: u64) -> Result<()> {
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

/// Whether as much fuel or time went since others last had their turn as a guest without host calls could spend.
fn is_due(mut store: impl AsContextMut<Data = CallState>) -> Result<bool> {
    let mut store = store.as_context_mut();
    let left = store.get_fuel()?;
    let (now, state) = (Instant::now(), store.data_mut());
    let is_due = state.fuel_at_turn.saturating_sub(left) >= FUEL_YIELD_INTERVAL || now >= state.turn_ends;
    if is_due {
        state.fuel_at_turn = left;
        state.turn_ends = now + TURN_TIME_MAX;
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
        let_others_run().await;
    }
    Ok(())
}

/// Gives the thread back. Twice: Wasmtime polls a concurrent host function first with a waker that wakes nobody, and again
/// at once, so that one yield would be over before anybody else had a turn.
async fn let_others_run() {
    yield_now().await;
    yield_now().await;
}

/// Charges a call that may wait, and lets others go on when it is their turn.
///
/// # Errors
/// Those of [`charge`].
pub(super) async fn give_way_in(accessor: &Accessor<CallState>, bytes: u64) -> Result<()> {
    let is_due = accessor.with(|mut access| {
        charge(&mut access, bytes)?;
        is_due(&mut access)
    })?;
    if is_due {
        let_others_run().await;
    }
    Ok(())
}

/// Sends one call through the gate, charging both directions.
pub(super) async fn through_gate(
    accessor: &Accessor<CallState>,
    call: HostCall,
) -> Result<Result<HostReply, HostError>> {
    give_way_in(accessor, call.size_bytes()).await?;
    let gate = accessor.with(|mut access| access.data_mut().gate.clone());
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
