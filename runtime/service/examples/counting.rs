//! What counting costs a call: `cargo run --release -p airlock-service --example counting`.

use std::{
    hint::black_box,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use airlock_service::telemetry::{ServerSpan, Telemetry};

const ROUNDS: u32 = 2_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let telemetry = Arc::new(Telemetry::new()?);
    let metrics = telemetry.rpc("airlock.v1.InvocationService/Invoke");
    // A counter by status and a histogram, as each call and each host call has them.
    let count = || measured(|| metrics.count(black_box(0), black_box(Duration::from_micros(700))));
    println!("one count, one thread: {:.1} ns", count());
    let both =
        thread::scope(|threads| [threads.spawn(count), threads.spawn(count)].map(thread::ScopedJoinHandle::join));
    for each in both.into_iter().flatten() {
        println!("one count, two threads on the same series: {each:.1} ns");
    }
    let path = black_box("/airlock.v1.InvocationService/Invoke");
    let off = measured(|| drop(black_box(ServerSpan::begin(&telemetry, None, path, "id"))));
    println!("no span, where nobody wants any: {off:.1} ns");
    Ok(())
}

/// Nanoseconds of one round.
fn measured(mut round: impl FnMut()) -> f64 {
    let began = Instant::now();
    (0..ROUNDS).for_each(|_| round());
    began.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS)
}
