//! `compute`: the same source file run under fuel in the sandbox and as code of the machine, in turns.

use std::{sync::Arc, time::Instant};

use airlock_sandbox::Program;
use anyhow::Context;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    args::Window,
    cores,
    goals::{COMPUTE_JSON, COMPUTE_SHA, Goal, rounded},
    guests::{Places, WORK},
    processor::median,
    report::Findings,
    sandboxed::{Caller, Closed, compile, default_engine},
    serve::runtime,
    work,
};

/// Repetitions that tell how many fit a window.
const PROBE: u32 = 8;

/// One kind of work on both sides.
struct Kind {
    op: &'static str,
    goal: Goal,
    native: fn(u32) -> anyhow::Result<u32>,
}

const KINDS: [Kind; 2] = [
    Kind { op: "sha256", goal: COMPUTE_SHA, native: |times| Ok(work::sha256(times)) },
    Kind { op: "json", goal: COMPUTE_JSON, native: |times| Ok(work::json(times)?) },
];

#[derive(Deserialize)]
struct Output {
    sum: u32,
}

/// One window on both sides.
struct Measured {
    guest_us: f64,
    native_us: f64,
}

/// Builds, compiles, and runs both sides in turns.
pub(crate) fn run(window: &Window, places: &Places) -> anyhow::Result<Findings> {
    let runtime = runtime()?;
    let dir = places.fresh("compute-")?;
    let artifact = dir.path().join("work");
    runtime.block_on(compile(places, &places.build_project(WORK)?, &artifact))?;
    let caller = Caller::new(Program::load(&default_engine()?, &artifact)?, Arc::new(Closed))?;
    cores::pin(&[cores::choose()?.server])?;
    let mut findings = Findings::default();
    let mut details = serde_json::Map::new();
    for kind in KINDS {
        let measured = runtime.block_on(compare(&caller, &kind, window))?;
        findings.rows.push(kind.goal.measured(median(measured.iter().map(|one| one.guest_us / one.native_us))));
        details.insert(kind.op.to_owned(), described(&measured));
    }
    findings.details = details.into();
    findings.notes.push(
        "compute: one source file on both sides, plain Rust without the processor's SHA instructions; the allocators \
         differ (the guest has Rust's own), and so may the compilers"
            .to_owned(),
    );
    Ok(findings)
}

async fn compare(caller: &Caller, kind: &Kind, window: &Window) -> anyhow::Result<Vec<Measured>> {
    let times = fitting(kind, window)?;
    let mut measured = Vec::new();
    // The first round warms both sides up and does not count.
    for round in 0..=window.rounds.get() {
        // What a call costs without work is not compute.
        let (_, empty_us) = guest(caller, kind, 0).await?;
        let (guest_sum, guest_us) = guest(caller, kind, times).await?;
        let (native_sum, native_us) = native(kind, times)?;
        anyhow::ensure!(guest_sum == native_sum, "guest and machine disagree on `{}`", kind.op);
        let per_turn = f64::from(times);
        let one = Measured { guest_us: (guest_us - empty_us) / per_turn, native_us: native_us / per_turn };
        eprintln!("{}: guest {:.1} us, native {:.1} us", kind.op, one.guest_us, one.native_us);
        if round > 0 {
            measured.push(one);
        }
    }
    Ok(measured)
}

/// As many repetitions as the machine itself does in half a window.
fn fitting(kind: &Kind, window: &Window) -> anyhow::Result<u32> {
    native(kind, PROBE)?;
    let (_, took_us) = native(kind, PROBE)?;
    let times = window.seconds / 2.0 * 1e6 / (took_us / f64::from(PROBE));
    Ok(times.clamp(f64::from(PROBE), 1e7) as u32)
}

fn native(kind: &Kind, times: u32) -> anyhow::Result<(u32, f64)> {
    let began = Instant::now();
    let sum = (kind.native)(std::hint::black_box(times))?;
    Ok((sum, began.elapsed().as_secs_f64() * 1e6))
}

async fn guest(caller: &Caller, kind: &Kind, times: u32) -> anyhow::Result<(u32, f64)> {
    let payload = json!({ "op": kind.op, "times": times }).to_string();
    let began = Instant::now();
    let output = caller.call(&payload).await?;
    let took_us = began.elapsed().as_secs_f64() * 1e6;
    let output: Output = serde_json::from_str(&output).context("the guest's answer is not what it should be")?;
    Ok((output.sum, took_us))
}

fn described(measured: &[Measured]) -> Value {
    json!({
        "guest_us": rounded(median(measured.iter().map(|one| one.guest_us))),
        "native_us": rounded(median(measured.iter().map(|one| one.native_us))),
    })
}

#[cfg(test)]
mod tests {
    use crate::work;

    #[test]
    fn the_digest_is_sha_256() {
        let hex = |text: &[u8]| work::sha256_of(text).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        // FIPS 180-4, as published with its examples.
        assert_eq!(hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(hex(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let two_blocks = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        assert_eq!(hex(two_blocks), "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    }

    #[test]
    fn work_depends_on_how_much_there_is() {
        assert_ne!(work::sha256(1), work::sha256(2));
        assert_ne!(work::json(1).unwrap(), work::json(2).unwrap());
        assert_eq!(work::json(0).unwrap(), 0);
    }
}
