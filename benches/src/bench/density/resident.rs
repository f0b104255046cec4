//! Functions that are loaded and have answered once.

use std::{path::Path, sync::Arc, time::Instant};

use airlock_sandbox::{Engine, Lanes, Program};
use anyhow::Context;
use rustix::process::{Resource, getrlimit};
use serde_json::json;

use crate::{
    args::Guest,
    goals::{Goal, RESIDENT_QUICKJS, RESIDENT_RUST, Row, rounded},
    guests::{INPUT, OUTPUT, Places},
    processor::Footprint,
    report::{
        Findings,
        machine::{max_map_count, memory_kib},
    },
    sandboxed::{Caller, Closed, compile, default_engine, lane},
    serve::runtime,
};

/// The machine that the goal speaks of, less a gibibyte for the kernel and everything that is no function.
const MEMORY_KIB: u64 = 23 << 20;
/// Functions that fill the pool's warm slots before anything is counted.
const SETTLING: u32 = 200;
/// Between two looks at what is left.
const STEP: u32 = 250;
/// Mappings that are left to calls: the pool has 512 instances, which take four each.
const MAPS_FOR_CALLS: u64 = 512 * 4;
/// File descriptors that are left when loading ends: one step takes one for each function.
const FILES_SPARE: u64 = STEP as u64 + 64;
/// Loading ends when the machine has no more than this.
const AVAILABLE_KIB_MIN: u64 = 2 << 20;

pub(super) fn rust(places: &Places, wanted: u32) -> anyhow::Result<Findings> {
    fill(places, Guest::RustArena, RESIDENT_RUST, wanted)
}

pub(super) fn quickjs(places: &Places, wanted: u32) -> anyhow::Result<Findings> {
    fill(places, Guest::Typescript, RESIDENT_QUICKJS, wanted)
}

/// What was loaded, and what ended the loading.
struct Filled {
    loaded: u32,
    /// Why there are not as many as were wanted.
    ended: Option<String>,
    /// What the functions after the settling ones occupy.
    grown: Footprint,
    /// Everything, at the end.
    whole: Footprint,
    seconds: f64,
}

impl Filled {
    fn per_function(&self, figure: u64) -> f64 {
        figure as f64 / f64::from(self.loaded.saturating_sub(SETTLING).max(1))
    }

    fn memory_kib(&self) -> f64 {
        self.per_function(self.grown.memory_kib())
    }

    /// As many as memory would hold if this went on.
    fn by_memory(&self) -> f64 {
        let left = MEMORY_KIB.saturating_sub(self.whole.memory_kib());
        f64::from(self.loaded) + (left as f64 / self.memory_kib()).floor()
    }

    /// As many as the kernel's count of mappings would allow.
    fn by_maps(&self) -> f64 {
        let left = max_map_count().saturating_sub(MAPS_FOR_CALLS).saturating_sub(self.whole.maps);
        f64::from(self.loaded) + (left as f64 / self.per_function(self.grown.maps)).floor()
    }

    fn most(&self) -> f64 {
        if self.ended.is_some() { f64::from(self.loaded) } else { self.by_memory().min(self.by_maps()) }
    }
}

fn fill(places: &Places, guest: Guest, goal: Goal, wanted: u32) -> anyhow::Result<Findings> {
    let component = places.build(guest)?;
    let dir = places.fresh("density-")?;
    let artifact = dir.path().join("artifact");
    let runtime = runtime()?;
    runtime.block_on(compile(places, &component, &artifact))?;
    let (engine, lanes) = (default_engine()?, lane()?);
    let mut functions = Vec::new();
    let began = Instant::now();
    let mut ended = None;
    let mut settled = None;
    for number in 0..wanted.max(SETTLING + STEP) {
        if number == SETTLING {
            settled = Some(Footprint::own()?);
        }
        if number % STEP == 0
            && let Some(why) = obstacle()?
        {
            ended = Some(why);
            break;
        }
        match runtime.block_on(load(&engine, &lanes, &artifact)) {
            Ok(function) => functions.push(function),
            Err(why) => {
                ended = Some(format!("{why:#}"));
                break;
            }
        }
    }
    let whole = Footprint::own()?;
    let loaded = u32::try_from(functions.len())?;
    let before = settled.ok_or_else(|| anyhow::anyhow!("only {loaded} functions could be loaded: {ended:?}"))?;
    let filled = Filled { loaded, ended, grown: whole.since(&before), whole, seconds: began.elapsed().as_secs_f64() };
    eprintln!("{}: {loaded} functions in {:.1} s", guest.name(), filled.seconds);
    Ok(findings(guest, goal, &filled))
}

