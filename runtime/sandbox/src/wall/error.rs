//! Why a wall does not stand.

use std::{io, path::PathBuf};

use super::ABI_NEEDED;

/// The wall cannot be raised. Each text says what is missing and what to do.
#[derive(Debug, thiserror::Error)]
pub enum WallError {
    /// The kernel's Landlock is absent, off, hidden or old.
    #[error(
        "isolation L1 needs Landlock ABI {ABI_NEEDED} (Linux 6.12 or newer), but Linux {release} offers {}: boot a newer \
         kernel, add `landlock` to its `lsm=` parameter, let the container's seccomp profile pass landlock_*, or accept \
         less with `[isolation] level = \"L0\"`",
        offer(*offered)
    )]
    Landlock {
        /// The running kernel.
        release: String,
        /// What it offers.
        offered: Option<u32>,
    },
    /// A rule or the ruleset was refused.
    #[error("the Landlock rules were refused by the kernel: {0}; `[isolation] level = \"L0\"` does without")]
    Rules(#[from] landlock::RulesetError),
    /// A path that must be there is not.
    #[error("`{path}` must be there and open to this user before the wall is raised")]
    Path {
        /// The path.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The filter of system calls was refused.
    #[error(
        "isolation L1 needs seccomp filters (CONFIG_SECCOMP_FILTER), and the kernel refused ours: {0}; \
         `[isolation] level = \"L0\"` does without"
    )]
    Seccomp(String),
    /// A process attribute could not be set.
    #[error("isolation L1 could not set {what}: {source}; `[isolation] level = \"L0\"` does without")]
    Process {
        /// Which.
        what: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// Threads that started before would stay outside.
    #[error("the wall binds one thread and what it starts, but this process has {0} threads already")]
    Threads(usize),
    /// Once is for good.
    #[error("the wall of this process stands already")]
    Twice,
}

impl WallError {
    pub(super) fn process(what: &'static str) -> impl FnOnce(rustix::io::Errno) -> Self {
        move |errno| Self::Process { what, source: errno.into() }
    }
}

fn offer(abi: Option<u32>) -> String {
    abi.map_or_else(|| "none".to_owned(), |abi| format!("ABI {abi}"))
}
