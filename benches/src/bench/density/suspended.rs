//! Calls that wait for the answer to a host call.

use std::{sync::Arc, time::Instant};

use airlock_sandbox::Program;
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    goals::{SUSPENDED, SUSPENDED_BYTES, rounded},
    guests::{HOST_CALLS, Places},
    processor::Footprint,
    report::{Findings, machine::max_map_count},
    sandboxed::{Caller, Holding, compile, engine},
    serve::runtime,
};

/// Calls that are suspended between two looks.
const STEP: u32 = 100;
/// Instances beyond the calls that are wanted.
const SPARE: u32 = 16;
/// Mappings that stay free: whatever else the process does needs some.
const MAPS_SPARE: u64 = 512;
const PAYLOAD: &str = r#"{"op":"query","times":1}"#;

/// One pool, filled as far as it goes.
struct Filled {
    wanted: u32,
    reached: u32,
    ended: Option<String>,
    /// Of the pool without any call.
    pool: Footprint,
    /// What the calls after the first step occupy.
    grown: Footprint,
    whole: Footprint,
    seconds: f64,
}

impl Filled {
    fn per_call(&self, figure: u64) -> f64 {
        figure as f64 / f64::from(self.reached.saturating_sub(STEP).max(1))
    }

    /// The pool takes mappings for every instance it could hold, used or not. The count for which pool and calls together
    /// just fit.
    fn best(&self) -> u32 {
        let pool_maps = self.pool.maps as f64 / f64::from(self.wanted);
        let room = max_map_count().saturating_sub(MAPS_SPARE) as f64;
        (room / (pool_maps + self.per_call(self.grown.maps))) as u32 / STEP * STEP
    }
}

/// Fills a pool for as many calls as are wanted, and a smaller one when mappings end the first.
pub(super) fn run(places: &Places, wanted: u32) -> anyhow::Result<Findings> {
    let component = places.build_project(HOST_CALLS)?;
    let dir = places.fresh("density-")?;
    let artifact = dir.path().join("artifact");
    runtime()?.block_on(compile(places, &component, &artifact))?;
    let mut filled = runtime()?.block_on(fill(&artifact, wanted))?;
    let best = filled.best();
    if filled.ended.is_some() && best > filled.reached {
        let first = filled.ended.clone();
        eprintln!("again with a pool for {best} calls");
        filled = runtime()?.block_on(fill(&artifact, best.min(wanted)))?;
        filled.ended = filled.ended.or(first);
    }
    Ok(findings(&filled))
}

async fn fill(artifact: &std::path::Path, wanted: u32) -> anyhow::Result<Filled> {
    let before = Footprint::own()?;
    let gate = Holding::new();
    let program = Program::load(&engine(wanted.saturating_add(SPARE))?, artifact)?;
    let caller = Arc::new(Caller::new(program, gate.clone())?);
    let pool = Footprint::own()?.since(&before);
    let began = Instant::now();
    let mut calls = JoinSet::new();
    let mut first = None;
    let mut ended = None;
    while ended.is_none() && gate.waiting() < wanted as usize {
        for _ in 0..STEP {
            let caller = caller.clone();
            calls.spawn(async move { caller.call(PAYLOAD).await });
        }
        ended = suspend(&gate, &mut calls).await?;
        first.get_or_insert(Footprint::own()?);
        let maps = Footprint::own()?.maps;
        if maps + MAPS_SPARE > max_map_count() {
            ended.get_or_insert(format!("{maps} of {} mappings (vm.max_map_count) are in use", max_map_count()));
        }
    }
    let whole = Footprint::own()?;
    let reached = u32::try_from(gate.waiting())?;
    let first = first.ok_or_else(|| anyhow::anyhow!("no call could be suspended"))?;
    let filled = Filled {
        wanted,
        reached,
        ended: ended.filter(|_| reached < wanted),
        pool,
        grown: whole.since(&first),
        whole,
        seconds: began.elapsed().as_secs_f64(),
    };
    eprintln!("{reached} calls suspended in {:.1} s", filled.seconds);
    gate.open();
    while let Some(call) = calls.join_next().await {
        let output = call??;
        anyhow::ensure!(output == r#"{"as_expected":0}"#, "a call that had waited gave a wrong answer: {output}");
    }
    Ok(filled)
}

/// Runs until every call waits, or says why one does not.
async fn suspend(gate: &Holding, calls: &mut JoinSet<anyhow::Result<String>>) -> anyhow::Result<Option<String>> {
    let mut failed = None;
    while gate.waiting() < calls.len() {
        tokio::task::yield_now().await;
        while let Some(call) = calls.try_join_next() {
            match call? {
                Ok(output) => anyhow::bail!("a call did not wait: {output}"),
                Err(error) => failed = Some(format!("{error:#}")),
            }
        }
    }
    Ok(failed)
}

fn findings(filled: &Filled) -> Findings {
    // All are calls of one function: what of its image they only read is there once.
    let kib = filled.per_call(filled.grown.anonymous_kib + filled.grown.tables_kib);
    let details = json!({
        "suspended": filled.reached, "ended": filled.ended, "seconds": rounded(filled.seconds),
        "kib_per_call": rounded(kib), "anonymous_kib_per_call": rounded(filled.per_call(filled.grown.anonymous_kib)),
        "page_table_kib_per_call": rounded(filled.per_call(filled.grown.tables_kib)),
        "resident_kib_per_call": rounded(filled.per_call(filled.grown.resident_kib)),
        "maps_per_call": rounded(filled.per_call(filled.grown.maps)), "maps": filled.whole.maps,
        "maps_of_the_pool_alone": filled.pool.maps, "resident_mib": filled.whole.resident_kib >> 10,
    });
    Findings {
        rows: vec![SUSPENDED.measured(f64::from(filled.reached)), SUSPENDED_BYTES.measured(kib)],
        details,
        notes: vec![
            "density: suspended calls are whole sandboxed calls in this process, each waiting in its gate and answered \
             afterwards; a server adds a connection's stream, the gate and, for HTTP, a socket to each"
                .to_owned(),
        ],
    }
}
