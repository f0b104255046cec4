//! Memory and table budget over the whole store, where Wasmtime's own limits are per memory.

use airlock_model::{EffectiveLimits, Limit};
use wasmtime::{ResourceLimiter, Result};

/// Deploy and the pool count the same before anything runs; this is for what they would miss.
const MEMORIES_MAX: usize = 8;
const TABLES_MAX: usize = 8;

/// Marks the trap that a spent budget causes, so that the outcome can name the limit.
#[derive(Debug, thiserror::Error)]
#[error("limit `{limit}` reached")]
pub(crate) struct LimitTrap {
    pub(crate) limit: Limit,
    /// What the guest would have reached.
    pub(crate) used: u64,
}

/// Sums every memory and table of one store.
pub(crate) struct StoreLimiter {
    memory_bytes_max: u64,
    table_elements_max: u64,
    instances_max: usize,
    memory_bytes: u64,
    memory_bytes_peak: u64,
    table_elements: u64,
}

impl StoreLimiter {
    pub(crate) fn new(limits: &EffectiveLimits) -> Self {
        Self {
            memory_bytes_max: limits.get(Limit::MemoryBytes),
            table_elements_max: limits.get(Limit::TableElements),
            instances_max: usize::try_from(limits.get(Limit::Instances)).unwrap_or(usize::MAX),
            memory_bytes: 0,
            memory_bytes_peak: 0,
            table_elements: 0,
        }
    }

    /// Highest sum of all memories so far, in bytes.
    pub(crate) fn memory_bytes_peak(&self) -> u64 {
        self.memory_bytes_peak
    }
}

/// The new total after one item grows from `current` to `desired`.
fn grown(total: u64, current: usize, desired: usize) -> u64 {
    total.saturating_sub(current as u64).saturating_add(desired as u64)
}

/// A refusal is a trap and not a `-1`: a guest that hits its budget ends there, with the limit named, every time.
impl ResourceLimiter for StoreLimiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        if maximum.is_some_and(|own| desired > own) {
            return Ok(false);
        }
        let used = grown(self.memory_bytes, current, desired);
        if used > self.memory_bytes_max {
            return Err(LimitTrap { limit: Limit::MemoryBytes, used }.into());
        }
        self.memory_bytes = used;
        self.memory_bytes_peak = self.memory_bytes_peak.max(used);
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        if maximum.is_some_and(|own| desired > own) {
            return Ok(false);
        }
        let used = grown(self.table_elements, current, desired);
        if used > self.table_elements_max {
            return Err(LimitTrap { limit: Limit::TableElements, used }.into());
        }
        self.table_elements = used;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.instances_max
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }
}

#[cfg(test)]
mod tests {
    use airlock_model::Limits;

    use super::*;

    fn limiter() -> StoreLimiter {
        StoreLimiter::new(&EffectiveLimits::new(Limits::BUILT_IN))
    }

    #[test]
    fn memories_and_tables_are_summed_over_the_store() {
        let mut limiter = limiter();
        assert!(limiter.memory_growing(0, 40 << 20, None).unwrap());
        assert!(limiter.memory_growing(0, 24 << 20, None).unwrap());
        assert!(limiter.memory_growing(0, 1, None).is_err());
        assert_eq!(limiter.memory_bytes_peak(), 64 << 20);
        assert!(limiter.table_growing(0, 20_000, None).unwrap());
        assert!(limiter.table_growing(0, 1, None).is_err());
    }

    #[test]
    fn what_a_type_does_not_allow_is_no_budget() {
        let mut limiter = limiter();
        assert!(!limiter.memory_growing(0, 2, Some(1)).unwrap());
        assert!(!limiter.table_growing(0, 2, Some(1)).unwrap());
        assert_eq!(limiter.memory_bytes_peak(), 0);
    }

    #[test]
    fn sixty_four_instances_eight_memories_eight_tables() {
        let limiter = limiter();
        assert_eq!((limiter.instances(), limiter.memories(), limiter.tables()), (64, 8, 8));
    }
}
