//! `cold-start`: first calls. Of a compiled function in this process; of a server that has just started, or has just been
//! given a function; and the way from TypeScript source to a function that answers.

mod served;
mod source;

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use airlock_sandbox::{Engine, Program};
use serde_json::json;

use crate::{
    args::{Guest, Window},
    cores,
    goals::{COLD_QUICKJS, COLD_RUST, Goal, rounded},
    guests::{Component, INPUT, OUTPUT, Places},
    load::open::nanoseconds,
    processor::median,
    report::Findings,
    sandboxed::{Caller, Closed, compile, default_engine},
    serve::runtime,
};

/// Loads that warm the page cache and this process and do not count.
const UNCOUNTED: usize = 3;

/// Runs all three parts.
pub(crate) fn run(window: &Window, places: &Places) -> anyhow::Result<Findings> {
    let guests = [(Guest::RustArena, COLD_RUST), (Guest::Typescript, COLD_QUICKJS)];
    let guests = guests.map(|(guest, goal)| Ok((guest, goal, places.build(guest)?)));
    let guests = guests.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    // From source comes first: it uses both cores, and the parts after it only one.
    let runtime = runtime()?;
    let source = runtime.block_on(source::run(places, window.rounds.get()))?;
    let mut findings = Findings::default();
    let mut details = serde_json::Map::new();
    for (guest, goal, component) in &guests {
        let loads = runtime.block_on(load_and_call(places, component, window.length()))?;
        details.insert(format!("in_process_{}", guest.name()), loads.describe());
        findings.rows.push(loads.row(*goal));
    }
    findings.rows.extend(source.rows);
    details.insert("source_to_deployed".to_owned(), source.details);
    let cores = cores::choose()?;
    cores::pin(&[cores.load])?;
    let components: Vec<_> = guests.into_iter().map(|(guest, _, component)| (guest, component)).collect();
    let served = runtime.block_on(served::run(places, cores, &components, window.rounds.get()))?;
    findings.rows.extend(served.rows);
    details.insert("served".to_owned(), served.details);
    findings.details = details.into();
    findings.notes.push(
        "cold-start: in-process is load, link and first call of a file that the kernel has in memory, with the engine up; \
         served figures are whole calls over gRPC on an open connection, token check and durable audit included"
            .to_owned(),
    );
    Ok(findings)
}

/// Times of load, link and first call together.
struct Loads {
    first_call: Vec<Duration>,
    /// The part until the program could be called.
    load: Vec<Duration>,
}

impl Loads {
    fn row(&self, goal: Goal) -> crate::goals::Row {
        goal.measured(middle_ms(&self.first_call))
    }

    fn describe(&self) -> serde_json::Value {
        json!({
            "load_and_first_call_ms": rounded(middle_ms(&self.first_call)), "load_ms": rounded(middle_ms(&self.load)),
            "loads": self.first_call.len(),
        })
    }
}

/// The median of some times, in milliseconds.
fn middle_ms(times: &[Duration]) -> f64 {
    median(times.iter().map(|time| nanoseconds(*time) as f64 / 1e6))
}

async fn load_and_call(places: &Places, component: &Component, length: Duration) -> anyhow::Result<Loads> {
    let dir = places.fresh("cold-start-")?;
    let artifact = dir.path().join("artifact");
    compile(places, component, &artifact).await?;
    let engine = default_engine()?;
    for _ in 0..UNCOUNTED {
        once(&engine, &artifact).await?;
    }
    let mut loads = Loads { first_call: Vec::new(), load: Vec::new() };
    let began = Instant::now();
    while began.elapsed() < length || loads.load.is_empty() {
        let (load, whole) = once(&engine, &artifact).await?;
        loads.load.push(load);
        loads.first_call.push(whole);
    }
    eprintln!("{}: {:.3} ms", component.name(), middle_ms(&loads.first_call));
    Ok(loads)
}

/// Loads, calls and unloads; the unloading is not part of the time.
async fn once(engine: &Engine, artifact: &Path) -> anyhow::Result<(Duration, Duration)> {
    let began = Instant::now();
    let program = Program::load(engine, artifact)?;
    let loaded = began.elapsed();
    let caller = Caller::new(program, Arc::new(Closed))?;
    let output = caller.call(std::str::from_utf8(INPUT)?).await?;
    let whole = began.elapsed();
    anyhow::ensure!(output.as_bytes() == OUTPUT, "the function gave the wrong answer");
    Ok((loaded, whole))
}
