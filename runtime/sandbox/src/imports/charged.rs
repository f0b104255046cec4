//! WASI calls that make the host work: they cost fuel, like our own.
//!
//! wasmtime-wasi charges nothing. A loop of 64 KiB of randomness, or of timers that are made and dropped, would keep a
//! core busy between two yields for as long as it liked.

use std::time::Duration;

use tokio::time::sleep;
use wasmtime::{
    Result, StoreContextMut,
    component::{Accessor, Linker, LinkerInstance, Resource},
};
use wasmtime_wasi::{
    WasiView as _,
    clocks::WasiClocksView,
    p2::bindings::random::{insecure::Host as _, random::Host as _},
    p2::{
        DynPollable,
        bindings::io::poll::{Host as _, HostPollable as _},
    },
    p3::bindings::clocks::monotonic_clock::Host as _,
    random::WasiRandomView,
};

use super::charge::{give_way, give_way_in};
use crate::state::CallState;

/// What looking at one pollable costs.
const FUEL_PER_POLLABLE: u64 = 500;

/// The versions that wasmtime-wasi links; others of the same track resolve to them.
const VERSIONS: [&str; 2] = ["0.2.12", "0.3.0"];

/// Replaces what wasmtime-wasi linked under the same names.
pub(super) fn link(linker: &mut Linker<CallState>) -> Result<()> {
    linker.allow_shadowing(true);
    for version in VERSIONS {
        random(&mut linker.instance(&format!("wasi:random/random@{version}"))?)?;
        insecure(&mut linker.instance(&format!("wasi:random/insecure@{version}"))?)?;
    }
    waits(&mut linker.instance("wasi:clocks/monotonic-clock@0.3.0")?)?;
    poll(&mut linker.instance("wasi:io/poll@0.2.12")?)?;
    linker.allow_shadowing(false);
    Ok(())
}

fn random(instance: &mut LinkerInstance<'_, CallState>) -> Result<()> {
    instance.func_wrap_async("get-random-bytes", |mut store: StoreContextMut<'_, CallState>, (length,): (u64,)| {
        Box::new(async move {
            give_way(&mut store, length).await?;
            Ok((store.data_mut().random().get_random_bytes(length)?,))
        })
    })
}

fn insecure(instance: &mut LinkerInstance<'_, CallState>) -> Result<()> {
    instance.func_wrap_async(
        "get-insecure-random-bytes",
        |mut store: StoreContextMut<'_, CallState>, (length,): (u64,)| {
            Box::new(async move {
                give_way(&mut store, length).await?;
                Ok((store.data_mut().random().get_insecure_random_bytes(length)?,))
            })
        },
    )
}

/// A list may name the same thing again and again.
fn poll(instance: &mut LinkerInstance<'_, CallState>) -> Result<()> {
    instance.func_wrap_async(
        "poll",
        |mut store: StoreContextMut<'_, CallState>, (pollables,): (Vec<Resource<DynPollable>>,)| {
            Box::new(async move {
                give_way(&mut store, FUEL_PER_POLLABLE.saturating_mul(pollables.len() as u64)).await?;
                Ok((store.data_mut().ctx().table.poll(pollables).await?,))
            })
        },
    )?;
    instance.func_wrap_async(
        "[method]pollable.ready",
        |mut store: StoreContextMut<'_, CallState>, (pollable,): (Resource<DynPollable>,)| {
            Box::new(async move {
                give_way(&mut store, FUEL_PER_POLLABLE).await?;
                Ok((store.data_mut().ctx().table.ready(pollable).await?,))
            })
        },
    )
}

fn waits(instance: &mut LinkerInstance<'_, CallState>) -> Result<()> {
    instance.func_wrap_concurrent("wait-for", |accessor: &Accessor<CallState>, (nanoseconds,): (u64,)| {
        Box::pin(async move {
            give_way_in(accessor, 0).await?;
            pause(nanoseconds).await;
            Ok(())
        })
    })?;
    instance.func_wrap_concurrent("wait-until", |accessor: &Accessor<CallState>, (when,): (u64,)| {
        Box::pin(async move {
            give_way_in(accessor, 0).await?;
            let now = accessor.with(|mut access| access.data_mut().clocks().now())?;
            pause(when.saturating_sub(now)).await;
            Ok(())
        })
    })
}

async fn pause(nanoseconds: u64) {
    if nanoseconds > 0 {
        sleep(Duration::from_nanos(nanoseconds)).await;
    }
}
