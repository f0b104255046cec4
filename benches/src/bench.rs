//! The benchmarks. Each runs in a process of its own, also under `all`.

pub(crate) mod all;
pub(crate) mod audit;
mod child;
pub(crate) mod cold_start;
pub(crate) mod compute;
pub(crate) mod density;
pub(crate) mod egress;
pub(crate) mod host_call;
pub(crate) mod instantiate;
pub(crate) mod invoke;
pub(crate) mod neighbour;
pub(crate) mod overload;
pub(crate) mod scaling;
pub(crate) mod search;
pub(crate) mod sql;

use crate::{
    args::Window,
    guests::Places,
    report::{Findings, Report},
};

/// Runs one benchmark and reports it.
pub(crate) fn alone(
    name: &str,
    window: &Window,
    bench: impl FnOnce(&Window, &Places) -> anyhow::Result<Findings>,
) -> anyhow::Result<()> {
    let places = Places::find()?;
    let mut report = Report::begin();
    report.add(name, bench(window, &places)?);
    report.conclude(&places.bench().join(format!("{name}.json")), window.json)
}
