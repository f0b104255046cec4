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

/// What a store had left when it was charged, and when that was.
struct Charged {
    fuel_left: u64,
    at: Instant,
}

/// Takes the fuel for one host call and its copied bytes.
///
/// Setting fuel begins a new interval between two yields, so a guest that calls often enough would never yield by itself:
/// the deadline is looked at here, and [`give_way`] lets others go on.
///
/// # Errors
/// `OutOfFuel`, as if the guest had spent it itself, and the deadline.
fn charge(mut store: impl AsContextMut<Data = CallState>, bytes: u64) -> Result<Charged> {
    let mut store = store.as_context_mut();
    let (at, state) = (Instant::now(), store.data());
    if at >= state.deadline {
        return Err(LimitTrap { limit: Limit::WallTimeMs, used: state.wall_time_ms }.into());
    }
    let cost = FUEL_PER_CALL.saturating_add(bytes.saturating_mul(FUEL_PER_BYTE));
    let left = store.get_fuel()?.checked_sub(cost);
    store.set_fuel(left.unwrap_or(0))?;
    left.map(|fuel_left| Charged { fuel_left, at }).ok_or_else(|| Trap::OutOfFuel.into())
}

/// Charges, and says whether as much fuel or time went since others last had their turn as a guest without host calls
/// could spend.
fn charge_and_is_due(mut store: impl AsContextMut<Data = CallState>, bytes: u64) -> Result<bool> {
    let mut store = store.as_context_mut();
    let Charged { fuel_left, at } = charge(&mut store, bytes)?;
    let state = store.data_mut();
    let is_due = state.fuel_at_turn.saturating_sub(fuel_left) >= FUEL_YIELD_INTERVAL || at >= state.turn_ends;
    if is_due {
        state.fuel_at_turn = fuel_left;
        state.turn_ends = at + TURN_TIME_MAX;
    }
    Ok(is_due)
}

/// Charges a call that the host answers at once, and lets others go on when it is their turn.
///
/// # Errors
/// Those of [`charge`].
pub(super) async fn give_way(store: &mut StoreContextMut<'_, CallState>, bytes: u64) -> Result<()> {
    if charge_and_is_due(&mut *store, bytes)? {
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
    if accessor.with(|mut access| charge_and_is_due(&mut access, bytes))? {
        let_others_run().await;
    }
    Ok(())
}

/// Sends one call through the gate, charging both directions. A guest whose time is over hears no answer, not even that
/// its call was stopped: it ends here.
pub(super) async fn through_gate(
    accessor: &Accessor<CallState>,
    call: HostCall,
) -> Result<Result<HostReply, HostError>> {
    give_way_in(accessor, call.size_bytes()).await?;
    let gate = accessor.with(|mut access| access.data_mut().gate.clone());
    let answer = gate.call(call).await;
    let bytes = answer.as_ref().map_or(0, HostReply::size_bytes);
    accessor.with(|mut access| charge(&mut access, bytes))?;
    Ok(answer)
}

/// The gate answered one kind of call with the reply of another: our own bug, reported and contained.
pub(super) fn mismatched(reply: &HostReply) -> HostError {
    tracing::error!(?reply, "the gate answered with a reply of another kind");
    HostError::Unavailable("the host could not answer this call".to_owned())
}
