//! WASI calls that make the host work: they cost fuel, like our own.
//!
//! wasmtime-wasi charges nothing. A loop of 64 KiB of randomness, or of timers that are made and dropped, would keep a
//! core busy between two yields for as long as it liked.

use std::time::Duration;

use tokio::time::sleep;
use wasmtime::{
    Result, StoreContextMut,
    component::{Accessor, Linker, LinkerInstance},
};
use wasmtime_wasi::{
    clocks::WasiClocksView,
    p2::bindings::random::{insecure::Host as _, random::Host as _},
    p3::bindings::clocks::monotonic_clock::Host as _,
    random::WasiRandomView,
};

use super::charge::{charge, give_way};
use crate::state::CallState;

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

fn waits(instance: &mut LinkerInstance<'_, CallState>) -> Result<()> {
    instance.func_wrap_concurrent("wait-for", |accessor: &Accessor<CallState>, (nanoseconds,): (u64,)| {
        Box::pin(async move {
            accessor.with(|mut access| charge(&mut access, 0))?;
            pause(nanoseconds).await;
            Ok(())
        })
    })?;
    instance.func_wrap_concurrent("wait-until", |accessor: &Accessor<CallState>, (when,): (u64,)| {
        Box::pin(async move {
            let now = accessor.with(|mut access| {
                charge(&mut access, 0)?;
                access.data_mut().clocks().now()
            })?;
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
