//! `host-call`: what one call of a guest to its host costs, from inside the whole application, without its backend.
//!
//! A run with `TIMES` host calls is compared with a run that makes none. The time is the run's own, as its usage says it: it
//! ends before the wait for the disk begins, so the audit records that host calls queue are handed over and not waited for.

pub(super) mod application;
mod backend;

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{
    allocations,
    args::Window,
    cores,
    goals::{HOST_CALL, HOST_CALL_ALLOCATIONS, Row, rounded},
    guests::Places,
    processor::median,
    report::Findings,
    serve::runtime,
    server::own_cpu_time,
};
use application::{Application, SQLITE};
use backend::Backend;

/// Host calls of one run: few enough for their records to fit the queue of the audit trail.
const TIMES: u32 = 200;

/// A kind of host call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bench) enum Op {
    /// Into the host and back, without the gate.
    Context,
    /// Through the gate without a resource: budget and escaping, no grant, no record.
    Log,
    /// Refused by a grant: budget, analysis, grant, one record with the reason.
    Denied,
    /// Permitted, and refused by the client before anything is sent: everything the gate does, and next to no backend.
    Unsent,
    /// Permitted and carried out by SQLite on a thread of its own.
    Query,
}

impl Op {
    const ALL: [Self; 5] = [Self::Context, Self::Log, Self::Denied, Self::Unsent, Self::Query];

    const fn name(self) -> &'static str {
        match self {
            Self::Context => "context",
            Self::Log => "log",
            Self::Denied => "denied",
            Self::Unsent => "unsent",
            Self::Query => "query",
        }
    }
}

/// What one host call cost.
#[derive(Debug, Clone, Copy)]
struct Cost {
    /// Of the run, in microseconds.
    wall_us: f64,
    /// Of the whole process, the writer of the trail included.
    cpu_us: f64,
    /// On the thread of the run.
    allocations: f64,
    /// Of that, what the resource client takes by itself.
    backend_us: f64,
    /// Likewise.
    backend_allocations: f64,
}

/// Deploys the guest in this process and calls it.
pub(crate) fn run(window: &Window, places: &Places) -> anyhow::Result<Findings> {
    let runtime = runtime()?;
    let dir = places.fresh("host-call-")?;
    let application = runtime.block_on(Application::open(places, dir.path(), SQLITE))?;
    let backend = Backend::open(&application.config)?;
    // The writer of the trail and other threads stay free to use any core, as in a server with more than one.
    cores::pin(&[cores::choose()?.server])?;
    let mut costs: Vec<Vec<Cost>> = Op::ALL.iter().map(|_| Vec::new()).collect();
    for _ in 0..window.rounds.get() {
        for (op, costs) in Op::ALL.into_iter().zip(&mut costs) {
            let cost = measure(&runtime, &application, &backend, op, window)?;
            eprintln!("{}: {:.2} us, {:.2} of it backend", op.name(), cost.wall_us, cost.backend_us);
            costs.push(cost);
        }
    }
    let costs: Vec<_> = Op::ALL.into_iter().zip(costs.iter().map(|costs| middle(costs))).collect();
    Ok(findings(&costs))
}

fn measure(
    runtime: &tokio::runtime::Runtime,
    application: &Application,
    backend: &Backend,
    op: Op,
    window: &Window,
) -> anyhow::Result<Cost> {
    let token = application.token()?;
    let call = |times| runtime.block_on(application.call(&token, op, times));
    // Warm: statements classified, connections open, pools filled.
    for _ in 0..8 {
        call(TIMES)?;
        call(0)?;
    }
    let (with, with_cpu) = repeat(window.length() / 2, || call(TIMES))?;
    let (without, without_cpu) = repeat(window.length() / 6, || call(0))?;
    let times = f64::from(TIMES);
    let (ran, many) = allocations::during(|| call(TIMES));
    ran?;
    let (ran, few) = allocations::during(|| call(0));
    ran?;
    let (backend_us, backend_allocations) = runtime.block_on(backend.cost(op, window.length() / 4))?;
    Ok(Cost {
        wall_us: (with - without) / times,
        cpu_us: (with_cpu - without_cpu) / times,
        allocations: many.saturating_sub(few) as f64 / times,
        backend_us,
        backend_allocations,
    })
}

/// The median time of a run and the processor time of the process for each, in microseconds.
fn repeat(length: Duration, mut call: impl FnMut() -> anyhow::Result<u64>) -> anyhow::Result<(f64, f64)> {
    let (began, cpu) = (Instant::now(), own_cpu_time()?);
    let mut walls = Vec::new();
    while began.elapsed() < length || walls.is_empty() {
        walls.push(call()? as f64);
    }
    let cpu_us = own_cpu_time()?.saturating_sub(cpu).as_secs_f64() * 1e6 / walls.len() as f64;
    Ok((median(walls), cpu_us))
}

fn middle(costs: &[Cost]) -> Cost {
    let of = |figure: fn(&Cost) -> f64| median(costs.iter().map(figure));
    Cost {
        wall_us: of(|cost| cost.wall_us),
        cpu_us: of(|cost| cost.cpu_us),
        allocations: of(|cost| cost.allocations),
        backend_us: of(|cost| cost.backend_us),
        backend_allocations: of(|cost| cost.backend_allocations),
    }
}

fn findings(costs: &[(Op, Cost)]) -> Findings {
    let mut rows = Vec::new();
    let mut details = serde_json::Map::new();
    for (op, cost) in costs {
        let shown = json!({
            "wall_us": rounded(cost.wall_us), "backend_us": rounded(cost.backend_us),
            "process_cpu_us": rounded(cost.cpu_us), "allocations": rounded(cost.allocations),
            "backend_allocations": rounded(cost.backend_allocations),
        });
        details.insert(op.name().to_owned(), shown);
        match op {
            Op::Unsent => {
                rows.push(HOST_CALL.measured(cost.wall_us - cost.backend_us));
                rows.push(HOST_CALL_ALLOCATIONS.measured(cost.allocations - cost.backend_allocations));
            }
            Op::Context => {
                rows.push(Row::figure("host call that stays before the gate (`context`)", "us", cost.wall_us));
            }
            Op::Log => {
                rows.push(Row::figure("host call through the gate without a resource (`log`)", "us", cost.wall_us));
            }
            Op::Denied => rows.push(Row::figure("host call that a grant denies", "us", cost.wall_us)),
            Op::Query => rows.push(Row::figure("host call with `select 1` on SQLite, all of it", "us", cost.wall_us)),
        }
    }
    let notes = vec![
        "host-call: through the gate is an HTTP request that every grant covers and whose body the client refuses before it \
         sends anything; included are the guest's side, the crossing, budget, grants, intent and outcome queued for the \
         trail; the client's own part, measured apart, is taken off"
            .to_owned(),
        "host-call: `process_cpu_us` also has what the trail's writer does with the records, fsync included".to_owned(),
    ];
    Findings { rows, details: details.into(), notes }
}
