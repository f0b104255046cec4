//! One core for the servers, another for the load.

use anyhow::Context;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The two cores of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cores {
    /// Where every server runs, with all its threads.
    pub(crate) server: usize,
    /// Where the load generator runs.
    pub(crate) load: usize,
}

/// The first two cores this process may use.
pub(crate) fn choose() -> anyhow::Result<Cores> {
    let allowed = sched_getaffinity(None).context("cannot ask which cores are allowed")?;
    let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
    match (cores.next(), cores.next()) {
        (Some(server), Some(load)) => Ok(Cores { server, load }),
        _ => anyhow::bail!("two cores are needed, one for the servers and one for the load generator"),
    }
}

/// Binds this thread, and every thread and process it starts from now on, to these cores.
pub(crate) fn pin(cores: &[usize]) -> anyhow::Result<()> {
    let mut only = CpuSet::new();
    cores.iter().for_each(|core| only.set(*core));
    sched_setaffinity(None, &only).with_context(|| format!("cannot run on the cores {cores:?}"))
}
