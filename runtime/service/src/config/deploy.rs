//! `[deploy]`: what an upload may be, and what analysing and compiling it may take.

use std::num::{NonZeroU64, NonZeroUsize};

use airlock_analysis::Bounds;
use airlock_sandbox::CompileLimits;
use serde::{Deserialize, Serialize};

use super::{ConfigError, amount};

/// Below this the compiler's threads have no room for their stacks.
const MEMORY_BYTES_MIN: u64 = 256 << 20;

/// `[deploy]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeployConfig {
    /// Memory of one compile process, in bytes.
    #[serde(deserialize_with = "amount")]
    pub compile_memory_bytes: NonZeroU64,
    /// CPU time of one compile process over all its threads, in seconds.
    pub compile_cpu_s: NonZeroU64,
    /// Time of one compilation from start to end, in milliseconds.
    #[serde(deserialize_with = "amount")]
    pub compile_wall_ms: NonZeroU64,
    /// Bytes of machine code of one function.
    #[serde(deserialize_with = "amount")]
    pub compiled_bytes: NonZeroU64,
    /// Deploys analysed and compiled at once; of one tenant it is always one.
    pub compile_parallel: NonZeroUsize,
    /// Deploys that wait for their turn, over all tenants. Each holds its upload in memory.
    pub waiting_max: usize,
    /// Deploys of one tenant that wait for their turn.
    pub waiting_per_tenant: usize,
    /// What a component may have.
    pub bounds: Bounds,
}

impl Default for DeployConfig {
    fn default() -> Self {
        let CompileLimits { memory_bytes, cpu_s, wall_ms, compiled_bytes } = CompileLimits::BUILT_IN;
        let known = |value| NonZeroU64::new(value).unwrap_or(NonZeroU64::MIN);
        Self {
            compile_memory_bytes: known(memory_bytes),
            compile_cpu_s: known(cpu_s),
            compile_wall_ms: known(wall_ms),
            compiled_bytes: known(compiled_bytes),
            compile_parallel: NonZeroUsize::MIN.saturating_add(1),
            waiting_max: 8,
            waiting_per_tenant: 2,
            bounds: Bounds::BUILT_IN,
        }
    }
}

impl DeployConfig {
    /// The limits of the compile process.
    #[must_use]
    pub fn compile_limits(&self) -> CompileLimits {
        CompileLimits {
            memory_bytes: self.compile_memory_bytes.get(),
            cpu_s: self.compile_cpu_s.get(),
            wall_ms: self.compile_wall_ms.get(),
            compiled_bytes: self.compiled_bytes.get(),
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let memory = self.compile_memory_bytes.get();
        if memory < MEMORY_BYTES_MIN {
            let message = format!("{memory} is too little for any component: at least {MEMORY_BYTES_MIN}");
            return Err(ConfigError::value("deploy.compile_memory_bytes", message));
        }
        Ok(())
    }
}
