//! `instantiate`: a whole run in this process: fresh store, instance, call, end of both.

use std::{sync::Arc, time::Instant};

use airlock_sandbox::Program;
use serde_json::json;

use crate::{
    args::{Guest, Window},
    cores,
    goals::{QUICKJS_IN_PROCESS, Row, rounded},
    guests::{INPUT, OUTPUT, Places},
    processor::{median, thread_time},
    report::Findings,
    sandboxed::{Caller, Closed, compile, default_engine},
    serve::runtime,
};

const GUESTS: [Guest; 3] = [Guest::RustArena, Guest::Rust, Guest::Typescript];

/// What one call cost.
struct Cost {
    wall_us: f64,
    cpu_us: f64,
}

/// Builds, compiles and calls.
pub(crate) fn run(window: &Window, places: &Places) -> anyhow::Result<Findings> {
    let callers = callers(places)?;
    cores::pin(&[cores::choose()?.server])?;
    let runtime = runtime()?;
    let mut costs: Vec<Vec<Cost>> = GUESTS.iter().map(|_| Vec::new()).collect();
    for _ in 0..window.rounds.get() {
        for ((guest, caller), costs) in callers.iter().zip(&mut costs) {
            let cost = runtime.block_on(repeat(caller, window))?;
            eprintln!("{}: {:.1} us, {:.1} us CPU", guest.name(), cost.wall_us, cost.cpu_us);
            costs.push(cost);
        }
    }
    Ok(findings(&costs))
}

/// One caller for each guest, all on one engine.
fn callers(places: &Places) -> anyhow::Result<Vec<(Guest, Caller)>> {
    let engine = default_engine()?;
    let dir = places.fresh("instantiate-")?;
    let runtime = runtime()?;
    let one = |guest: Guest| {
        let artifact = dir.path().join(guest.name());
        runtime.block_on(compile(places, &places.build(guest)?, &artifact))?;
        Ok((guest, Caller::new(Program::load(&engine, &artifact)?, Arc::new(Closed))?))
    };
    GUESTS.into_iter().map(one).collect()
}

/// Calls for a third of the window to warm up, and then for the window.
async fn repeat(caller: &Caller, window: &Window) -> anyhow::Result<Cost> {
    let (input, output) = (std::str::from_utf8(INPUT)?, std::str::from_utf8(OUTPUT)?);
    anyhow::ensure!(caller.call(input).await? == output, "the function gave the wrong answer");
    let warm = Instant::now();
    while warm.elapsed() < window.length() / 3 {
        caller.call(input).await?;
    }
    let (began, cpu, mut calls) = (Instant::now(), thread_time()?, 0_u32);
    while began.elapsed() < window.length() {
        caller.call(input).await?;
        calls += 1;
    }
    let (wall, cpu) = (began.elapsed(), thread_time()?.saturating_sub(cpu));
    let per_call_us = 1e6 / f64::from(calls.max(1));
    Ok(Cost { wall_us: wall.as_secs_f64() * per_call_us, cpu_us: cpu.as_secs_f64() * per_call_us })
}

fn findings(costs: &[Vec<Cost>]) -> Findings {
    let mut rows = Vec::new();
    let mut details = serde_json::Map::new();
    for (guest, costs) in GUESTS.into_iter().zip(costs) {
        let cpu_us = median(costs.iter().map(|cost| cost.cpu_us));
        let wall_us = median(costs.iter().map(|cost| cost.wall_us));
        details.insert(guest.name().to_owned(), json!({ "cpu_us": rounded(cpu_us), "wall_us": rounded(wall_us) }));
        rows.push(match guest {
            Guest::Typescript => QUICKJS_IN_PROCESS.measured(cpu_us),
            Guest::RustArena | Guest::Rust => {
                Row::figure(format!("{} hello, in-process, CPU", guest.name()), "us", cpu_us)
            }
        });
    }
    Findings { rows, details: details.into(), notes: Vec::new() }
}
