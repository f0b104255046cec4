//! `scaling`: what the second core adds.
//!
//! Measured in this process, where no load generator needs a core; and for a whole server from its processor time per call,
//! because on two cores the generator takes its share of both.

use std::{sync::Arc, thread, time::Instant};

use airlock_sandbox::Program;
use serde_json::json;

use crate::{
    args::{Guest, Window},
    cores::{self, Cores},
    goals::{Row, TWO_CORES, TWO_CORES_SERVED, rounded},
    guests::{Component, INPUT, OUTPUT, Places},
    issuer::{CALLER, Issuer, Setup},
    load::{Call, Target, closed::drive},
    processor::median,
    report::Findings,
    sandboxed::{Caller, Closed, compile, default_engine},
    serve::runtime,
    server::Server,
};

const CONCURRENCY: usize = 64;
const GUESTS: [Guest; 2] = [Guest::RustArena, Guest::Typescript];

/// Measures both ways.
pub(crate) fn run(window: &Window, places: &Places) -> anyhow::Result<Findings> {
    let cores = cores::choose()?;
    let guests = GUESTS.map(|guest| Ok((guest, places.build(guest)?)));
    let guests = guests.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let mut findings = Findings::default();
    let mut details = serde_json::Map::new();
    for (guest, component) in &guests {
        let (one, two) = in_process(window, places, cores, component)?;
        let ratio = median(one.iter().zip(&two).map(|(one, two)| two / one));
        findings.rows.push(match guest {
            Guest::RustArena => TWO_CORES.measured(ratio),
            Guest::Rust | Guest::Typescript => {
                Row::figure(format!("two cores over one, in-process, {}", guest.name()), "x", ratio)
            }
        });
        details.insert(
            format!("in_process_{}", guest.name()),
            json!({ "one_core_calls_per_s": rounded(median(one)), "two_cores_calls_per_s": rounded(median(two)) }),
        );
    }
    let arena = guests.first().map(|(_, component)| component);
    if let Some(component) = arena {
        let (row, served) = runtime()?.block_on(served(window, places, cores, component))?;
        findings.rows.push(row);
        details.insert("served_rust-arena".to_owned(), served);
    }
    findings.details = details.into();
    findings.notes.push(
        "scaling: in-process runs one thread on each core, one engine for both, and nothing else. The whole server is \
         judged by twice the processor time per call of one worker over that of two workers, because the load generator \
         shares both cores: it shows contention, not idle time"
            .to_owned(),
    );
    Ok(findings)
}

/// Calls a second on one core and on two, in turns.
fn in_process(
    window: &Window,
    places: &Places,
    cores: Cores,
    component: &Component,
) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
    let engine = default_engine()?;
    let dir = places.fresh("scaling-")?;
    let artifact = dir.path().join("artifact");
    runtime()?.block_on(compile(places, component, &artifact))?;
    let program = Program::load(&engine, &artifact)?;
    let (mut one, mut two) = (Vec::new(), Vec::new());
    // The first round warms up and does not count.
    for round in 0..=window.rounds.get() {
        let alone = together(&program, &[cores.server], window)?;
        let both = together(&program, &[cores.server, cores.load], window)?;
        eprintln!("{}: {alone:.0} calls/s on one core, {both:.0} on two", component.name());
        if round > 0 {
            one.push(alone);
            two.push(both);
        }
    }
    Ok((one, two))
}

/// Calls a second of one thread on each of these cores.
fn together(program: &Program, cores: &[usize], window: &Window) -> anyhow::Result<f64> {
    let until = Instant::now() + window.length();
    let threads: Vec<_> = cores
        .iter()
        .map(|core| {
            let (core, program) = (*core, program.clone());
            thread::spawn(move || -> anyhow::Result<u32> {
                cores::pin(&[core])?;
                let caller = Caller::new(program, Arc::new(Closed))?;
                runtime()?.block_on(call_until(&caller, until))
            })
        })
        .collect();
    let mut calls = 0_u32;
    for thread in threads {
        calls += thread.join().map_err(|_| anyhow::anyhow!("a caller panicked"))??;
    }
    Ok(f64::from(calls) / window.seconds)
}

async fn call_until(caller: &Caller, until: Instant) -> anyhow::Result<u32> {
    let (input, output) = (std::str::from_utf8(INPUT)?, std::str::from_utf8(OUTPUT)?);
    let mut calls = 0;
    while Instant::now() < until {
        anyhow::ensure!(caller.call(input).await? == output, "the function gave the wrong answer");
        calls += 1;
    }
    Ok(calls)
}

/// One worker on one core against two workers on two, both servers up, in turns.
async fn served(
    window: &Window,
    places: &Places,
    cores: Cores,
    component: &Component,
) -> anyhow::Result<(Row, serde_json::Value)> {
    let both = [cores.server, cores.load];
    let issuer = Issuer::new()?;
    let dirs = [places.fresh("state-")?, places.fresh("state-")?];
    let [one_dir, two_dir] = &dirs;
    let one_config = issuer.configure(one_dir.path(), &Setup::default())?;
    let two_config = issuer.configure(two_dir.path(), &Setup { workers: 2, ..Setup::default() })?;
    let one = Server::airlock(&[cores.server], &one_config, &places.cache())?;
    let two = Server::airlock(&both, &two_config, &places.cache())?;
    for server in [&one, &two] {
        server.deploy(&issuer.builder_token()?, component).await?;
    }
    let (mut ratios, mut cpu_one, mut cpu_two, mut rate_two) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..window.rounds.get() {
        cores::pin(&[cores.load])?;
        let (alone, _) = cost(&one, &issuer, component, window).await?;
        cores::pin(&both)?;
        let (together, rate) = cost(&two, &issuer, component, window).await?;
        eprintln!("served: {alone:.1} us CPU per call with one worker, {together:.1} with two");
        ratios.push(2.0 * alone / together);
        cpu_one.push(alone);
        cpu_two.push(together);
        rate_two.push(rate);
    }
    let details = json!({
        "one_worker_cpu_us_per_call": rounded(median(cpu_one)), "two_workers_cpu_us_per_call": rounded(median(cpu_two)),
        "two_workers_calls_per_s_beside_the_load": rounded(median(rate_two)),
    });
    Ok((TWO_CORES_SERVED.measured(median(ratios)), details))
}

/// Processor time per call in microseconds, and calls a second.
async fn cost(server: &Server, issuer: &Issuer, component: &Component, window: &Window) -> anyhow::Result<(f64, f64)> {
    let token = issuer.caller_token(CALLER)?;
    let call = Call { token: Some(&token), ..Call::greeting(component.name()) };
    let seen = drive(server, Target::new(server.addresses.data, &call)?, CONCURRENCY, window.length()).await?;
    let calls = seen.calls as f64;
    Ok((seen.server_cpu.as_secs_f64() * 1e6 / calls, calls / seen.elapsed.as_secs_f64()))
}
