//! The two engine configurations: one runs guests, one compiles them. What they compile is interchangeable.

use wasmtime::{
    Config, Enabled, InstanceAllocationStrategy, OperatorCost, PoolingAllocationConfig, VariableOperatorCost,
    WasmFeatures,
};

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

impl EngineOptions {
    /// Memory mappings that this process may need when every call takes all it can.
    #[must_use]
    pub fn mappings_max(self) -> u64 {
        let in_memories = u64::from(memories(self.instances_max)) * MAPPINGS_PER_MEMORY;
        let in_stacks = u64::from(self.instances_max) * u64::from(STACKS_PER_CALL) * MAPPINGS_PER_STACK;
        in_memories.saturating_add(in_stacks).saturating_add(MAPPINGS_BESIDE)
    }

    /// Address space that the pool reserves for linear memories, in bytes. Reserved is not used.
    #[must_use]
    pub fn reserved_bytes(self) -> u64 {
        u64::from(memories(self.instances_max)).saturating_mul(MEMORY_RESERVATION_BYTES + MEMORY_GUARD_BYTES)
    }
}

/// The engine that runs guests. Cheap to clone; one per process.
#[derive(Clone)]
pub struct Engine {
    pub(crate) wasmtime: wasmtime::Engine,
    options: EngineOptions,
}

/// The kernel allows fewer memory mappings than a full pool takes: calls would fail before the pool is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MappingShortage {
    /// When every call takes all it can.
    pub needed: u64,
    /// `vm.max_map_count`.
    pub allowed: u64,
}

/// Core instances a component may have: the QuickJS runtime links about twenty.
pub(crate) const CORE_INSTANCES_PER_COMPONENT: u32 = 64;
const MEMORIES_PER_COMPONENT: u32 = 8;
/// What fits 47 bits of address space at [`MEMORY_RESERVATION_BYTES`] each, with room for everything else.
const MEMORIES_MAX: u32 = 20_000;
const TABLES_PER_COMPONENT: u32 = 8;
/// State of one core module, its globals and functions: 10,000 globals take 160 KB.
const CORE_INSTANCE_BYTES: usize = 1 << 20;
/// State of a whole component, all its core instances together.
const COMPONENT_INSTANCE_BYTES: usize = 4 << 20;
const TABLE_ELEMENTS: usize = 20_000;
const TABLE_KEEP_RESIDENT_BYTES: usize = 64 << 10;
const STACK_KEEP_RESIDENT_BYTES: usize = 16 << 10;
const MEMORY_RESERVATION_BYTES: u64 = 4 << 30;
const MEMORY_GUARD_BYTES: u64 = 32 << 20;
const FUEL_PER_WASM_CALL: u8 = 10;
const FUEL_PER_BULK_OPERATOR: u8 = 40;
const FUEL_PER_GROWTH: u8 = 200;
const FUEL_PER_GROWN_PAGE: u8 = 100;
/// Of which host functions have what [`WASM_STACK_BYTES`] leaves: 1.5 MiB.
const STACK_BYTES: usize = 2 << 20;
const WASM_STACK_BYTES: usize = 512 << 10;
/// Stacks of one call: its own, and one for each task inside it that waits in the middle of its code.
const STACKS_PER_CALL: u32 = 2;
/// Mappings that one memory slot in use takes: image, heap, what is not accessible, guard.
const MAPPINGS_PER_MEMORY: u64 = 4;
/// Stack and guard page.
const MAPPINGS_PER_STACK: u64 = 2;
/// Mappings of everything else in the process: code of functions, heap, threads, libraries.
const MAPPINGS_BESIDE: u64 = 4_000;

impl Engine {
    /// Makes the engine with its pool. Maps address space, commits almost nothing.
    ///
    /// # Errors
    /// When the pool does not fit the address space or the kernel's limits.
    pub fn new(options: EngineOptions) -> Result<Self, EngineError> {
        let mut config = shared_config();
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(options)));
        let wasmtime = wasmtime::Engine::new(&config).map_err(|source| EngineError { options, source })?;
        Ok(Self { wasmtime, options })
    }

    /// Whether `vm.max_map_count` is too low for the pool.
    #[must_use]
    pub fn mapping_shortage(&self) -> Option<MappingShortage> {
        let allowed = std::fs::read_to_string("/proc/sys/vm/max_map_count").ok()?.trim().parse().ok()?;
        let needed = self.options.mappings_max();
        (needed > allowed).then_some(MappingShortage { needed, allowed })
    }

    /// Components that have an instance in the pool now.
    #[must_use]
    pub fn instances_in_use(&self) -> u64 {
        match self.wasmtime.pooling_allocator_metrics() {
            Some(pool) => pool.component_instances(),
            // Our engines have a pool.
            None => 0,
        }
    }

    /// Names of the WebAssembly features that are on.
    #[must_use]
    pub fn features(&self) -> Vec<&'static str> {
        self.wasmtime.get_wasm_features().iter_names().map(|(name, _)| name).collect()
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
        .operator_cost(operator_cost())
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
    config.wasm_features(WasmFeatures::all(), false);
    for feature in FEATURES {
        config.wasm_features(*feature, true);
    }
    config
}

