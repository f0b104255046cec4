//! What the store of one invocation holds.

use std::sync::Arc;

use airlock_model::{EffectiveLimits, InvocationContext, Limit};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView, p2::pipe::MemoryOutputPipe};

use crate::{Gate, limiter::StoreLimiter};

/// Bytes of randomness one WASI call may ask for.
const RANDOM_BYTES_MAX: u64 = 64 << 10;

/// Per-invocation state behind every host function.
pub(crate) struct CallState {
    pub(crate) gate: Arc<dyn Gate>,
    pub(crate) context: Arc<InvocationContext>,
    pub(crate) limiter: StoreLimiter,
    /// Fuel when the guest last let others run in a host call.
    pub(crate) fuel_at_turn: Option<u64>,
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
    pub(crate) fn new(gate: Arc<dyn Gate>, context: Arc<InvocationContext>, limits: &EffectiveLimits) -> Self {
        let output_bytes_max = usize::try_from(limits.get(Limit::LogBytes)).unwrap_or(usize::MAX);
        Self { gate, context, limiter: StoreLimiter::new(limits), fuel_at_turn: None, output_bytes_max, wasi: None }
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
            .stdout(output.clone())
            .stderr(output.clone())
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(1_000);
        Self { context, table, output }
    }
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = self.wasi.get_or_insert_with(|| Box::new(Wasi::new(self.output_bytes_max)));
        WasiCtxView { ctx: &mut wasi.context, table: &mut wasi.table }
    }
}
