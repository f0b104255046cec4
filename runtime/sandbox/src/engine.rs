//! The two engine configurations: one runs guests, one compiles them. What they compile is interchangeable.

use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, WasmFeatures};

/// The engine could not be made.
#[derive(Debug, thiserror::Error)]
#[error(
    "the WebAssembly engine could not start with {options:?}: lower `[sandbox] instances_max` or raise `vm.max_map_count`"
)]
pub struct EngineError {
    options: EngineOptions,
    #[source]
    source: wasmtime::Error,
}

/// Sizes of the instance pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineOptions {
    /// Invocations that can run at once in this process.
    pub instances_max: u32,
    /// Largest linear memory that any guest may be given, in bytes.
    pub memory_bytes_max: u64,
    /// Bytes of each memory slot that stay mapped between two calls.
    pub keep_resident_bytes: usize,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self { instances_max: 512, memory_bytes_max: 1 << 30, keep_resident_bytes: 2 << 20 }
    }
}

/// The engine that runs guests. Cheap to clone; one per process.
#[derive(Clone)]
pub struct Engine {
    pub(crate) wasmtime: wasmtime::Engine,
}

/// Core instances a component may have: the QuickJS runtime links about twenty.
pub(crate) const CORE_INSTANCES_PER_COMPONENT: u32 = 64;
const MEMORIES_PER_COMPONENT: u32 = 8;
const TABLES_PER_COMPONENT: u32 = 8;
const TABLE_ELEMENTS: usize = 20_000;
const TABLE_KEEP_RESIDENT_BYTES: usize = 64 << 10;
const STACK_KEEP_RESIDENT_BYTES: usize = 16 << 10;
const MEMORY_RESERVATION_BYTES: u64 = 4 << 30;
const MEMORY_GUARD_BYTES: u64 = 32 << 20;
const STACK_BYTES: usize = 2 << 20;
const WASM_STACK_BYTES: usize = 512 << 10;

impl Engine {
    /// Makes the engine with its pool. Maps address space, commits almost nothing.
    ///
    /// # Errors
    /// When the pool does not fit the address space or the kernel's limits.
    pub fn new(options: EngineOptions) -> Result<Self, EngineError> {
        let mut config = shared_config();
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(options)));
        let wasmtime = wasmtime::Engine::new(&config).map_err(|source| EngineError { options, source })?;
        Ok(Self { wasmtime })
    }

    /// Whether this process can use `PAGEMAP_SCAN`, without which resetting a memory slot is much slower.
    #[must_use]
    pub fn has_fast_reset(&self) -> bool {
        has_pagemap_scan()
    }
}

/// Whether the kernel has `PAGEMAP_SCAN` (Linux 6.7) and lets this process use it.
///
/// The engine opens `/proc/self/pagemap` the first time anybody asks, and keeps it for good.
#[must_use]
pub fn has_pagemap_scan() -> bool {
    PoolingAllocationConfig::is_pagemap_scan_available()
}

/// The settings that decide what machine code looks like, and so must agree between compiling and running.
pub(crate) fn shared_config() -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .memory_reservation(MEMORY_RESERVATION_BYTES)
        .memory_guard_size(MEMORY_GUARD_BYTES)
        .memory_init_cow(true)
        .generate_address_map(false)
        .wasm_backtrace_max_frames(None)
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(STACK_BYTES)
        // Costs about 2 us a call: no run finds what another left on its stack, even if the engine had a hole.
        .async_stack_zeroing(true)
        .concurrency_support(true)
        .wasm_component_model(true)
        .wasm_component_model_async(true);
    for feature in REFUSED_FEATURES {
        config.wasm_features(*feature, false);
    }
    config
}

/// What no guest needs and every advisory loves.
const REFUSED_FEATURES: &[WasmFeatures] = &[
    WasmFeatures::THREADS,
    WasmFeatures::SHARED_EVERYTHING_THREADS,
    WasmFeatures::MEMORY64,
    WasmFeatures::TAIL_CALL,
    WasmFeatures::STACK_SWITCHING,
    WasmFeatures::EXCEPTIONS,
    WasmFeatures::FUNCTION_REFERENCES,
    WasmFeatures::GC,
    WasmFeatures::CUSTOM_PAGE_SIZES,
    WasmFeatures::WIDE_ARITHMETIC,
    WasmFeatures::RELAXED_SIMD,
    WasmFeatures::CM_THREADING,
    WasmFeatures::CM_GC,
];

fn pool(options: EngineOptions) -> PoolingAllocationConfig {
    let count = options.instances_max;
    let memory_bytes = usize::try_from(options.memory_bytes_max).unwrap_or(usize::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(count)
        .total_core_instances(count.saturating_mul(24))
        .total_memories(count.saturating_mul(2))
        .total_tables(count.saturating_mul(4))
        .total_stacks(count.saturating_mul(2))
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(memory_bytes)
        .linear_memory_keep_resident(options.keep_resident_bytes)
        .table_keep_resident(TABLE_KEEP_RESIDENT_BYTES)
        .async_stack_keep_resident(STACK_KEEP_RESIDENT_BYTES)
        .pagemap_scan(Enabled::Auto);
    pool
}