/// Loads one function and calls it, so that what a call touches is there.
async fn load(engine: &Engine, lanes: &Arc<Lanes>, artifact: &Path) -> anyhow::Result<Caller> {
    let caller = Caller::sharing(Arc::clone(lanes), Program::load(engine, artifact)?, Closed::new())?;
    let output = caller.call(std::str::from_utf8(INPUT)?).await?;
    anyhow::ensure!(output.as_bytes() == OUTPUT, "the function gave the wrong answer");
    Ok(caller)
}

/// What forbids to go on before something breaks that says less.
fn obstacle() -> anyhow::Result<Option<String>> {
    let maps = Footprint::own()?.maps;
    if maps + MAPS_FOR_CALLS > max_map_count() {
        return Ok(Some(format!("{maps} of {} mappings (vm.max_map_count) are in use", max_map_count())));
    }
    // The engine keeps the file of every artifact open, for the memory images in it.
    let files = std::fs::read_dir("/proc/self/fd").context("cannot count open files")?.count() as u64;
    if let Some(most) = getrlimit(Resource::Nofile).current
        && files + FILES_SPARE > most
    {
        return Ok(Some(format!("{files} of {most} file descriptors (RLIMIT_NOFILE) are in use")));
    }
    let available = memory_kib("MemAvailable:");
    Ok((available < AVAILABLE_KIB_MIN).then(|| format!("the machine has only {available} KiB left")))
}

fn findings(guest: Guest, goal: Goal, filled: &Filled) -> Findings {
    let anonymous_kib = filled.per_function(filled.grown.anonymous_kib);
    let details = json!({
        "loaded": filled.loaded, "ended": filled.ended, "seconds": rounded(filled.seconds),
        "kib_per_function": rounded(filled.memory_kib()), "anonymous_kib_per_function": rounded(anonymous_kib),
        "maps_per_function": rounded(filled.per_function(filled.grown.maps)), "maps": filled.whole.maps,
        "resident_mib": filled.whole.resident_kib >> 10, "by_memory": filled.by_memory(), "by_maps": filled.by_maps(),
    });
    let name = guest.name();
    Findings {
        rows: vec![
            goal.measured(filled.most()),
            Row::figure(format!("memory of a resident function, {name}"), "KiB", filled.memory_kib()),
        ],
        details,
        notes: vec![format!(
            "density: {} {name} functions were loaded and called for real, all from one file mapped again for each, with \
             every mapped page counted each time, as if the files were different; the figure is the lesser of what 23 GiB \
             and the mappings hold",
            filled.loaded
        )],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(ended: Option<String>) -> Filled {
        let grown = Footprint { resident_kib: 90_000, anonymous_kib: 10_000, tables_kib: 10_000, maps: 3_000 };
        let whole = Footprint { resident_kib: 200_000, anonymous_kib: 50_000, tables_kib: 12_000, maps: 9_000 };
        Filled { loaded: SETTLING + 1_000, ended, grown, whole, seconds: 1.0 }
    }

    #[test]
    fn the_lesser_of_memory_and_mappings_counts() {
        let filled = filled(None);
        assert_eq!(filled.memory_kib(), 100.0);
        assert!(filled.by_memory() > 200_000.0);
        assert_eq!(filled.most(), filled.by_memory().min(filled.by_maps()));
    }

    #[test]
    fn what_ended_early_is_not_extrapolated() {
        assert_eq!(filled(Some("no more".to_owned())).most(), 1_200.0);
    }
}