/// What guests may use, and nothing else: the list of `airlock_analysis::features`, which a test compares.
const FEATURES: &[WasmFeatures] = &[
    WasmFeatures::MUTABLE_GLOBAL,
    WasmFeatures::SATURATING_FLOAT_TO_INT,
    WasmFeatures::SIGN_EXTENSION,
    WasmFeatures::REFERENCE_TYPES,
    WasmFeatures::MULTI_VALUE,
    WasmFeatures::BULK_MEMORY,
    WasmFeatures::SIMD,
    WasmFeatures::FLOATS,
    WasmFeatures::EXTENDED_CONST,
    WasmFeatures::COMPONENT_MODEL,
    WasmFeatures::CM_ASYNC,
];

/// Fuel is spent at about the same rate per second whatever runs, so that turns are about equally long: operators that
/// call into the host cost what they take there. Everything else costs one, as by default.
fn operator_cost() -> OperatorCost {
    let mut cost = OperatorCost::new();
    // Canonical built-ins (handles, streams, waitable sets) are calls that never reach a host function of ours.
    (cost.Call, cost.CallIndirect) = (FUEL_PER_WASM_CALL, FUEL_PER_WASM_CALL);
    for bulk in [
        &mut cost.MemoryCopy,
        &mut cost.MemoryFill,
        &mut cost.MemoryInit,
        &mut cost.TableCopy,
        &mut cost.TableFill,
        &mut cost.TableInit,
    ] {
        *bulk = FUEL_PER_BULK_OPERATOR;
    }
    (cost.MemoryGrow, cost.TableGrow) = (FUEL_PER_GROWTH, FUEL_PER_GROWTH);
    cost.variable = VariableOperatorCost { memory_grow_per_page: FUEL_PER_GROWN_PAGE, ..VariableOperatorCost::new() };
    cost
}

/// Every call its full number, as far as the address space goes; beyond, at least one for each and one to spare.
fn memories(count: u32) -> u32 {
    count.saturating_mul(MEMORIES_PER_COMPONENT).min(MEMORIES_MAX).max(count.saturating_mul(2))
}

fn pool(options: EngineOptions) -> PoolingAllocationConfig {
    let count = options.instances_max;
    let memory_bytes = usize::try_from(options.memory_bytes_max).unwrap_or(usize::MAX);
    let mut pool = PoolingAllocationConfig::new();
    // Every call can have as many as one component may, but for memories above 2,500 calls: see `memories`.
    pool.total_component_instances(count)
        .total_core_instances(count.saturating_mul(CORE_INSTANCES_PER_COMPONENT))
        .total_memories(memories(count))
        .total_tables(count.saturating_mul(TABLES_PER_COMPONENT))
        .total_stacks(count.saturating_mul(STACKS_PER_CALL))
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .max_memories_per_module(1)
        .max_tables_per_module(TABLES_PER_COMPONENT)
        .max_core_instance_size(CORE_INSTANCE_BYTES)
        .max_component_instance_size(COMPONENT_INSTANCE_BYTES)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(memory_bytes)
        .linear_memory_keep_resident(options.keep_resident_bytes)
        .table_keep_resident(TABLE_KEEP_RESIDENT_BYTES)
        .async_stack_keep_resident(STACK_KEEP_RESIDENT_BYTES)
        .pagemap_scan(Enabled::Auto);
    pool
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine() -> Engine {
        Engine::new(EngineOptions { instances_max: 3, ..EngineOptions::default() }).unwrap()
    }

    #[test]
    fn host_functions_keep_a_mebibyte_of_stack() {
        let wasmtime = engine().wasmtime;
        assert_eq!(wasmtime.get_max_wasm_stack(), WASM_STACK_BYTES);
        assert!(wasmtime.get_async_stack_size() - wasmtime.get_max_wasm_stack() >= 1 << 20);
        assert!(wasmtime.get_async_stack_zeroing());
    }

    #[test]
    fn fuel_stops_guests_and_the_epoch_is_off() {
        let wasmtime = engine().wasmtime;
        assert!(wasmtime.get_consume_fuel() && !wasmtime.get_epoch_interruption());
    }

    #[test]
    fn every_call_can_have_what_one_component_may() {
        let wasmtime = engine().wasmtime;
        let pool = wasmtime.get_pooling_config().unwrap();
        assert_eq!(pool.get_total_component_instances(), 3);
        assert_eq!(pool.get_total_core_instances(), 3 * pool.get_max_core_instances_per_component());
        assert_eq!(pool.get_total_memories(), 3 * pool.get_max_memories_per_component());
        assert_eq!(pool.get_total_tables(), 3 * pool.get_max_tables_per_component());
        assert_eq!(pool.get_total_stacks(), 3 * STACKS_PER_CALL);
        assert_eq!(pool.get_max_core_instances_per_component(), 64);
        assert_eq!((pool.get_max_memories_per_component(), pool.get_max_tables_per_component()), (8, 8));
        assert_eq!((pool.get_max_memories_per_module(), pool.get_max_tables_per_module()), (1, 8));
        assert_eq!((pool.get_table_elements(), pool.get_max_memory_size()), (20_000, 1 << 30));
        assert_eq!(pool.get_max_core_instance_size(), CORE_INSTANCE_BYTES);
        assert_eq!(pool.get_max_component_instance_size(), COMPONENT_INSTANCE_BYTES);
    }

    #[test]
    fn a_pool_that_needs_more_mappings_than_the_kernel_gives_is_known() {
        let usual = EngineOptions::default();
        assert!(usual.mappings_max() < 65_530, "the default fits Linux's default of `vm.max_map_count`");
        let many = EngineOptions { instances_max: 100_000, ..usual };
        assert!(many.mappings_max() > 1_000_000, "{}", many.mappings_max());
        assert_eq!(engine().mapping_shortage(), None);
    }
}
