//! What one compilation may use, and how the child learns it.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, nice, setrlimit};

/// Address space above [`CompileLimits::memory_bytes`]: reserved by allocators and thread stacks, never written.
const RESERVED_BYTES: u64 = 2 << 30;
/// Added to the niceness of the child: those who call functions go first.
const NICENESS: i32 = 10;

/// What one compilation may use. An operator sets it under `[deploy]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// Memory the child may write to.
    pub memory_bytes: u64,
    /// CPU time of the child over all its threads, in seconds.
    pub cpu_s: u64,
    /// Time from start to end, in milliseconds.
    pub wall_ms: u64,
    /// Size of the compiled form.
    pub compiled_bytes: u64,
}

impl CompileLimits {
    /// The defaults. QuickJS (1.7 MB) compiles with 512 MiB, most of it stacks and reserves, to 5 MB.
    pub const BUILT_IN: Self = Self { memory_bytes: 1 << 30, cpu_s: 60, wall_ms: 120_000, compiled_bytes: 64 << 20 };

    pub(super) const fn wall_time(self) -> Duration {
        Duration::from_millis(self.wall_ms)
    }

    /// As arguments of the child's command line, which [`limit_this_process`] is called with on the other side.
    pub(super) fn arguments(self) -> [String; 4] {
        ["--memory-bytes".to_owned(), self.memory_bytes.to_string(), "--cpu-s".to_owned(), self.cpu_s.to_string()]
    }
}

/// Takes memory, CPU time and priority from this process, for good.
///
/// # Errors
/// When the kernel refuses.
pub(super) fn limit_this_process(memory_bytes: u64, cpu_s: u64) -> std::io::Result<()> {
    for (resource, value) in [
        (Resource::Data, memory_bytes),
        (Resource::As, memory_bytes.saturating_add(RESERVED_BYTES)),
        (Resource::Cpu, cpu_s),
    ] {
        setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })?;
    }
    nice(NICENESS)?;
    Ok(())
}
