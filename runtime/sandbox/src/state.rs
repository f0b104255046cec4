//! What the store of one invocation holds.

use std::{sync::Arc, time::Duration};

use airlock_model::{EffectiveLimits, InvocationContext, Limit};
use tokio::time::Instant;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{
    WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView,
    clocks::{MonotonicClock, WallClock},
    p2::pipe::MemoryOutputPipe,
};

use crate::{Gate, clock::Coarse, limiter::StoreLimiter};

/// Bytes of randomness one WASI call may ask for.
const RANDOM_BYTES_MAX: u64 = 64 << 10;
/// Resources that the WASI part of the host may hold for one guest.
const HOST_RESOURCES_MAX: usize = 1_000;

/// How long a guest may go on from one host call to the next, whatever they cost.
pub(crate) const TURN_TIME_MAX: Duration = Duration::from_millis(1);

/// Per-invocation state behind every host function.
pub(crate) struct CallState {
    pub(crate) gate: Arc<dyn Gate>,
    pub(crate) context: Arc<InvocationContext>,
    pub(crate) limiter: StoreLimiter,
    /// When it must end, and the limit that says so.
    pub(crate) deadline: Instant,
    pub(crate) wall_time_ms: u64,
    /// Fuel that was left when a host call last gave way to others.
    pub(crate) fuel_at_turn: u64,
    /// When the turn is over however little fuel it took.
    pub(crate) turn_ends: Instant,
    output_bytes_max: usize,
    wasi: Option<Box<Wasi>>,
}

/// Made on first use: guests without a language runtime never ask for it.
struct Wasi {
    context: WasiCtx,
    table: ResourceTable,
    output: MemoryOutputPipe,
}

impl CallState {
    pub(crate) fn new(
        gate: Arc<dyn Gate>,
        context: Arc<InvocationContext>,
        limits: &EffectiveLimits,
        deadline: Instant,
    ) -> Self {
        Self {
            gate,
            context,
            limiter: StoreLimiter::new(limits),
            deadline,
            wall_time_ms: limits.get(Limit::WallTimeMs),
            fuel_at_turn: limits.get(Limit::Fuel),
            turn_ends: Instant::now() + TURN_TIME_MAX,
            output_bytes_max: usize::try_from(limits.get(Limit::LogBytes)).unwrap_or(usize::MAX),
            wasi: None,
        }
    }

    /// What the guest wrote to standard output and error, within `log_bytes`.
    pub(crate) fn standard_output(&self) -> Vec<u8> {
        self.wasi.as_ref().map_or_else(Vec::new, |wasi| wasi.output.contents().to_vec())
    }
}

impl Wasi {
    /// Clocks, randomness, an empty environment and a capped sink; no files, no sockets.
    fn new(output_bytes_max: usize) -> Self {
        let output = MemoryOutputPipe::new(output_bytes_max);
        let context = WasiCtxBuilder::new()
            .max_random_size(RANDOM_BYTES_MAX)
            .wall_clock(Coarse(WallClock))
            .monotonic_clock(Coarse(MonotonicClock::default()))
            .stdout(output.clone())
            .stderr(output.clone())
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(HOST_RESOURCES_MAX);
        Self { context, table, output }
    }
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = self.wasi.get_or_insert_with(|| Box::new(Wasi::new(self.output_bytes_max)));
        WasiCtxView { ctx: &mut wasi.context, table: &mut wasi.table }
    }
}

#[cfg(test)]
mod tests {
    use wasmtime_wasi::p2::OutputStream;

    use super::*;

    #[test]
    fn the_host_keeps_a_thousand_resources_for_one_guest() {
        let mut wasi = Wasi::new(100);
        for _ in 0..1_000 {
            wasi.table.push(()).unwrap();
        }
        assert!(matches!(wasi.table.push(()), Err(wasmtime::component::ResourceTableError::Full)));
    }

    #[test]
    fn standard_output_ends_at_its_cap() {
        let mut wasi = Wasi::new(100);
        assert_eq!(wasi.output.check_write().unwrap(), 100);
        wasi.output.write(vec![b'x'; 100].into()).unwrap();
        assert!(wasi.output.check_write().is_err());
    }
}
